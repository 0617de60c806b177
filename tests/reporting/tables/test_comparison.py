"""Groups against each other: pairs, families, tests."""

from dataclasses import replace

import numpy as np
import pytest
from report_rows import make_row

from nnunet_tv.metrics.registry import ENDPOINTS, MEASURES
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.statistics import difference_of_trainings, holm
from nnunet_tv.reporting.tables.comparison import comparison_table, trainings_table
from nnunet_tv.reporting.tables.table import to_csv
from nnunet_tv.utils.errors import NnunetTVError


@pytest.fixture(autouse=True)
def three_endpoints(monkeypatch):
    """The p values below are adjusted for this number of endpoints."""
    for name in set(ENDPOINTS) - {"DC", "sSens", "nFPC"}:
        monkeypatch.delitem(ENDPOINTS, name)


def study(runs=1, n=8):
    """B finds every lesion, A the last only; equal false clusters."""
    rows = []
    for stage in ("raw", "filtered"):
        for i in range(n):
            for run in range(runs):
                rows.append(make_row(f"s{i}", "A", run, stage, tp=5 if i == n - 1 else 0, fn=5, false=2))
                rows.append(make_row(f"s{i}", "B", run, stage, tp=5, fn=5, false=2))
    return gather(rows)


def rows_of(table, family):
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows if row[0] == family]


def test_mcnemar_and_permutation_by_hand():
    table = comparison_table(study(), primary="sSens")
    assert table.title.endswith("primary endpoint sSens")
    first, second = rows_of(table, "primary")
    assert (first["Endpoint"], first["Stage"], second["Stage"]) == ("sSens", "raw", "filtered")
    assert first["Second − first"] == "B − A" and first["Test"] == "McNemar"
    # Seven discordant pairs of one direction: 2 / 2^7; Holm over raw and filtered doubles it.
    assert (first["p"], first["p, Holm"], first["Higher in first / second"]) == (2 / 128, 4 / 128, "0 / 7")
    assert f"McNemar,{2 / 128},{4 / 128}\n" in to_csv(table)  # every digit
    assert table.texts()[0][-2:] == ["0.0156", "0.0312"]
    difference = first["Difference"]
    assert difference.value == pytest.approx(7 / 8) and difference.n == 8 and 0 < difference.low < difference.value
    dice, _, clusters, _ = rows_of(table, "secondary")
    assert (dice["Endpoint"], dice["Test"], clusters["Endpoint"]) == ("DC", "permutation", "nFPC")
    # Four secondary tests: two of Dice with p = 2 / 2^7, two of equal false clusters with p = 1.
    assert (dice["p"], dice["p, Holm"]) == (2 / 128, 8 / 128)
    assert (clusters["p"], clusters["p, Holm"]) == (1, 1)


def test_few_discordant_pairs_are_noted_although_there_are_many_subjects():
    rows = [make_row(f"s{i}", group, tp=0 if group == "A" and i < 5 else 5, fn=5, false=i % 3 + (group == "B"))
            for i in range(20) for group in "AB"]
    table = comparison_table(gather(rows), primary="sSens")
    assert "sSens, raw, B − A (5)" in table.warnings[0] and "nFPC" not in table.warnings[0]
    assert rows_of(table, "primary")[0]["Difference"].n == 20


def test_raw_against_filtered():
    rows = [make_row(f"s{i}", group, stage=stage, tp=5, fn=5, false=2 if stage == "filtered" else clusters + i % 2)
            for i in range(8) for group, clusters in (("A", 9), ("B", 6)) for stage in ("raw", "filtered")]
    table = comparison_table(gather(rows), primary="nFPC", stages=True)
    own = {row["Second − first"]: row for row in rows_of(table, "effect of the filter") if row["Endpoint"] == "nFPC"}
    assert {name: row["Difference"].value for name, row in own.items()} == {"A": -7.5, "B": -4.5}
    assert own["A"]["Stage"] == "filtered − raw" and own["A"]["p"] == 2 / 2 ** 8
    assert own["A"]["p, Holm"] == own["B"]["p, Holm"] == 6 * 2 / 2 ** 8  # three endpoints, two groups
    across = {row["Second − first"]: row for row in rows_of(table, "across stages") if row["Endpoint"] == "nFPC"}
    assert {name: row["Difference"].value for name, row in across.items()} == {
        "B, filtered − A, raw": -7.5, "A, filtered − B, raw": -4.5}
    assert {row[0] for row in comparison_table(gather(rows)).rows} == {"primary", "secondary"}


def test_several_runs_are_no_further_subjects():
    table = comparison_table(study(runs=3), primary="sSens")
    first = rows_of(table, "primary")[0]
    assert first["Test"] == "permutation" and first["p"] == 2 / 128 and first["Difference"].n == 8


def test_three_groups_make_three_pairs_and_few_subjects_are_noted():
    rows = [make_row(f"s{i}", group, tp=i + 1, fn=3) for i in range(5) for group in "ABC"]
    table = comparison_table(gather(rows))
    assert [row[3] for row in table.rows if row[0] == "primary"] == ["B − A", "C − A", "C − B"]
    assert "Fewer than 6 subjects differ" in table.warnings[0]
    assert comparison_table(gather(rows[:1])).rows == ()


def test_an_undefined_comparison_has_no_p_and_is_not_counted():
    rows = [make_row(f"s{i}", group, fp=3, false=i % 3 + (group == "B")) for i in range(7) for group in "AB"]
    assert not rows[0].score.n_lesions
    table = comparison_table(gather(rows))
    dice, = rows_of(table, "primary")
    assert (dice["p"], dice["p, Holm"], dice["Difference"].value) == ("undefined", "undefined", None)
    detected, clusters = rows_of(table, "secondary")
    assert detected["p"] == "undefined" and clusters["p"] == clusters["p, Holm"] == 2 / 2 ** 7
    assert not any("DC" in warning for warning in table.warnings)


def test_losses_are_compared_over_runs_too():
    rng = np.random.default_rng(0)
    rows = [make_row(f"s{i}", group, run, stage, tp=5, fn=5, false=int(rng.poisson(rate * (i + 1))))
            for group in "AB" for run in range(5) for rate in [rng.lognormal(1, 0.5)] for i in range(8)
            for stage in ("raw", "filtered")]
    groups = gather(rows)
    table = trainings_table(groups, primary="nFPC")
    raw, filtered = rows_of(table, "primary")
    interval, p = difference_of_trainings(*(np.array([[score.n_false_clusters for score in scores]
                                                      for scores in group.scores.values()]) for group in groups[:2]))
    assert (raw["Difference"], raw["p"], raw["Runs"]) == (interval, p, "5, 5")
    assert [raw["p, Holm"], filtered["p, Holm"]] == holm([raw["p"], filtered["p"]])
    models = rows_of(comparison_table(groups, primary="nFPC"), "primary")[0]
    assert models["p"] < raw["p"]  # runs that differ make subjects differ
    stages = trainings_table(groups, primary="nFPC", stages=True)
    assert {row[1] for row in stages.rows if row[0] == "effect of the filter"} == set(ENDPOINTS)
    assert trainings_table(study(), primary="nFPC").rows == ()


def test_another_endpoint_is_refused():
    with pytest.raises(NnunetTVError, match="primary endpoint 'Sens': expected one of DC, sSens, nFPC"):
        comparison_table(study(), primary="Sens")


def trained(runs, *, seed=1, n=8):
    """Rows of two equal losses; `runs` are the trainings of each run of A."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(1, 0.5, (2, max(*runs, 4) + 1))
    false = rng.poisson(level[:, :, None] * np.arange(1, n + 1))
    return [make_row(f"s{i}", group, run, tp=5, fn=5, false=int(false[number, training, i]))
            for number, (group, trainings) in enumerate((("A", runs), ("B", range(5))))
            for run, training in enumerate(trainings) for i in range(n)]


def test_a_training_given_twice_has_no_p():
    """Run means without spread would make equal losses differ in 38 % of simulations."""
    for runs, known in (([0] * 5, False), ([0, 1, 2, 3, 1], False), ([0, 1, 2, 3, 4], True)):
        table = trainings_table(gather(trained(runs)), primary="nFPC")
        row, = rows_of(table, "primary")
        assert (isinstance(row["p"], float), row["Difference"].low is not None, not table.warnings) == (known,) * 3
        assert row["Difference"].value == pytest.approx(
            rows_of(comparison_table(gather(trained(runs)), primary="nFPC"), "primary")[0]["Difference"].value)
        assert known or "A: runs" in table.warnings[0]
    nothing = [make_row(f"s{i}", group, run, fn=5, tp=5 * (group == "B"), fp=run * (group == "B"))
               for group in "AB" for run in range(3) for i in range(8)]
    table = trainings_table(gather(nothing), primary="nFPC")  # runs may all predict nothing
    assert not table.warnings


def test_two_runs_are_warned_of():
    assert "A: two runs" in trainings_table(gather(trained([0, 1]))).warnings[0]
    assert not trainings_table(gather(trained([0, 1, 2]))).warnings


def test_trainings_are_compared_over_the_subjects_defined_in_every_run(monkeypatch):
    measure = replace(next(one for one in MEASURES if one.key == "lesion_precision"), short="PPV", endpoint=True)
    monkeypatch.setitem(ENDPOINTS, "PPV", measure)
    rng = np.random.default_rng(0)
    values = rng.random((2, 3, 8))
    undefined = {("A", 0, 0), ("A", 1, 0), ("A", 2, 0), ("B", 1, 5)}

    def rows_in(orders):
        return [make_row(f"s{i}", group, run, tp=5, fn=5, fp=run, measures={
            "lesion_precision": None if (group, run, i) in undefined else float(values[number, run, i])})
            for number, (group, order) in enumerate(zip("AB", orders, strict=True)) for run in range(3) for i in order]

    kept = [i for i in range(8) if i not in (0, 5)]
    for orders in ((range(8), range(8)), (range(8), range(7, -1, -1))):
        row, = rows_of(trainings_table(gather(rows_in(orders)), primary="PPV"), "primary")
        interval, p = difference_of_trainings(values[0][:, kept].T, values[1][:, kept].T)
        found = row["Difference"]
        assert (found.value, found.low, found.high, found.n, row["p"]) == pytest.approx(
            (interval.value, interval.low, interval.high, 6, p))
        assert row["Means"] == f"{values[0][:, kept].mean():.3f}, {values[1][:, kept].mean():.3f}"


def test_a_group_of_one_run_is_named_where_losses_are_compared():
    rows = [make_row(f"s{i}", group, run, tp=5, fn=5, false=(i + run) % 4) for i in range(8)
            for group, runs in (("A", 1), ("B", 3), ("C", 3)) for run in range(runs)]
    table = trainings_table(gather(rows), primary="nFPC")
    assert {row[3] for row in table.rows} == {"C − B"}
    assert any(text.startswith("A: one run") for text in table.warnings)

"""Figures with intervals, by hand."""

from itertools import pairwise

import pytest
from report_rows import SETTINGS, make_row

from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.statistics import clopper_pearson, poisson_rate
from nnunet_tv.reporting.tables import summaries
from nnunet_tv.reporting.tables.measures import measures_table
from nnunet_tv.reporting.tables.table import to_csv, to_markdown
from nnunet_tv.reporting.tables.table_one import table_one


def column(table, name):
    return [row[table.columns.index(name)] for row in table.rows]


def test_one_run_has_exact_intervals():
    rows = [make_row(f"s{i}", tp=5 if i < 14 else 0, fn=5, false=i < 3) for i in range(17)]
    table = summaries.uncertainty_table(gather(rows))
    assert column(table, "sSens") == [clopper_pearson(14, 17)]
    assert column(table, "nFPC, exact Poisson") == [poisson_rate(3, 17)]
    rate = column(table, "nFPC")[0]
    assert (rate.low, rate.high) == pytest.approx((0.0364, 0.5157), abs=1e-4)
    assert rate.value == pytest.approx(3 / 17) and rate.method == "exact Poisson" and rate.n == 17
    assert "0.824 (0.566 to 0.962; n = 17)" in to_markdown(table) and "Clopper-Pearson" in to_csv(table)


def test_runs_are_averaged_first():
    rows = [make_row(f"s{i}", run=run, tp=5, fn=5, false=run) for i in range(12) for run in range(10)]
    table = summaries.uncertainty_table(gather(rows))
    rate = column(table, "nFPC")[0]
    assert (rate.value, rate.n) == (4.5, 12) and rate.low <= poisson_rate(54, 12).low and rate.high > 5.8
    assert column(table, "DC")[0].low is None  # subjects agree
    assert column(table, "sSens") == [clopper_pearson(12, 12)]
    assert "nFPC, exact Poisson" not in table.columns


def test_pooled_ratio_is_the_mean_of_the_runs_ratios():
    rows = [make_row("a", tp=10, fp=0, fn=0), make_row("b", tp=0, fn=90, fp=30),
            make_row("a", run=1, tp=5, fn=5), make_row("b", run=1, tp=45, fn=45)]
    group = gather(rows)[0]
    assert summaries.pooled_interval(group, "fn").value == pytest.approx((10 / 100 + 50 / 100) / 2)
    assert summaries.pooled_interval(group, "fp").value == pytest.approx((10 / 40 + 50 / 50) / 2)
    nothing = gather([make_row("a", fn=5), make_row("b", fn=5)])[0]
    assert [summaries.pooled_interval(nothing, other).value for other in ("fp", "fn")] == [None, 0]


def misses(number, subjects=14, runs=10):
    """All subjects found in all runs, but for a number of misses."""
    return gather([make_row(f"s{i}", run=run, tp=0 if i * runs + run < number else 5, fn=5)
                   for i in range(subjects) for run in range(runs)])


@pytest.mark.parametrize("runs", [1, 10])
def test_a_near_perfect_result_has_no_narrower_interval_than_a_perfect_one(runs):
    found = [column(summaries.uncertainty_table(misses(number, runs=runs)), "sSens")[0] for number in range(4)]
    assert (round(found[0].low, 3), found[0].high) == (0.768, 1)
    for before, after in pairwise(found):
        assert after.low < before.low and after.high - after.low > before.high - before.low


def test_one_mean_of_precision():
    # No prediction in one of two runs of the first subject: run 0 has 0.5 and 0.2, run 1 has 0.4 only.
    rows = [make_row("a", tp=5, fp=5, measures={"precision": 0.5}), make_row("a", run=1, fn=5),
            make_row("b", tp=1, fp=4, measures={"precision": 0.2}),
            make_row("b", run=1, tp=2, fp=3, measures={"precision": 0.4})]
    table = measures_table(gather(rows), distances=False, settings=SETTINGS)
    found, = (row[3].value for row in table.rows if str(row[2]).startswith("Precision (voxels"))
    expected = (0.35 + 0.4) / 2
    assert found == pytest.approx(expected)
    assert table_one(rows)[0].per_subject["Prec"].mean == pytest.approx(expected)

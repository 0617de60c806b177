"""Groups against each other: pairs, families, tests."""

import pytest
from report_rows import make_row

from nnunet_tv.metrics.registry import ENDPOINTS
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.tables.comparison import comparison_table
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


def test_mcnemar_and_permutation_by_hand():
    table = comparison_table(study(), primary="sSens")
    assert table.title.endswith("primary endpoint sSens")
    first = dict(zip(table.columns, table.rows[0], strict=True))
    assert (first["Family"], first["Endpoint"], first["Stage"]) == ("primary", "sSens", "raw")
    assert first["Second − first"] == "B − A" and first["Test"] == "McNemar"
    # Seven discordant pairs of one direction: 2 / 2^7; Holm over raw and filtered doubles it.
    assert (first["p"], first["p, Holm"]) == (2 / 128, 4 / 128)
    assert f"McNemar,{2 / 128},{4 / 128}\n" in to_csv(table)  # every digit
    assert table.texts()[0][-2:] == ["0.0156", "0.0312"]
    assert first["Difference"].value == pytest.approx(7 / 8) and first["Difference"].n == 8
    dice = dict(zip(table.columns, table.rows[2], strict=True))
    assert (dice["Family"], dice["Endpoint"], dice["Test"]) == ("secondary", "DC", "permutation")
    # Four secondary tests: two of Dice with p = 2 / 2^7, two of equal false clusters with p = 1.
    assert (dice["p"], dice["p, Holm"]) == (2 / 128, 8 / 128)
    assert table.rows[-1][-2:] == (1, 1) and table.warnings == ()


def test_several_runs_are_no_further_subjects():
    table = comparison_table(study(runs=3), primary="sSens")
    first = dict(zip(table.columns, table.rows[0], strict=True))
    assert first["Test"] == "permutation" and first["p"] == 2 / 128 and first["Difference"].n == 8


def test_three_groups_make_three_pairs_and_few_subjects_are_noted():
    rows = [make_row(f"s{i}", group, tp=i + 1, fn=3) for i in range(5) for group in "ABC"]
    table = comparison_table(gather(rows))
    assert [row[3] for row in table.rows if row[0] == "primary"] == ["B − A", "C − A", "C − B"]
    assert "fewer than 6 pairs" in table.warnings[0]
    assert comparison_table(gather(rows[:1])).rows == ()


def test_another_endpoint_is_refused():
    with pytest.raises(NnunetTVError, match="primary endpoint 'Sens': expected one of DC, sSens, nFPC"):
        comparison_table(study(), primary="Sens")

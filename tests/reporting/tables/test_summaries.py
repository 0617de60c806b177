"""Figures with intervals, by hand."""

import pytest
from report_rows import make_row

from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.statistics import clopper_pearson, poisson_rate
from nnunet_tv.reporting.tables import summaries
from nnunet_tv.reporting.tables.table import to_csv, to_markdown


def column(table, name):
    return [row[table.columns.index(name)] for row in table.rows]


def test_one_run_has_exact_intervals():
    rows = [make_row(f"s{i}", tp=5 if i < 14 else 0, fn=5, false=i < 3) for i in range(17)]
    table = summaries.uncertainty_table(gather(rows))
    assert column(table, "sSens") == [clopper_pearson(14, 17)]
    assert column(table, "nFPC, exact Poisson") == [poisson_rate(3, 17)]
    rate = column(table, "nFPC")[0]
    assert rate.value == pytest.approx(3 / 17) and rate.method == "bootstrap" and rate.n == 17
    assert "0.824 (0.566 to 0.962; n = 17)" in to_markdown(table) and "Clopper-Pearson" in to_csv(table)


def test_runs_are_averaged_before_subjects_are_resampled():
    rows = [make_row(f"s{i}", run=run, tp=5, fn=5, false=run) for i in range(12) for run in range(10)]
    table = summaries.uncertainty_table(gather(rows))
    rate = column(table, "nFPC")[0]
    assert (rate.value, rate.low, rate.high, rate.n) == (4.5, None, None, 12)  # subjects agree, although runs do not
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

"""Figures with intervals, all measures, hit rules and lost lesions, by hand."""

import pytest
from report_rows import make_row

from nnunet_tv.metrics.scores import HitCounts
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.statistics import clopper_pearson, poisson_rate
from nnunet_tv.reporting.tables import summaries
from nnunet_tv.reporting.tables.table import to_csv, to_markdown
from nnunet_tv.scoring.rows import LostLesions


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


def test_undefined_measures_are_counted_and_penalised():
    rows = [make_row("a", tp=5, fn=5, measures={"precision": 0.5, "hd95_mm": 4.0}),
            make_row("b", fn=5, measures={"precision": None, "hd95_mm": None}, worst_mm=60.0),
            make_row("c", measures={"precision": None, "hd95_mm": 0.0}),  # both empty: nothing to be precise about
            make_row("d", fp=4, false=1, measures={"precision": 0.0, "hd95_mm": None}, worst_mm=80.0)]
    table = summaries.measures_table(gather(rows), distances=True)
    lines = {row[2]: row for row in table.rows}
    precision, distance = lines["Precision (voxels)"], lines["HD95 (mm)"]
    assert "that of the probabilities, which the filter does not change" in table.notes[0]
    assert precision[3].value == pytest.approx(0.25) and precision[3].n == 2
    assert precision[4] == "1 of 3" and precision[6].value == pytest.approx(0.5 / 3)
    assert distance[3].value == 2.0 and distance[4] == "2 of 4" and distance[5] == "image diagonal"
    assert distance[6].value == (4 + 60 + 0 + 80) / 4
    assert lines["Sensitivity (voxels)"][4] == "2 of 2"  # of the subjects with a lesion
    assert "Average precision" not in lines
    assert "HD95 (mm)" not in {row[2] for row in summaries.measures_table(gather(rows), distances=False).rows}


def test_hit_rules_side_by_side():
    def hits(any_hit, center):
        return {"any": HitCounts(any_hit, 1, int(any_hit), int(any_hit)),
                "center": HitCounts(center, 1 + (any_hit and not center), int(center), int(center))}

    rows = [make_row("a", tp=1, fn=9, hits=hits(True, True)), make_row("b", tp=1, fn=9, hits=hits(True, False))]
    table = summaries.rules_table(gather(rows))
    assert [row[2] for row in table.rows] == ["any (primary)", "center"]
    assert [row[3].value for row in table.rows] == [1.0, 0.5] and [row[4].value for row in table.rows] == [1.0, 1.5]
    assert [row[5] for row in table.rows] == ["2 of 2", "1 of 2"]


def test_lost_lesions():
    rows = [make_row("a", tp=5), make_row("b", tp=5), make_row("c", tp=5),
            make_row("a", stage="filtered", fn=5, lost=LostLesions(1, 1, 0)),
            make_row("b", stage="filtered", fn=5, lost=LostLesions(1, 0, 1)),
            make_row("c", stage="filtered", tp=5, lost=LostLesions(0, 0, 0)),
            make_row("a", group="B", tp=5), make_row("a", group="B", stage="filtered", fn=5,
                                                     lost=LostLesions(1, None, None))]
    assert summaries.lost_table(rows).rows == (("A", 3, 3, 2, 1, 1), ("B", 1, 1, 1, "not known", "not known"))
    assert summaries.lost_table(rows[:3]).rows == ()

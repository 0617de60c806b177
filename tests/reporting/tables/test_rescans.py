"""Tables of two scans, recomputed by hand."""

import pytest
from scipy import stats

from nnunet_tv.metrics.agreement import Agreement
from nnunet_tv.reporting.tables.rescans import rescans_csv, rescans_table
from nnunet_tv.scoring.rescans import RescanRow

NOTHING = Agreement(None, 0, 0, 0, 0.0, 0.0)


def row(case, one, *, group="A", run=0, stage="raw"):
    return RescanRow(case, group, run, stage, one)


def line(rows, **options):
    table = rescans_table(rows, **options)
    return dict(zip(table.columns, table.rows[0], strict=True))


#: Dice 0.75, 0.25 and 0 of three subjects, and two without a cluster.
ROWS = [row("a", Agreement(0.75, 1, 2, 1, 4000.0, 5000.0)), row("b", Agreement(0.25, 3, 2, 1, 1000.0, 3000.0)),
        row("c", Agreement(0.0, 1, 0, 0, 500.0, 0.0)), row("d", NOTHING), row("e", NOTHING)]


def test_subjects_without_a_cluster_are_counted_apart():
    found = line(ROWS)
    assert [found[name] for name in ("Group", "Stage", "Runs", "Subjects", "No cluster in either scan")] == [
        "A", "raw", 1, 5, 2]
    assert (found["Dice"].value, found["Dice"].n) == (pytest.approx(1 / 3), 3)
    assert found["Clusters found in both"].value == pytest.approx(2 * 2 / 9)
    assert found["Mean volume (ml)"].value == pytest.approx((4.5 + 2 + 0.25) / 3)
    assert found["Volume difference (ml)"].value == pytest.approx((1 + 2 + 0.5) / 3)
    one = found["Clusters in one scan only"]
    exact = stats.binomtest(1, 5).proportion_ci(0.95, "exact")
    assert (one.value, one.n, one.low, one.high) == (0.2, 5, pytest.approx(exact.low), pytest.approx(exact.high))
    four = line([row(f"{each.case}{copy}", each.agreement) for each in ROWS for copy in range(4)])
    for name in ("Dice", "Clusters found in both", "Mean volume (ml)", "Volume difference (ml)"):
        assert four[name].low < found[name].value < four[name].high and four[name].n == 12
        assert four[name].value == pytest.approx(found[name].value)


def test_runs_of_a_subject_are_averaged_first():
    second = [row("a", Agreement(0.25, 1, 1, 1, 4000.0, 4000.0), run=1), row("b", NOTHING, run=1),
              row("c", Agreement(0.5, 1, 1, 1, 500.0, 500.0), run=1), *(row(case, NOTHING, run=1) for case in "de")]
    found = line([*ROWS, *second])
    assert (found["Runs"], found["Subjects"], found["No cluster in either scan"]) == (2, 5, 2)
    assert (found["Dice"].value, found["Dice"].n) == (pytest.approx((0.5 + 0.25 + 0.25) / 3), 3)
    assert found["Clusters found in both"].value == pytest.approx(2 * (1 + 1 + 1 + 1) / (3 + 5 + 1 + 2 + 2))
    assert found["Clusters in one scan only"].value == 0.1 and found["Clusters in one scan only"].n == 5


@pytest.mark.parametrize("rows", [[row("a", NOTHING)], [row("a", NOTHING), row("b", NOTHING)], ROWS[:1], ROWS[2:4]])
def test_few_subjects_have_no_interval_without_width(rows):
    for name, cell in line(rows).items():
        if hasattr(cell, "low"):
            assert cell.low is None or cell.low < cell.high, name
            assert cell.n == (len(rows) if name == "Clusters in one scan only" else
                              sum(not each.agreement.empty for each in rows)), name
            assert (cell.value is None) == (cell.n == 0), name


def test_a_line_for_every_group_and_stage():
    rows = [row("a", ROWS[0].agreement, group=group, stage=stage) for group in "BA" for stage in ("raw", "filtered")]
    assert [line[:2] for line in rescans_table(rows).rows] == [("B", "raw"), ("A", "raw"), ("B", "filtered"),
                                                               ("A", "filtered")]


def test_csv():
    lines = rescans_csv(ROWS).splitlines()
    assert lines[1] == "a,A,0,raw,0.75,1,2,1,4000.0,5000.0" and lines[4] == "d,A,0,raw,,0,0,0,0.0,0.0"
    assert lines[0].split(",")[4:8] == ["dice", "first_clusters", "second_clusters", "clusters_in_both"]

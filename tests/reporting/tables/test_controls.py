"""Tables of controls."""

import pytest
from report_rows import make_row

from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.statistics import clopper_pearson, poisson_rate
from nnunet_tv.reporting.tables.controls import UNKNOWN_SETUP, controls_tables


def test_clusters_in_controls():
    rows = [make_row(f"c{i}", fp=3 if i < 2 else 0, false=i < 2) for i in range(20)]
    (table,) = controls_tables(gather(rows), patients=["p1"])
    line = table.rows[0]
    assert line[3:6] == (20, clopper_pearson(2, 20), clopper_pearson(18, 20)) and line[7] == poisson_rate(2, 20)
    assert line[6].value == pytest.approx(0.1) and table.warnings == (UNKNOWN_SETUP,)
    assert controls_tables(gather([make_row("c")]))[0].rows[0][6].high == pytest.approx(3.689, abs=1e-3)


def test_several_runs_have_the_interval_of_the_controls_and_no_poisson_interval():
    rows = [make_row(f"c{i}", run=run, fp=3 if i == run == 0 else 0, false=int(i == run == 0))
            for i in range(85) for run in range(10)]
    (table,) = controls_tables(gather(rows))
    (none,) = controls_tables(gather([make_row(f"c{i}", run=run) for i in range(85) for run in range(10)]))
    assert len(table.columns) == len(table.rows[0]) == 7
    for column in (4, 6):  # one cluster in 850 scores, against none
        assert none.rows[0][column].high == pytest.approx(0.0425, abs=1e-3)
        assert table.rows[0][column].value == pytest.approx(1 / 850)
        assert table.rows[0][column].high > none.rows[0][column].high
    assert table.rows[0][5].low < none.rows[0][5].low < 0.96


def test_warning_if_controls_were_scanned_differently():
    controls, patients = gather([make_row("c1"), make_row("c2")]), ["p1", "p2"]
    scanners = {"p1": {"scanner": "A"}, "p2": {"scanner": "B"}, "c1": {"scanner": "A"}, "c2": {"scanner": "A"}}
    clusters, setup = controls_tables(controls, patients=patients, participants=scanners)
    assert clusters.warnings[0].startswith(
        "Confounded: scanner A: 1 of 2 patients, 2 of 2 controls; B: 1 of 2 patients, 0 of 2 controls.")
    assert setup.rows == (("scanner", "A", 1, 2), ("scanner", "B", 1, 0))
    scanners["c2"] = {"scanner": "B"}
    clusters, setup = controls_tables(controls, patients=patients, participants=scanners)
    assert clusters.warnings == () and len(setup.rows) == 2

"""The table of all measures, by hand."""

import pytest
from report_rows import make_row

from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.tables.measures import measures_table


def test_undefined_measures_are_counted_and_penalised():
    rows = [make_row("a", tp=5, fn=5, measures={"precision": 0.5, "hd95_mm": 4.0}),
            make_row("b", fn=5, measures={"precision": None, "hd95_mm": None}, worst_mm=60.0),
            make_row("c", measures={"precision": None, "hd95_mm": 0.0}),  # both empty: nothing to be precise about
            make_row("d", fp=4, false=1, measures={"precision": 0.0, "hd95_mm": None}, worst_mm=80.0)]
    table = measures_table(gather(rows), distances=True)
    lines = {row[2]: row for row in table.rows}
    precision, distance = lines["Precision (voxels)"], lines["HD95 (mm)"]
    assert "that of the probabilities, which the filter does not change" in table.notes[0]
    assert precision[3].value == pytest.approx(0.25) and precision[3].n == 2
    assert precision[4] == "1 of 3" and precision[6].value == pytest.approx(0.5 / 3)
    assert distance[3].value == 2.0 and distance[4] == "2 of 4" and distance[5] == "image diagonal"
    assert distance[6].value == (4 + 60 + 0 + 80) / 4
    assert lines["Sensitivity (voxels)"][4] == "2 of 2"  # of the subjects with a lesion
    assert "Average precision" not in lines
    assert "HD95 (mm)" not in {row[2] for row in measures_table(gather(rows), distances=False).rows}

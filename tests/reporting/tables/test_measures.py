"""The table of all measures, by hand."""

import pytest
from report_rows import SETTINGS, make_row

from nnunet_tv.metrics import registry
from nnunet_tv.metrics.registry import MEASURES, Measure
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.tables import table_one
from nnunet_tv.reporting.tables.measures import measures_table


def test_undefined_measures_are_counted_and_penalised():
    rows = [make_row("a", tp=5, fn=5, measures={"precision": 0.5, "hd95_mm": 4.0}),
            make_row("b", fn=5, measures={"precision": None, "hd95_mm": None}, worst_mm=60.0),
            make_row("c", measures={"precision": None, "hd95_mm": 0.0}),  # both empty: nothing to be precise about
            make_row("d", fp=4, false=1, measures={"precision": 0.0, "hd95_mm": None}, worst_mm=80.0)]
    table = measures_table(gather(rows), distances=True, settings=SETTINGS)
    lines = {row[2]: row for row in table.rows}
    precision, distance = lines["Precision (voxels)"], lines["HD95 (mm)"]
    assert precision[3].value == pytest.approx(0.25) and precision[3].n == 2
    assert precision[4] == "1 of 3" and precision[6].value == pytest.approx(0.5 / 3)
    assert distance[3].value == 2.0 and distance[4] == "2 of 4" and distance[5] == "image diagonal"
    assert distance[6].value == (4 + 60 + 0 + 80) / 4
    assert lines["Sensitivity (voxels)"][4] == "2 of 2"  # of the subjects with a lesion
    assert "Average precision" not in lines
    assert "HD95 (mm)" not in {row[2] for row in measures_table(gather(rows), distances=False, settings=SETTINGS).rows}


def table_of(rows, **settings):
    return measures_table(gather(rows), distances=True, settings={**SETTINGS, **settings})


def test_every_measure_of_the_table_is_defined_below_it():
    rows = [make_row("a", tp=5, fn=5, measures={"average_precision": 0.5})]
    table = table_of(rows, nsd_tolerance_mm=1.5, hits=["overlap:0.3"])
    labels = list(dict.fromkeys(row[2] for row in table.rows))
    assert "NSD at 1.5 mm" in labels and labels == [note.partition(": ")[0] for note in table.notes[:len(labels)]]
    text = " ".join(table.notes)
    assert "at most 1.5 mm from" in text and "(overlap:0.3)" in text and "{" not in text and "}" not in text
    nsd, = (note for note in table.notes if note.startswith("NSD"))
    assert nsd.endswith("1 where both masks are empty, 0 where one is. Over all subjects; higher is better.")
    assert "Average precision" not in " ".join(table_of([make_row("a", tp=5)]).notes)  # not shown, not explained


def test_a_measure_of_table_one_that_is_not_pooled_needs_no_field_of_a_score(monkeypatch):
    new = Measure("f2", "F2", "overlap.f2", ("tp", "fp", "fn"), short="F2", in_table_one=True)
    monkeypatch.setattr(registry, "MEASURES", [new if measure.key == "f2" else measure for measure in MEASURES])
    monkeypatch.setattr(table_one, "TABLE_ONE", (*registry.TABLE_ONE, new))
    rows = [make_row("a", tp=5, measures={"f2": 0.5}), make_row("b", tp=5, measures={"f2": 0.25})]
    assert table_one.table_one(rows)[0].figures["F2"].runs == (0.375,)
    assert "F2" not in {row[2] for row in table_of(rows).rows}
    assert {measure.key for measure in registry.HEADLINE} == {"dice", "detected", "n_false_clusters"}

"""The table of all measures, by hand."""

import pytest
from report_rows import SETTINGS, make_row

from nnunet_tv.metrics import registry
from nnunet_tv.metrics.registry import MEASURES, Measure
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.sections import table_one as table_one_section
from nnunet_tv.reporting.sections.table_one import footnotes
from nnunet_tv.reporting.tables import table_one
from nnunet_tv.reporting.tables.every_case import cases_table
from nnunet_tv.reporting.tables.measures import endpoint_notes, measures_table
from nnunet_tv.reporting.tables.strata import stratum_table


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


def test_the_interval_of_a_penalised_distance_ends_at_the_diagonal():
    rows = [make_row(f"s{i}", tp=i % 2, fn=5, worst_mm=80.0, measures={"hd95_mm": 1.0 + i if i % 4 else None})
            for i in range(6)]
    row, = (row for row in table_of(rows).rows if row[2] == "HD95 (mm)")
    assert row[6].low >= 0 and row[6].value < row[6].high <= 80


def test_tables_of_endpoints_define_them_and_their_intervals():
    endpoints = [measure.with_settings({**SETTINGS, "hits": ["center"]}) for measure in registry.ENDPOINTS.values()]
    dice, found, false = endpoint_notes(endpoints, seed=7)[:3]
    assert dice.startswith("DC (Dice): 2·TP") and dice.endswith(
        "bootstrap-t over subjects, 10000 resamples, seed 7; for values from 0 to 1 not beyond the Clopper-Pearson "
        "interval of their mean.")
    assert "(center)" in found and found.endswith("Interval: Clopper-Pearson on the number of subjects.")
    assert false.startswith("nFPC (False clusters): ") and "Interval: Poisson" in false
    assert "Interval" not in " ".join(endpoint_notes(endpoints))
    groups = gather([make_row("a", tp=1), make_row("b", fn=1)])
    tables = cases_table(groups, SETTINGS), stratum_table(groups, "lobe", {"a": "F", "b": "T"}, settings=SETTINGS)
    for table in tables:
        assert sum(note.startswith(("DC (", "sSens (", "nFPC (")) for note in table.notes) == 3


def test_units_and_digits_stand_in_the_headers_of_endpoints(monkeypatch):
    new = Measure("hd95_mm", "HD95", "distances.hd95_mm", (), unit="mm", short="HD", endpoint=True, digits=1)
    monkeypatch.setitem(registry.ENDPOINTS, "HD", new)
    groups = gather([make_row("a", tp=1, measures={"hd95_mm": 2.25})])
    strata = stratum_table(groups, "lobe", {"a": "F"}, settings=SETTINGS)
    assert strata.texts()[0][strata.columns.index("HD (mm)")].startswith("2.2 ")
    cases = cases_table(groups, SETTINGS)
    assert cases.texts()[0][cases.columns.index("HD95 (mm), raw")] == "2.2"


def test_one_subject_is_singular():
    run = {"group": "A", "run": 0, "filtered": None, "predicted": []}
    text = " ".join(footnotes(Record([make_row("a", tp=1)], settings=SETTINGS, meta={"runs": [run]})))
    assert "1 subject, 1 of them" in text and "over all 1 subject." in text and "1 subjects" not in text


def test_a_further_measure_of_table_one_is_defined_below_it(monkeypatch):
    new = Measure("f2", "F2", "overlap.f2", (), short="F2", in_table_one=True, definition="As F1, for misses.")
    rows = [make_row("a", tp=1, measures={"f2": 0.5})]
    run = {"group": "A", "run": 0, "filtered": None, "predicted": []}
    before = footnotes(Record(rows, settings=SETTINGS, meta={"runs": [run]}))
    monkeypatch.setattr(table_one_section, "TABLE_ONE", (*registry.TABLE_ONE, new))
    after = footnotes(Record(rows, settings=SETTINGS, meta={"runs": [run]}))
    assert [note for note in after if note not in before] == [
        "F2: As F1, for misses. Over all subjects; higher is better."]

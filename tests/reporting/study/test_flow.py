"""The flow of cases from folders to tables."""

import json

import pytest
from report_rows import make_row
from scored_folders import cube, save

from nnunet_tv.cli.report import main
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.study.flow import flow_table, predictions_table
from nnunet_tv.scoring.rows import CaseFlow, CaseRow


def steps(table):
    return {line[0]: line[1:] for line in table.rows}


def rows(cases, **options):
    return [make_row(case, stage=stage, **options, **score) for stage in ("raw", "filtered")
            for case, score in cases.items()]


def test_numbers_add_up_and_drops_are_named():
    cases = {"a": {"tp": 3}, "b": {"fn": 2, "status": "missing prediction"}, "c": {}, "d": {"fn": 1}}
    record = Record(rows(cases), controls=rows({"k1": {}, "k2": {}}), flow=CaseFlow(
        ("a", "b", "c", "d", "e", "f"), ("e", "f"), {"one": ("x",), "two": ("x", "y")}))
    found = steps(flow_table(record))
    assert found == {
        "References found": (6, ""), "Left out: other cases were chosen": (2, "e, f"),
        "Left out: unusable, or on another grid": (0, ""), "Scored": (4, ""),
        "Scored: with a lesion in the reference": (3, ""),
        "Scored: empty reference": (1, "c"), "Scored: prediction missing, taken as empty (--allow-missing)": (1, "b"),
        "Not scored: predictions of other cases": (2, "x, y"), "Controls: scored without a reference": (2, "")}
    assert 6 - 2 - 0 == 4 == 3 + 1
    (raw, filtered), controls = (predictions_table(record).rows[:2], predictions_table(record).rows[2:])
    assert raw == ("patients", "A", "raw", 1, 4, 4, 3, 1, 0, 4, 0)
    assert filtered[2] == "filtered" and filtered[3:] == raw[3:]
    assert [line[0] for line in controls] == ["controls", "controls"] and controls[0][4:7] == (2, 2, 2)


def test_a_case_without_one_of_its_predictions_counts_once():
    record = Record([*rows({"a": {"tp": 1}, "b": {"tp": 1}}),
                     *rows({"a": {"fn": 1, "status": "missing prediction"}, "b": {"tp": 1}}, run=1)],
                    flow=CaseFlow(("a", "b")))
    assert steps(flow_table(record))["Scored: prediction missing, taken as empty (--allow-missing)"] == (1, "a")
    assert predictions_table(record).rows[0] == ("patients", "A", "raw", 2, 2, 4, 3, 1, 0, 4, 0)


def test_a_missing_filtered_prediction_counts_as_well():
    record = Record([make_row("a", tp=1), make_row("a", stage="filtered", fn=1, status="missing prediction")],
                    flow=CaseFlow(("a",)))
    assert steps(flow_table(record))["Scored: prediction missing, taken as empty (--allow-missing)"] == (1, "a")
    assert [line[5:10] for line in predictions_table(record).rows] == [(1, 1, 0, 0, 1), (1, 0, 1, 0, 1)]


def test_a_prediction_on_another_grid_is_not_scored():
    """Such a report has no tables; its numbers would add up nevertheless."""
    lost = CaseRow("b", "A", 0, "raw", "geometry mismatch", None, "b: geometry mismatch")
    record = Record([make_row("a", tp=1), lost], flow=CaseFlow(("a", "b")))
    found = steps(flow_table(record))
    assert found["Left out: unusable, or on another grid"] == (1, "b") and found["Scored"] == (1, "")
    assert predictions_table(record).rows[0][5:10] == (2, 1, 0, 1, 1)


def test_many_names_are_cut_on_the_page():
    names = tuple(f"c{number:02}" for number in range(25))
    record = Record(rows({"a": {"tp": 1}}), flow=CaseFlow(("a", *names), names))
    count, text = steps(flow_table(record))["Left out: other cases were chosen"]
    assert count == 25 and text.endswith("c19, and 5 more (report.json)") and text.count("c") == 20


def test_what_was_not_recorded_is_not_stated():
    found = steps(flow_table(Record(rows({"a": {"tp": 1}}))))
    assert "References found" not in found and found["Scored"] == (1, "")
    assert "Controls: scored without a reference" not in found


def test_numbers_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match=r"1 scored .* 2 references"):
        flow_table(Record(rows({"a": {"tp": 1}}), flow=CaseFlow(("a", "b"))))


def test_from_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for case, lesion in (("p1", cube((2, 2, 2))), ("p2", cube((5, 5, 5))), ("p3", cube())):
        save(tmp_path / "ref", case, lesion)
    for case in ("p1", "p3", "other"):
        for folder in ("pred", "healthy"):
            save(tmp_path / folder, case, cube((2, 2, 2)))
    arguments = ["--ref", "ref", "--pred", "A=pred", "--controls", "A=healthy", "-np", "1", "-o", "out"]
    assert main(arguments) == 1
    assert json.loads((tmp_path / "out" / "report.json").read_text())["flow"]["references"] == ["p1", "p2", "p3"]
    assert main([*arguments, "--allow-missing"]) == 0
    lines = (tmp_path / "out" / "tables" / "flow.csv").read_text().splitlines()
    assert lines[1:] == [
        "References found,3,", "Left out: other cases were chosen,0,", '"Left out: unusable, or on another grid",0,',
        "Scored,3,", "Scored: with a lesion in the reference,2,", "Scored: empty reference,1,p3",
        '"Scored: prediction missing, taken as empty (--allow-missing)",1,p2',
        "Not scored: predictions of other cases,1,other", "Controls: scored without a reference,3,"]
    assert main(["--from", "out", "-o", "again"]) == 0
    for name in ("flow", "flow-predictions", "test-set"):
        assert (tmp_path / "again" / "tables" / f"{name}.csv").read_bytes() == (
            tmp_path / "out" / "tables" / f"{name}.csv").read_bytes()

"""Items of reporting guidelines, and what answers them."""

import csv
import re
import sys
from pathlib import Path

import pytest
from report_rows import make_row
from run_records import make_record

from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.study.checklist import FIXED_ANCHORS, GUIDELINES, PARTS, checklist_table, items
from nnunet_tv.scoring.trainings import Training

ROOT = Path(__file__).parents[3]


def numbers(name):
    return [item.number for item in items() if item.guideline == name]


def numbered(last, **letters):
    """Numbers up to `last`; those with letters as 3a, 3b, …"""
    letters = {int(key[1:]): "abcdefgh"[:count] for key, count in letters.items()}
    return [f"{number}{letter}" for number in range(1, last + 1) for letter in letters.get(number, [""])]


def test_every_item_of_each_guideline_once_and_in_order():
    assert list(dict.fromkeys(item.guideline for item in items())) == [each.name for each in GUIDELINES]
    assert numbers("CLAIM 2024") == numbered(44)
    assert numbers("STARD-AI") == numbered(40, n15=4, n16=3, n17=2, n26=2, n40=2) and len(numbers("STARD-AI")) == 48
    assert numbers("TRIPOD+AI") == numbered(
        27, n3=3, n5=2, n6=3, n8=3, n9=3, n12=7, n18=6, n20=3, n23=2, n27=3) and len(numbers("TRIPOD+AI")) == 52


@pytest.mark.parametrize(("guideline", "number", "word"), [
    ("CLAIM 2024", "14", "reference standard"), ("CLAIM 2024", "21", "sample size"), ("CLAIM 2024", "32", "internal"),
    ("CLAIM 2024", "35", "excluded"), ("CLAIM 2024", "36", "demographic"), ("CLAIM 2024", "39", "failures"),
    ("CLAIM 2024", "44", "funding"), ("STARD-AI", "6", "ethics"), ("STARD-AI", "15c", "thresholds"),
    ("STARD-AI", "24", "flow"), ("STARD-AI", "30", "table"), ("STARD-AI", "40a", "code"),
    ("TRIPOD+AI", "13", "imbalance"), ("TRIPOD+AI", "17", "ethics"), ("TRIPOD+AI", "20a", "flow"),
    ("TRIPOD+AI", "23a", "intervals"), ("TRIPOD+AI", "27c", "next steps")])
def test_topics_stand_at_their_numbers(guideline, number, word):
    (item,) = [item for item in items() if (item.guideline, item.number) == (guideline, number)]
    assert word in item.topic


def test_every_item_has_an_answer_and_every_part_is_used():
    assert all(item.topic and (item.parts or item.yours) for item in items())
    assert {key for item in items() for key in item.parts} == set(PARTS)
    assert not any("; " in part.title or "#" in part.title or "; " in part.needs for part in PARTS.values())


def status(table):
    return {line[:2]: line[3:] for line in table.rows}


def test_a_report_with_everything_and_one_with_nothing():
    bare = Record([make_row("a")], settings={"remark": ""})
    found = status(checklist_table(bare, ["table-1", "table-flow", "table-test-set", "uncertainty", "hits"]))
    assert found["CLAIM 2024", "1"] == ("yours", "", "the title")
    assert found["CLAIM 2024", "8"][:2] == ("in part", "Flow of cases (#table-flow)")
    assert found["STARD-AI", "26b"][:2] == ("not in this report", "Controls: not given, needs --controls")
    assert "Characteristics of the subjects: not given, needs --participants" in found["CLAIM 2024", "36"][1]
    assert found["CLAIM 2024", "30"][1].startswith("Hit rules (#hits); Strata: not given, needs --strata; Rescan")
    trainings = [Training("A", 0, make_record())]
    full = Record([make_row("a")], trainings=trainings, participants={"a": {"sex": "M"}}, meta={"accuracy": [{}]},
                  settings={"remark": "8 mirrors", "over_tables": ["Selection set, not test: …"]})
    found = status(checklist_table(full, {part.anchor for part in PARTS.values()} - set(FIXED_ANCHORS)))
    assert not any("not given" in where for _, where, _ in found.values())
    assert found["CLAIM 2024", "29"] == ("in this report", "Uncertainty (#uncertainty); Comparisons (#comparison)", "")
    assert {state for state, *_ in found.values()} == {"yours", "in part", "in this report"}


@pytest.mark.parametrize(("remark", "predicted", "given"), [("", [], False), ("8 mirrors", [], True), ("", [{}], True)])
def test_how_predictions_were_made_by_remark_or_by_nnunets_record(remark, predicted, given):
    record = Record([make_row("a")], settings={"remark": remark}, meta={"runs": [{"predicted": predicted}]})
    where = status(checklist_table(record, ["table-1"]))["CLAIM 2024", "27"][1]
    assert ("not given" not in where) == given


def test_anchors_are_on_the_page(report):
    """Each part that the whole report names is there; the page ends with the folded table."""
    page = (report / "report.html").read_text()
    with (report / "tables" / "checklist.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 44 + 48 + 52
    anchors = {anchor for line in lines for anchor in re.findall(r"\(#([\w-]+)\)", line["In this report"])}
    assert anchors >= {"table-flow", "table-test-set", "controls-block", "strata", "provenance", "all-measures"}
    assert all(f' id="{anchor}"' in page for anchor in anchors)
    section = page[page.index('<section id="checklist">'):]
    assert "<details><summary>Items of CLAIM 2024" in section and section.count("<section") == 1
    assert '<a href="#table-flow">Flow of cases</a>' in section and '<a href="#checklist">' in page
    assert "not against the publications themselves" in section
    (line,) = [line for line in lines if (line["Guideline"], line["Item"]) == ("STARD-AI", "24")]
    assert line["Status"] == "in part" and line["In this report"] == "Flow of cases (#table-flow)"


def test_the_page_of_the_documentation_is_that_of_the_package():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from checklist_page import MARK, PAGE, checklist_tables
    finally:
        sys.path.remove(str(ROOT / "docs"))
    assert PAGE.read_text(encoding="utf-8").partition(MARK)[2] == checklist_tables(), "run docs/checklist_page.py"

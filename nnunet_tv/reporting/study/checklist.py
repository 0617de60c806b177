"""Items of reporting guidelines: where a report answers them, and what its reader must write.

The items stand in ``checklist.csv``, with their topics in words of our own; this module has what they refer to.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.tables.table import Table

#: Anchors of the page that are in every report, besides the sections.
FIXED_ANCHORS = ("in-short", "cases", "provenance")


@dataclass(frozen=True)
class Guideline:
    """A published list of items."""

    name: str
    citation: str
    doi: str


@dataclass(frozen=True)
class Part:
    """A part of the report that answers items."""

    title: str
    anchor: str  #: of a section, or ``table-KEY`` of a table
    needs: str = ""  #: what is to be given so that the part is there
    has: Callable[[Record], bool] | None = None  #: whether its data are there; None if the anchor is enough


@dataclass(frozen=True)
class Item:
    """An item of a guideline."""

    guideline: str
    number: str
    topic: str
    parts: tuple[str, ...]  #: keys of :data:`PARTS`
    yours: str  #: what the report cannot know; empty if nothing


GUIDELINES = (
    Guideline("CLAIM 2024", "Tejani et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 "
              "Update, Radiology: Artificial Intelligence 2024; 6(4): e240300", "10.1148/ryai.240300"),
    Guideline("STARD-AI", "Sounderajah et al., The STARD-AI reporting guideline for diagnostic accuracy studies using "
              "artificial intelligence, Nature Medicine 2025; 31: 3283-3289", "10.1038/s41591-025-03953-8"),
    Guideline("TRIPOD+AI", "Collins et al., TRIPOD+AI statement, BMJ 2024; 385: e078378", "10.1136/bmj-2023-078378"),
)
#: How far the numbers and topics can be relied on.
ORIGIN = (
    "Numbers and topics were checked against two transcriptions of each list, not against the publications themselves, "
    "and the topics are shortened. Fill in the published form, and go by its words.")
PARTS = {
    "summary": Part("Summary, with all warnings", "in-short"),
    "table-1": Part("Table 1 with its definitions", "table-1"),
    "filter": Part("Post-processing, below Table 1", "table-1"),
    "remark": Part("How predictions were made, below Table 1", "table-1", "--remark",
                   lambda record: bool(record.settings["remark"] or any(
                       run.get("predicted") for run in record.meta.get("runs", [])))),
    "partition": Part("Kind of test set, above Table 1", "table-1", "--model", lambda record: any(
        text.startswith(("Selection set", "Validation cases", "Cross-validation"))
        for text in record.settings.get("over_tables", []))),
    "seen": Part("No case was a training case of the model (accuracy.json)", "provenance", "--predicted-by",
                 lambda record: bool(record.meta.get("accuracy"))),
    "trainings": Part("How the models were trained", "table-provenance", "run.json of the trainings (--run-json)",
                      lambda record: any(one.record is not None for one in record.trainings or [])),
    "flow": Part("Flow of cases", "table-flow"),
    "lesions": Part("Volume, number and side of the lesions", "table-test-set"),
    "participants": Part("Characteristics of the subjects", "table-test-set", "--participants",
                         lambda record: bool(record.participants)),
    "uncertainty": Part("Uncertainty", "uncertainty"),
    "comparison": Part("Comparisons", "comparison", "a second group"),
    "hits": Part("Hit rules", "hits"),
    "lost": Part("Lesions lost by the filter", "table-lost-lesions", "a filter that loses a lesion"),
    "froc": Part("FROC", "table-froc", "--probabilities"),
    "calibration": Part("Calibration", "calibration", "--probabilities"),
    "size": Part("Detection against lesion size", "table-detection-by-size", "lesions of different sizes"),
    "strata": Part("Strata", "strata", "--strata"),
    "controls": Part("Controls", "controls-block", "--controls"),
    "subjects": Part("Two by two of patients and controls", "patients-controls", "--controls"),
    "rescans": Part("Rescan agreement", "rescans", "--rescan"),
    "cohort": Part("Cohort map", "table-cohort-maps", "cases that share a grid"),
    "measures": Part("All measures", "all-measures", "--measures"),
    "cases": Part("Every case, with pictures and in cases.csv, clusters.csv, lesions.csv", "cases"),
    "primary": Part("Primary endpoint when scored, and every redraw", "provenance"),
    "provenance": Part("Provenance, and report.json: versions, settings, SHA-256 of the inputs", "provenance"),
}


@cache
def items() -> tuple[Item, ...]:
    """Return the items of all guidelines, in their order."""
    table = pd.read_csv(Path(__file__).with_name("checklist.csv"), dtype=str, keep_default_na=False)
    return tuple(Item(guideline, number, topic, tuple(filter(None, parts.split("; "))), yours)
                 for guideline, number, topic, parts, yours in table.itertuples(index=False))


def checklist_table(record: Record, anchors: Collection[str]) -> Table:
    """What a report answers of each item; `anchors` are those of its sections and tables."""
    rows = []
    for item in items():
        here = [part for key in item.parts if _present(part := PARTS[key], record, anchors)]
        absent = [part for key in item.parts if (part := PARTS[key]) not in here]
        status = ("yours" if not item.parts else "not in this report" if not here else
                  "in part" if absent or item.yours else "in this report")
        where = "; ".join([*(f"{part.title} (#{part.anchor})" for part in here),
                           *(f"{part.title}: not given, needs {part.needs}" for part in absent)])
        rows.append((item.guideline, item.number, item.topic, status, where, item.yours))
    return Table(
        "checklist", "Items of CLAIM 2024, STARD-AI and TRIPOD+AI",
        ("Guideline", "Item", "Topic", "Status", "In this report", "Yours to write"), tuple(rows), prose=True,
        notes=(ORIGIN, *(f"{each.name}: {each.citation}, doi {each.doi}." for each in GUIDELINES),
               "Status: in this report; in part, where something is not given or is yours to write; not in this "
               "report; yours, where a report on predictions cannot know it. Whether an item applies to your study is "
               "yours to judge."))


def _present(part: Part, record: Record, anchors: Collection[str]) -> bool:
    return part.anchor in {*anchors, *FIXED_ANCHORS} and (part.has is None or part.has(record))

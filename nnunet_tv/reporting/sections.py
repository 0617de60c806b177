"""What the report shows, section by section, made of a record alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_tv.metrics.registry import DETECTED, DICE, FALSE_CLUSTERS
from nnunet_tv.reporting.figures import curve_drawing
from nnunet_tv.reporting.figures.curves import (
    by_case,
    detection_by_size,
    froc,
    froc_table,
    precision_recall,
    precision_recall_table,
    size_table,
)
from nnunet_tv.reporting.footnotes import footnotes
from nnunet_tv.reporting.groups import GroupStage, gather, has_lesion
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.tables import tv_paper
from nnunet_tv.reporting.tables.comparison import comparison_table
from nnunet_tv.reporting.tables.controls import controls_table, setup_warnings
from nnunet_tv.reporting.tables.strata import make_strata, strata_tables
from nnunet_tv.reporting.tables.summaries import (
    lost_table,
    measures_table,
    rules_table,
    uncertainty_table,
)
from nnunet_tv.reporting.tables.table import FEW, Table
from nnunet_tv.reporting.tables.table_one import TableOneRow, stage_table, table_one
from nnunet_tv.scoring.rows import FILTERED, MISSING, RAW


@dataclass(frozen=True)
class Figure:
    """A picture file, what it shows in words, and the line under it."""

    path: Path
    alternative: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A part of the page; `key` is its anchor."""

    key: str
    title: str
    text: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Contents:
    """All sections, and Table 1 in the forms that papers and programs take."""

    sections: list[Section]
    table_one: list[TableOneRow]
    shown: list[TableOneRow]
    notes: list[str]
    summary: list[str] = field(default_factory=list)

    def tables(self) -> list[Table]:
        """All tables with files of their own; Table 1 has its own forms."""
        return [table for section in self.sections if section.key != "table-1" for table in section.tables]


def make_contents(record: Record, folder: Path) -> Contents:
    """Every section of the report; curves are drawn into `folder`.

    Parameters
    ----------
    record : Record
        Without problems.
    folder : Path
        Where ``curves/`` goes.

    Raises
    ------
    NnunetTVError
        A group named like a row of the paper's, an unknown stratum or endpoint.
    """
    settings, groups = record.settings, gather(record.rows)
    seed = settings["seed"]
    ours = shown = table_one(record.rows)
    notes = footnotes(record)
    if settings["paper"]:
        tv_paper.check_names(row.group for row in ours)
        shown, notes = [*ours, *tv_paper.paper_rows()], [*notes, tv_paper.NOTE]
    sections = [
        _table_one_section(record, groups, shown, notes),
        Section("uncertainty", "Uncertainty", tables=(uncertainty_table(groups, seed=seed),)),
    ]
    if len({row.group for row in ours}) > 1:
        table = comparison_table(groups, primary=settings["primary"], seed=seed)
        sections.append(Section("comparison", "Comparisons", tables=(table,)))
    lost = lost_table(record.rows)
    rules = Section("hits", "Hit rules, and what the filter costs",
                    tables=(rules_table(groups, seed=seed), *([lost] if lost.rows else [])))
    sections += [rules, *_curves(record, groups, folder / "curves")]
    if settings["strata"]:
        strata = make_strata(settings["strata"], {case: scores[0] for case, scores in groups[0].scores.items()},
                             participants=record.participants, contrast=record.contrast)
        sections.append(Section("strata", "Strata", tables=tuple(strata_tables(groups, strata, seed=seed))))
    if record.controls:
        sections.append(_controls_section(record, groups, seed))
    if settings["measures"]:
        table = measures_table(groups, distances=True, seed=seed)
        sections.append(Section("all-measures", "All measures", tables=(table,)))
    return Contents(sections, ours, shown, notes, _summary(groups, seed))


def warnings_of(record: Record, groups: Sequence[GroupStage]) -> list[str]:
    """What keeps Table 1 from meaning what it seems to, said over it."""
    found = list(record.settings.get("over_tables", []))
    n = len(groups[0].scores)
    if n < FEW:
        found.append(f"{n} subjects, fewer than {FEW}: descriptive only.")
    lost = [row for row in record.rows if row.status == MISSING and row.stage == RAW]
    if lost:
        names = ", ".join(dict.fromkeys(row.case for row in lost))
        found.append(f"{len(lost)} missing predictions are scored as empty ones, as was allowed: {names}.")
    return found


def _summary(groups: Sequence[GroupStage], seed: int) -> list[str]:
    """One plain sentence per group and stage."""
    lines = []
    for group in groups:
        seen, false, overlap = (group.interval(measure, seed=seed) for measure in (DETECTED, FALSE_CLUSTERS, DICE))
        name = f"{group.group}, {group.stage}"
        if seen.value is None:
            lines.append(f"{name}: no subject has a lesion; {_said(false)} false clusters per subject.")
            continue
        share = (f"{round(seen.value * seen.n)} of {seen.n} subjects with a lesion detected" if group.one_run else
                 f"on average over {len(group.runs)} runs {100 * seen.value:.0f} % of {seen.n} subjects with a lesion "
                 "detected")
        bounds = "" if seen.low is None else f" (95 % interval {100 * seen.low:.0f} to {100 * seen.high:.0f} %)"
        lines.append(f"{name}: {share}{bounds}; {_said(false)} false clusters per subject; mean Dice "
                     f"{_said(overlap)}.")
    return lines


def _said(interval) -> str:
    text = f"{interval.value:.2f}"
    return text if interval.low is None else f"{text} ({interval.low:.2f} to {interval.high:.2f})"


def _table_one_section(
    record: Record, groups: Sequence[GroupStage], shown: Sequence[TableOneRow], notes: Sequence[str]
) -> Section:
    lesions = sum(has_lesion(scores[0]) for scores in groups[0].scores.values())
    subjects = f"n = {len(groups[0].scores)} subjects, {lesions} with a lesion"
    parts = (stage_table(shown, RAW, subjects), stage_table(shown, FILTERED, subjects, notes=notes))
    return Section("table-1", "Table 1", warnings=tuple(warnings_of(record, groups)), tables=parts)


def _controls_section(record: Record, groups: Sequence[GroupStage], seed: int) -> Section:
    controls = gather(record.controls)
    warnings, table = setup_warnings(record.participants, groups[0].scores, controls[0].scores)
    return Section("controls-block", "Controls",
                   tables=(controls_table(controls, warnings=warnings, seed=seed), *([table] if table else [])))


def _curves(record: Record, groups: Sequence[GroupStage], folder: Path) -> list[Section]:
    seed, rule = record.settings["seed"], record.settings["hits"][0]
    raw = [group for group in groups if group.stage == RAW]
    shown, figures = [], []
    found = {name: cases for group in raw if (cases := by_case(record.candidates, name := group.group))}
    lines, points, areas, recalls = [], {}, {}, []
    for name, cases in found.items():
        if any(runs[0].n_lesions for runs in cases.values()):
            curve, points[name] = froc(cases, rule, name=name, marks=_marks(groups, name), seed=seed)
            recall, area, chance = precision_recall(cases, name=name, seed=seed)
            lines.append(curve)
            recalls.append(recall)
            areas[name] = area, chance
    if lines:
        threshold = record.candidates[0].threshold
        if any(points.values()):
            shown.append(froc_table(points, rule, threshold, seed))
        shown.append(precision_recall_table(areas))
        figures += [
            Figure(curve_drawing.draw_froc(lines, folder / "froc")[0],
                   "FROC: share of subjects detected against false clusters per subject; figures in the table",
                   "FROC over thresholds of cluster confidence, band: 95 % over subjects. Marks: the hard "
                   "segmentation, raw (filled) and filtered (open)."),
            Figure(curve_drawing.draw_precision_recall(recalls, folder / "precision-recall")[0],
                   "Precision against recall of voxels; areas in the table",
                   "Precision and recall of voxels, pooled, over thresholds of probability, band: 95 % over subjects."),
        ]
    sizes = {f"{group.group}, {group.stage}": parts
             for group in groups if (parts := detection_by_size(group, seed=seed))}
    if sizes:
        shown.append(size_table(groups, seed=seed))
        figures.append(Figure(
            curve_drawing.draw_size(sizes, folder / "detection-by-size")[0],
            "Share of subjects detected against lesion volume; figures in the table",
            "Detection against lesion size, in parts of equal number; bars: 95 % interval."))
    text = () if lines else ("No probabilities of subjects with a lesion were given (--probabilities), so there is no "
                             "FROC and no precision-recall curve.",)
    return [Section("curves", "Curves", text=text, tables=tuple(shown), figures=tuple(figures))]


def _marks(groups: Sequence[GroupStage], name: str) -> list[tuple[str, float, float]]:
    marks = []
    for group in groups:
        seen, false = (list(group.subjects(measure.value).values()) for measure in (DETECTED, FALSE_CLUSTERS))
        if group.group == name and seen:
            marks.append((f"{name}, {group.stage} segmentation", sum(false) / len(false), sum(seen) / len(seen)))
    return marks

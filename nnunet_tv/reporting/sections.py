"""The sections of the report, made from a record alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_tv.metrics.registry import DETECTED, DICE, FALSE_CLUSTERS
from nnunet_tv.metrics.scores import BOTH_EMPTY, EMPTY_PREDICTION, EMPTY_REFERENCE
from nnunet_tv.reporting.figures import curve_drawing, curves
from nnunet_tv.reporting.groups import GroupStage, gather
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.statistics import Interval
from nnunet_tv.reporting.tables import comparison, controls, strata, summaries, tv_paper
from nnunet_tv.reporting.tables.table import FEW, Table
from nnunet_tv.reporting.tables.table_one import TableOneRow, stage_table, table_one
from nnunet_tv.scoring.rows import FILTERED, MISSING, RAW


@dataclass(frozen=True)
class Figure:
    """An image file with its alternative text and its caption."""

    path: Path
    alternative: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A section of the page."""

    key: str  #: anchor
    title: str
    text: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Sections:
    """All sections, and Table 1 as rows."""

    sections: list[Section]  #: Table 1 is the first
    table_one: list[TableOneRow]
    shown: list[TableOneRow]  #: the same, and the TV paper's rows if requested
    notes: list[str]  #: under Table 1
    summary: list[str]  #: one sentence per group and stage

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings over Table 1."""
        return self.sections[0].warnings

    def tables(self) -> list[Table]:
        """Return the tables except Table 1, which has files of its own form."""
        return [table for section in self.sections[1:] for table in section.tables]


def make_sections(record: Record, folder: Path) -> Sections:
    """Make every section of the report; curves are drawn in ``folder/curves``.

    NnunetTVError is raised if a group has the name of a row of the paper, and for an unknown stratum or endpoint.
    """
    settings, groups = record.settings, gather(record.rows)
    seed = settings["seed"]
    ours = shown = table_one(record.rows)
    notes = _footnotes(record)
    if settings["paper"]:
        tv_paper.check_names(row.group for row in ours)
        shown, notes = [*ours, *tv_paper.paper_rows()], [*notes, tv_paper.NOTE]
    references = {case: scores[0] for case, scores in groups[0].scores.items()}
    n_lesion = sum(score.n_lesions > 0 for score in references.values())
    subjects = f"n = {len(references)} subjects, {n_lesion} with a lesion"
    sections = [
        Section("table-1", "Table 1", warnings=tuple(_warnings(record, len(references))),
                tables=(stage_table(shown, RAW, subjects), stage_table(shown, FILTERED, subjects, notes=notes))),
        Section("uncertainty", "Uncertainty", tables=(summaries.uncertainty_table(groups, seed=seed),)),
    ]
    if len({row.group for row in ours}) > 1:
        table = comparison.comparison_table(groups, primary=settings["primary"], seed=seed)
        sections.append(Section("comparison", "Comparisons", tables=(table,)))
    lost = summaries.lost_table(record.rows)
    sections.append(Section("hits", "Hit rules and lesions lost by the filter",
                            tables=(summaries.rules_table(groups, seed=seed), *([lost] if lost.rows else []))))
    sections.append(_curves(record, groups, folder / "curves"))
    if settings["strata"]:
        levels = strata.make_strata(settings["strata"], references, participants=record.participants,
                                    contrast=record.contrast)
        tables = tuple(strata.stratum_table(groups, *each, seed=seed) for each in levels.items())
        sections.append(Section("strata", "Strata", tables=tables))
    if record.controls:
        tables = controls.controls_tables(gather(record.controls), patients=groups[0].scores,
                                          participants=record.participants, seed=seed)
        sections.append(Section("controls-block", "Controls", tables=tables))
    if settings["measures"]:
        table = summaries.measures_table(groups, distances=True, seed=seed)
        sections.append(Section("all-measures", "All measures", tables=(table,)))
    return Sections(sections, ours, shown, notes, [_summary(group, seed) for group in groups])


def _warnings(record: Record, n: int) -> list[str]:
    warnings = list(record.settings.get("over_tables", []))
    if n < FEW:
        warnings.append(f"{n} subjects, fewer than {FEW}: descriptive only.")
    lost = [row.case for row in record.rows if row.status == MISSING and row.stage == RAW]
    if lost:
        warnings.append(f"Missing predictions, scored as empty because of --allow-missing: {len(lost)} "
                        f"({', '.join(dict.fromkeys(lost))}).")
    return warnings


def _footnotes(record: Record) -> list[str]:
    """Notes under Table 1: definitions, numbers of subjects, and how the predictions were made."""
    rows, settings = record.rows, record.settings
    first = [row for row in rows if (row.group, row.run, row.stage) == (rows[0].group, rows[0].run, RAW)]
    n, n_lesion = len(first), sum(row.score is not None and row.score.n_lesions > 0 for row in first)
    rule = settings["hits"][0]
    any_voxel = rule == "any"
    empty = ", ".join(f"{status} {sum(row.status == status for row in rows)}"
                      for status in (EMPTY_REFERENCE, EMPTY_PREDICTION, BOTH_EMPTY))
    notes = [
        f"{n} subjects, {n_lesion} of them with a lesion in the reference."
        + (" Fewer than 10 subjects: descriptive only." if n < 10 else ""),
        "± is the sample standard deviation (n − 1) over runs: it describes the variation between trainings, not "
        "between subjects, and is not defined for a single run.",
        "Sens and Prec: voxels pooled over all subjects of a run; their means over subjects are given beside them "
        "(Sens: subjects with a lesion; Prec: subjects with a prediction).",
        f"DC: mean Dice over the {n_lesion} subjects with a lesion; an empty prediction counts as 0.",
        "sSens: share of the subjects with a lesion that are detected. Hit rule: "
        + ("any true positive voxel." if any_voxel else f"{rule} (explained with the hit rules)."),
        f"nFPC: clusters of the prediction ({settings['connectivity']}-connectivity) "
        + ("without any voxel of the reference" if any_voxel else f"that are not true by the rule {rule}")
        + f", per subject, over all {n} subjects.",
        f"Rows of cases.csv with empty masks: {empty}.",
    ]
    for given, text in ((False, f"Post-processing applied here to {{}}: {'; '.join(settings['filter_steps'])}."),
                        (True, "Post-processed predictions given as files for {}; the report has no record of their "
                               "post-processing.")):
        runs = [f"{run['group']}, run {run['run']}" for run in record.meta["runs"]
                if (run["filtered"] is not None) == given]
        if runs:
            notes.append(text.format("; ".join(runs[:6]) + (f" and {len(runs) - 6} more" if len(runs) > 6 else "")))
    notes.append(f"How predictions were made: {settings['remark']}" if settings["remark"] else
                 "How predictions were made (mirroring, overlap, checkpoint) was not recorded.")
    return notes


def _summary(group: GroupStage, seed: int) -> str:
    found, false, overlap = (group.interval(measure, seed=seed) for measure in (DETECTED, FALSE_CLUSTERS, DICE))
    name, false_text = f"{group.group}, {group.stage}", f"{_text(false)} false clusters per subject"
    if found.value is None:
        return f"{name}: no subject has a lesion; {false_text}."
    share = (f"detected in {round(found.value * found.n)} of {found.n} subjects with a lesion" if group.one_run else
             f"detected in {100 * found.value:.0f} % of {found.n} subjects with a lesion, on average over "
             f"{len(group.runs)} runs")
    bounds = ("" if found.low is None or found.high is None else
              f" (95 % interval {100 * found.low:.0f} to {100 * found.high:.0f} %)")
    return f"{name}: {share}{bounds}; {false_text}; mean Dice {_text(overlap)}."


def _text(interval: Interval) -> str:
    bounds = "" if interval.low is None else f" ({interval.low:.2f} to {interval.high:.2f})"
    return f"{interval.value:.2f}{bounds}"


def _curves(record: Record, groups: Sequence[GroupStage], folder: Path) -> Section:
    seed, rule = record.settings["seed"], record.settings["hits"][0]
    text: tuple[str, ...] = ()
    tables, figures, lines, recalls, points, areas = [], [], [], [], {}, {}
    for name in dict.fromkeys(group.group for group in groups):
        cases = curves.by_case(record.candidates, name)
        if any(runs[0].n_lesions for runs in cases.values()):
            curve, points[name] = curves.froc(cases, rule, name=name, marks=_marks(groups, name), seed=seed)
            recall, area, chance = curves.precision_recall(cases, name=name, seed=seed)
            lines.append(curve)
            recalls.append(recall)
            areas[name] = area, chance
    if lines:
        if any(points.values()):
            tables.append(curves.froc_table(points, rule, record.candidates[0].threshold, seed))
        tables.append(curves.precision_recall_table(areas))
        figures += [
            Figure(curve_drawing.draw_froc(lines, folder / "froc")[0],
                   "FROC: share of subjects detected against false clusters per subject; values in the table",
                   "FROC over thresholds of cluster confidence, with 95 % bands over subjects. Markers: the "
                   "segmentations, raw (filled) and filtered (open)."),
            Figure(curve_drawing.draw_precision_recall(recalls, folder / "precision-recall")[0],
                   "Precision against recall of voxels; areas in the table",
                   "Precision and recall of pooled voxels over thresholds of probability, with 95 % bands over "
                   "subjects."),
        ]
    else:
        text = ("No probabilities of subjects with a lesion were given (--probabilities), so there is no FROC and no "
                "precision-recall curve.",)
    classes = {f"{group.group}, {group.stage}": found
               for group in groups if (found := curves.detection_by_size(group, seed=seed))}
    if classes:
        tables.append(curves.size_table(groups, seed=seed))
        figures.append(Figure(curve_drawing.draw_size(classes, folder / "detection-by-size")[0],
                              "Share of subjects detected against lesion volume; values in the table",
                              "Detection against lesion size, in classes of equal number; bars: 95 % intervals."))
    return Section("curves", "Curves", text=text, tables=tuple(tables), figures=tuple(figures))


def _marks(groups: Sequence[GroupStage], name: str) -> list[tuple[str, float, float]]:
    """Operating points of a group's segmentations: name, false clusters per subject, share detected."""
    marks = []
    for group in groups:
        found, false = (list(group.subjects(measure.value).values()) for measure in (DETECTED, FALSE_CLUSTERS))
        if group.group == name and found:
            marks.append((f"{name}, {group.stage} segmentation", sum(false) / len(false), sum(found) / len(found)))
    return marks

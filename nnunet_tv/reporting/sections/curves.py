"""The section of curves."""

from collections.abc import Sequence

from nnunet_tv.metrics.registry import DETECTED, FALSE_CLUSTERS
from nnunet_tv.reporting.figures import curve_drawing, curves, froc
from nnunet_tv.reporting.figures.precision_recall import precision_recall, precision_recall_table
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.sections.base import Figure, ReportContext, Section


def curves_section(context: ReportContext) -> Section:
    """FROC, precision and recall, detection against lesion size; drawn in ``curves/``."""
    record, groups, folder = context.record, context.groups, context.work / "curves"
    seed, rule = context.seed, context.settings["hits"][0]
    text: tuple[str, ...] = ()
    tables, figures, lines, recalls, points, areas = [], [], [], [], {}, {}
    for name in dict.fromkeys(group.group for group in groups):
        cases = curves.by_case(record.candidates, name)
        if any(runs[0].n_lesions for runs in cases.values()):
            curve, points[name] = froc.froc(cases, rule, name=name, marks=_marks(groups, name), seed=seed)
            recall, area, chance = precision_recall(cases, name=name, seed=seed)
            lines.append(curve)
            recalls.append(recall)
            areas[name] = area, chance
    if lines:
        if any(points.values()):
            tables.append(froc.froc_table(points, rule, record.candidates[0].threshold, seed))
        tables.append(precision_recall_table(areas, seed))
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

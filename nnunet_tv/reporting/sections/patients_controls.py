"""The section of patients with a lesion against controls."""

from nnunet_tv.reporting.figures.roc import RocCurve, roc, roc_table
from nnunet_tv.reporting.figures.roc_drawing import draw_roc
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.sections.base import Figure, ReportContext, Section
from nnunet_tv.reporting.statistics import Interval, share_interval
from nnunet_tv.reporting.tables.controls import scanning
from nnunet_tv.reporting.tables.patients_controls import Pair, make_pairs, marked, predictive_table, two_by_two_table


def patients_controls_section(context: ReportContext) -> Section | None:
    """Two by two of subjects, and the ROC curve, drawn in ``curves/``; none without both in one group."""
    pairs, remarks = make_pairs(context.groups, context.controls)
    if not pairs:
        return None
    tables, figures = [two_by_two_table(pairs), predictive_table(pairs)], []
    text = ["A subject is counted once, whatever the number of its clusters."]
    if curves := _curves(context, pairs):
        tables.append(roc_table(curves, context.record.candidates[0].threshold))
        figures.append(Figure(
            draw_roc(curves, context.work / "curves" / "roc")[0],
            "ROC: share of patients positive against share of controls positive; areas in the table",
            "ROC of subjects over thresholds on the confidence of the likeliest cluster; with several runs the mean "
            "curve. Markers: subjects with any cluster in the segmentations, raw (filled) and filtered (open), with "
            "95 % intervals."))
    else:
        text.append("No ROC curve: it needs probabilities of both, --probabilities and --controls-probabilities.")
    warnings = scanning(context.references, context.controls[0].scores, context.record.participants).warnings
    return Section("patients-controls", "Patients and controls", text=tuple(text), warnings=(*warnings, *remarks),
                   tables=tuple(tables), figures=tuple(figures))


def _curves(context: ReportContext, pairs: list[Pair]) -> list[RocCurve]:
    record, curves = context.record, []
    for name in dict.fromkeys(pair.references.group for pair in pairs):
        ours = [pair for pair in pairs if pair.references.group == name]
        patients = [one for one in record.candidates if one.group == name and one.n_lesions]
        controls = [one for one in record.control_candidates if one.group == name]
        marks = [(f"{name}, {pair.references.stage} segmentation", _positive(pair.controls), _positive(pair.patients))
                 for pair in ours]
        if curve := roc(patients, controls, name=name, marks=marks):
            curves.append(curve)
    return curves


def _positive(group: GroupStage) -> Interval:
    """Share of subjects with any cluster."""
    return share_interval(list(group.subjects(marked).values()))

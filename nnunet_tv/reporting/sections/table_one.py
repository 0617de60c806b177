"""Table 1 with its warnings and footnotes, and the summary above it."""

from collections.abc import Sequence

from nnunet_tv.metrics.registry import DETECTED, DICE, FALSE_CLUSTERS, TABLE_ONE
from nnunet_tv.metrics.scores import BOTH_EMPTY, EMPTY_PREDICTION, EMPTY_REFERENCE
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.redraws import choice_warnings
from nnunet_tv.reporting.sections.base import ReportContext, Section
from nnunet_tv.reporting.statistics import Interval
from nnunet_tv.reporting.study.missing_runs import missing_notes, missing_warning
from nnunet_tv.reporting.tables import tv_paper
from nnunet_tv.reporting.tables.table import FEW
from nnunet_tv.reporting.tables.table_one import TableOneRow, stage_table, table_one
from nnunet_tv.scoring.prediction_settings import PredictionSettings
from nnunet_tv.scoring.rows import FILTERED, MISSING, RAW
from nnunet_tv.utils.numbers import counted, some


def table_one_rows(context: ReportContext) -> tuple[list[TableOneRow], list[TableOneRow]]:
    """Rows of Table 1, and the same with the TV paper's rows if requested.

    NnunetTVError is raised if a group has the name of a row of the paper.
    """
    ours = table_one(context.record.rows)
    if not context.settings["paper"]:
        return ours, ours
    tv_paper.check_names(row.group for row in ours)
    return ours, [*ours, *tv_paper.paper_rows()]


def table_one_section(context: ReportContext, shown: Sequence[TableOneRow], notes: Sequence[str]) -> Section:
    """Table 1, raw and post-processed."""
    references = context.references
    n_lesion = sum(score.n_lesions > 0 for score in references.values())
    subjects = f"n = {counted(len(references), 'subject')}, {n_lesion} with a lesion"
    return Section("table-1", "Table 1", warnings=tuple(_warnings(context.record, len(references))),
                   tables=(stage_table(shown, RAW, subjects), stage_table(shown, FILTERED, subjects, notes=notes)))


def _warnings(record: Record, n: int) -> list[str]:
    warnings = [*record.settings.get("over_tables", []), *missing_warning(record), *choice_warnings(record)]
    if n < FEW:
        warnings.append(f"{counted(n, 'subject')}, fewer than {FEW}: descriptive only.")
    lost = [row.case for row in record.rows if row.status == MISSING and row.stage == RAW]
    if lost:
        warnings.append(f"Missing predictions, scored as empty because of --allow-missing: {len(lost)} "
                        f"({', '.join(dict.fromkeys(lost))}).")
    return warnings


def footnotes(record: Record) -> list[str]:
    """Notes under Table 1: definitions, numbers of subjects, and how the predictions were made."""
    rows, settings = record.rows, record.settings
    first = [row for row in rows if (row.group, row.run, row.stage) == (rows[0].group, rows[0].run, RAW)]
    n, n_lesion = len(first), sum(row.score is not None and row.score.n_lesions > 0 for row in first)
    rule = settings["hits"][0]
    any_voxel = rule == "any"
    empty = ", ".join(f"{status} {sum(row.status == status for row in rows)}"
                      for status in (EMPTY_REFERENCE, EMPTY_PREDICTION, BOTH_EMPTY))
    notes = [
        f"{counted(n, 'subject')}, {n_lesion} of them with a lesion in the reference."
        + (" Fewer than 10 subjects: descriptive only." if n < 10 else ""),
        "± is the sample standard deviation (n − 1) over runs: it describes the variation between trainings, not "
        "between subjects, and is not defined for a single run.",
        "Sens and Prec: voxels pooled over all subjects of a run; their means over subjects are given beside them "
        "(Sens: subjects with a lesion; Prec: subjects with a prediction).",
        f"DC: mean Dice over the {counted(n_lesion, 'subject')} with a lesion; an empty prediction counts as 0.",
        "sSens: share of the subjects with a lesion that are detected. Hit rule: "
        + ("any true positive voxel." if any_voxel else f"{rule} (explained with the hit rules)."),
        f"nFPC: clusters of the prediction ({settings['connectivity']}-connectivity) "
        + ("without any voxel of the reference" if any_voxel else f"that are not true by the rule {rule}")
        + f", per subject, over all {counted(n, 'subject')}.",
        *(f"{measure.short}: {measure.with_settings(settings).explanation}" for measure in TABLE_ONE
          if not measure.pooled_with and measure not in (DICE, DETECTED, FALSE_CLUSTERS)),
        f"Rows of cases.csv with empty masks: {empty}.",
        *missing_notes(record),
    ]
    for given, text in ((False, f"Post-processing applied here to {{}}: {'; '.join(settings['filter_steps'])}."),
                        (True, "Post-processed predictions given as files for {}; the report has no record of their "
                               "post-processing.")):
        runs = [f"{run['group']}, run {run['run']}" for run in record.meta["runs"]
                if (run["filtered"] is not None) == given]
        if runs:
            notes.append(text.format(some(runs)))
    notes += _how_predicted(record)
    return [*notes, tv_paper.NOTE] if settings["paper"] else notes


def _how_predicted(record: Record) -> list[str]:
    """How the predictions were made: as nnU-Net recorded it, and the user's remark."""
    recorded: dict[str, list[str]] = {}
    unknown = []
    for run in record.meta["runs"]:
        name = f"{run['group']}, run {run['run']}"
        if not run["predicted"]:
            unknown.append(name)
        for settings in map(PredictionSettings.from_dict, run["predicted"]):
            folds = f" (fold{'s' if len(settings.folds) > 1 else ''} {', '.join(settings.folds)})"
            recorded.setdefault(str(settings), []).append(name + (folds if settings.folds else ""))
    remark = record.settings["remark"]
    notes = [f"How predictions were made, from nnU-Net's files: {text}: {some(runs)}."
             for text, runs in recorded.items()]
    if unknown and (recorded or not remark):
        notes.append("How predictions were made (mirroring, overlap, checkpoint) was not recorded"
                     f"{f' for {some(unknown)}' if recorded else ''}.")
    if len(recorded) > 1:
        notes.append("Not all runs were predicted in the same way: their comparison includes that difference.")
    return [*notes, f"How predictions were made: {remark}"] if remark else notes


def summary(group: GroupStage, seed: int) -> str:
    """Detection, false clusters and Dice of a group in one sentence."""
    found, false, overlap = (group.interval(measure, seed=seed) for measure in (DETECTED, FALSE_CLUSTERS, DICE))
    name, false_text = f"{group.group}, {group.stage}", f"{_text(false)} false clusters per subject"
    if found.value is None:
        return f"{name}: no subject has a lesion; {false_text}."
    of = f"{counted(found.n, 'subject')} with a lesion"
    share = (f"detected in {round(found.value * found.n)} of {of}" if group.one_run else
             f"detected in {100 * found.value:.0f} % of {of}, on average over {len(group.runs)} runs")
    bounds = ("" if found.low is None or found.high is None else
              f" (95 % interval {100 * found.low:.0f} to {100 * found.high:.0f} %)")
    return f"{name}: {share}{bounds}; {false_text}; mean Dice {_text(overlap)}."


def summary_note(context: ReportContext) -> str:
    """What the sentences of the summary have in common: the hit rule, the subjects, the intervals."""
    rule = context.settings["hits"][0]
    named = ('"any": one voxel shared with the lesion is enough, which is the most generous rule' if rule == "any" else
             f'"{rule}", explained with the hit rules')
    return (f"Detected by the hit rule {named}. False clusters: over all "
            f"{counted(len(context.references), 'subject')} with a reference; mean Dice: over those with a lesion, 0 "
            "for a missed one. In parentheses: 95 % intervals over subjects.")


def _text(interval: Interval) -> str:
    bounds = "" if interval.low is None else f" ({interval.low:.2f} to {interval.high:.2f})"
    return f"{interval.value:.2f}{bounds}"

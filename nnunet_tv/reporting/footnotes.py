"""Notes under Table 1: definitions, numbers of subjects, and how the predictions were made."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_tv.metrics.scores import BOTH_EMPTY, EMPTY_PREDICTION, EMPTY_REFERENCE
from nnunet_tv.reporting.record import Record
from nnunet_tv.scoring.rows import RAW


def footnotes(record: Record) -> list[str]:
    """Return the notes that are needed to read Table 1, one or two sentences each."""
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
    runs = {filtered: [f"{run['group']}, run {run['run']}" for run in record.meta["runs"]
                       if (run["filtered"] is not None) == filtered] for filtered in (False, True)}
    if runs[False]:
        notes.append(f"Post-processing applied here to {_shorten(runs[False])}: {'; '.join(settings['filter_steps'])}.")
    if runs[True]:
        notes.append(f"Post-processed predictions given as files for {_shorten(runs[True])}; the report has no record "
                     "of their post-processing.")
    notes.append(f"How predictions were made: {settings['remark']}" if settings["remark"] else
                 "How predictions were made (mirroring, overlap, checkpoint) was not recorded.")
    return notes


def _shorten(names: Sequence[str]) -> str:
    return "; ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")

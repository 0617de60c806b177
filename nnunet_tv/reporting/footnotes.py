"""The notes under Table 1: what was counted, over whom, and how predictions came about."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_tv.metrics.scores import BOTH_EMPTY, EMPTY_PREDICTION, EMPTY_REFERENCE, RAW
from nnunet_tv.reporting.record import Record


def notes_of(record: Record) -> list[str]:
    """What a reader of the table must know, one sentence or two each."""
    rows, runs, settings = record.rows, record.meta["runs"], record.settings
    first = [row for row in rows if (row.group, row.run, row.stage) == (rows[0].group, rows[0].run, RAW)]
    with_lesion = sum(row.score.n_lesions > 0 for row in first)
    counts = {status: sum(row.status == status for row in rows)
              for status in (EMPTY_REFERENCE, EMPTY_PREDICTION, BOTH_EMPTY)}
    notes = [
        f"{len(first)} subjects, {with_lesion} of them with a lesion in the reference."
        + (" Fewer than 10 subjects: descriptive only." if len(first) < 10 else ""),
        "± is the sample standard deviation (n − 1) over runs, which says how training varies, not how subjects "
        "do; a single run has none.",
        "Sens and Prec: voxels pooled over all subjects of a run; their means over subjects stand beside (Sens: "
        "subjects with a lesion; Prec: subjects with a prediction).",
        f"DC: mean Dice over the {with_lesion} subjects with a lesion; an empty prediction there is 0.",
        f"sSens: share of the subjects with a lesion that are detected. Hit rule: {_rule(settings['hits'][0])}.",
        f"nFPC: clusters of the prediction ({settings['connectivity']}-connectivity) {_false(settings['hits'][0])}, "
        f"per subject, over all {len(first)} subjects.",
        "Empty, over all rows of cases.csv: " + ", ".join(f"{status} {n}" for status, n in counts.items()) + ".",
    ]
    in_memory = [f"{run['group']}, run {run['run']}" for run in runs if run["filtered"] is None]
    given = [f"{run['group']}, run {run['run']}" for run in runs if run["filtered"] is not None]
    if in_memory:
        notes.append(f"Post-processing applied here to {_some(in_memory)}: {'; '.join(settings['filter_steps'])}.")
    if given:
        notes.append(f"Post-processed predictions given as files for {_some(given)}; what was done to them is not "
                     "known to this report.")
    remark = settings["remark"]
    notes.append(f"How predictions were made: {remark}" if remark else
                 "How predictions were made (mirroring, overlap, checkpoint) is not known to this report.")
    return notes


def _rule(rule: str) -> str:
    return "any true positive voxel" if rule == "any" else f"{rule} (explained with the hit rules)"


def _false(rule: str) -> str:
    return "without any voxel of the reference" if rule == "any" else f"that are not true by the rule {rule}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")

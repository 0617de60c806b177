"""ROC curves of subjects: patients with a lesion against controls, by the confidence of the likeliest cluster."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.reporting.statistics import Interval, auc, auc_interval
from nnunet_tv.reporting.tables.table import Table


@dataclass(frozen=True)
class RocCurve:
    """A curve of a group, the mean over its runs; the area below is the mean of the runs' areas."""

    name: str
    x: tuple[float, ...]  #: share of controls, each value of it twice: a step, or an edge of a sloping part
    y: tuple[float, ...]  #: share of patients
    area: Interval
    runs: int
    patients: int
    controls: int
    marks: tuple[tuple[str, Interval, Interval], ...] = ()  #: of a segmentation: name, share of controls, of patients


def roc(
    patients: Sequence[FrocCandidates], controls: Sequence[FrocCandidates], *, name: str = "",
    marks: Sequence[tuple[str, Interval, Interval]] = (),
) -> RocCurve | None:
    """Return the curve of one group over the runs that both have; None without such a run.

    The score of a subject is the largest confidence of its candidates, 0 without any. `patients` have a lesion.
    Subjects of equal score give a sloping part.
    """
    ours, theirs = _scores(patients), _scores(controls)
    runs = [run for run in ours if run in theirs]
    if not runs:
        return None
    steps = np.mean([_steps(ours[run], theirs[run]) for run in runs], axis=0)
    n = len(steps)
    area = fmean(auc(ours[run], theirs[run]) for run in runs)
    sizes = len(ours[runs[0]]), len(theirs[runs[0]])
    return RocCurve(name, tuple(np.repeat(np.arange(n) / (n - 1), 2).tolist()), tuple(steps.ravel().tolist()),
                    auc_interval(area, *sizes), len(runs), *sizes, tuple(marks))


def _scores(candidates: Sequence[FrocCandidates]) -> dict[int, list[float]]:
    """Scores of the subjects of each run."""
    found: dict[int, list[float]] = {}
    for one in candidates:
        found.setdefault(one.run, []).append(max(one.confidence, default=0.0))
    return found


def _steps(positives: Sequence[float], negatives: Sequence[float]) -> np.ndarray:
    """Least and largest share of positives for 0, 1, ... all negatives, shape (negatives + 1, 2)."""
    thresholds = np.unique([*positives, *negatives])[::-1, None]
    found, alarms = (np.concatenate([[0], (np.asarray(values)[None, :] >= thresholds).sum(axis=1)])
                     for values in (positives, negatives))
    count = np.arange(len(negatives) + 1)
    first, last = (np.searchsorted(alarms, count, side=side) for side in ("left", "right"))
    sloping = np.interp(count, alarms, found)  # between the edges of equal scores
    inside = first == last
    low = np.where(inside, sloping, found[np.minimum(first, len(found) - 1)])
    high = np.where(inside, sloping, found[last - 1])
    return np.stack([low, high], axis=1) / len(positives)


def roc_table(curves: Sequence[RocCurve], threshold: float) -> Table:
    """Return the areas under the curves, by group."""
    return Table(
        "roc", "Patients against controls: area under the ROC curve",
        ("Group", "Runs", "Patients", "Controls", "AUC"),
        tuple((curve.name, curve.runs, curve.patients, curve.controls, curve.area) for curve in curves),
        notes=(
            "AUC: the share of pairs of a patient and a control in which the patient has the higher score, equal "
            "scores counted half; 0.5 is no information. The score of a subject is the largest confidence of its "
            f"clusters (peak probability; clusters of voxels of at least {threshold:g}), 0 without any; where the "
            "cluster is does not matter. Several runs: the mean of their AUC.",
            "Interval: method 5 of Newcombe (2006), a score interval with the variance of Hanley and McNeil, on the "
            "numbers of patients and controls, whatever the number of runs; n is the smaller of the two.",
        ),
    )

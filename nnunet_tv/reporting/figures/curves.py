"""Curves with intervals: FROC, precision and recall, detection against lesion size. Data only; drawn elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nnunet_tv.metrics.scores import Candidates
from nnunet_tv.reporting.groups import GroupStage, detected, has_lesion
from nnunet_tv.reporting.statistics import LEVEL, Interval, bootstrap, resampled_means, share_interval
from nnunet_tv.reporting.tables.table import Table

#: Resamples behind a band.
BAND_RESAMPLES = 2000
#: Thresholds on a curve at most; quantiles of the confidences where there are more.
MOST_THRESHOLDS = 200
#: False clusters per subject at which the table gives the detection.
FROC_POINTS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
#: Subjects per part of the size curve at least, and parts at most.
PART_SUBJECTS, MOST_PARTS = 5, 4


@dataclass(frozen=True)
class Curve:
    """A line with its band.

    Attributes
    ----------
    name : str
        Group.
    x, y : tuple of float
        The line.
    grid, low, high : tuple of float
        Bounds of y at x = grid, over resampled subjects.
    n, n_lesion : int
        Subjects; those of them with a lesion.
    marks : tuple of (str, float, float)
        Operating points of hard segmentations: name, x, y.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    grid: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    n: int
    n_lesion: int
    marks: tuple[tuple[str, float, float], ...] = ()


def by_case(candidates: Sequence[Candidates], group: str) -> dict[str, list[Candidates]]:
    """Candidates of one group: case to its runs."""
    found: dict[str, list[Candidates]] = {}
    for one in candidates:
        if one.group == group:
            found.setdefault(one.case, []).append(one)
    return found


def froc(
    cases: dict[str, list[Candidates]], rule: str, *, name: str = "", marks: Sequence[tuple[str, float, float]] = (),
    seed: int = 0,
) -> tuple[Curve, list[tuple[float, Interval]]]:
    """Detected share of subjects against false clusters per subject, over thresholds of cluster confidence.

    Parameters
    ----------
    cases : dict of str to list of Candidates
        Of one group; runs of a case are averaged.
    rule : str
        Hit rule by which a cluster is true and a lesion found.
    name : str
        Of the curve.
    marks : sequence of (str, float, float)
        Operating points to show: name, false clusters per subject, detected share.
    seed : int
        Of the bootstrap over subjects.

    Returns
    -------
    curve : Curve
    points : list of (float, Interval)
        Detection at :data:`FROC_POINTS` that the curve reaches: the best with at most as many false clusters.
    """
    false, found, lesion = _froc_columns(cases, rule, _thresholds(cases))
    columns = np.concatenate([false, found, lesion[:, None]], axis=1)
    width = false.shape[1]

    def line(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        share = means[:, width:-1] / np.where(means[:, -1:] > 0, means[:, -1:], np.nan)
        return means[:, :width], share

    x, y = (part[0] for part in line(columns.mean(axis=0, keepdims=True)))
    drawn_x, drawn_y = line(resampled_means(columns, seed=seed, resamples=BAND_RESAMPLES))
    grid = np.unique(np.concatenate([[0.0], x]))
    low, high = _band(np.stack([_best_until(drawn_x[i], drawn_y[i], grid) for i in range(len(drawn_x))]))
    curve = Curve(name, _floats([0.0, *x]), _floats([0.0, *y]), _floats(grid), _floats(low), _floats(high),
                  len(lesion), int(lesion.sum()), tuple(marks))
    points = []
    reached = [point for point in FROC_POINTS if point <= x[-1]] if len(x) else []
    if reached:
        values = _best_until(x, y, np.array(reached))
        lows, highs = _band(np.stack([_best_until(drawn_x[i], drawn_y[i], np.array(reached))
                                      for i in range(len(drawn_x))]))
        points = [(point, Interval(float(value), float(a), float(b), curve.n_lesion, "bootstrap"))
                  for point, value, a, b in zip(reached, values, lows, highs, strict=True)]
    return curve, points


def _thresholds(cases: dict[str, list[Candidates]]) -> np.ndarray:
    """Confidences, falling."""
    every = np.unique([value for runs in cases.values() for one in runs for value in one.confidence])
    if len(every) > MOST_THRESHOLDS:
        every = np.unique(np.quantile(every, np.linspace(0, 1, MOST_THRESHOLDS), method="nearest"))
    return every[::-1]


def _froc_columns(
    cases: dict[str, list[Candidates]], rule: str, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False clusters and detection of each subject at each threshold, and whether it has a lesion."""
    false, found = (np.zeros((len(cases), len(thresholds))) for _ in range(2))
    lesion = np.zeros(len(cases))
    for row, runs in enumerate(cases.values()):
        lesion[row] = float(runs[0].n_lesions > 0)
        for one in runs:
            confidence = np.asarray(one.confidence, float)
            kept = confidence[None, :] >= thresholds[:, None]
            true = np.asarray(one.true[rule], bool)
            finds = np.array([bool(ids) for ids in one.lesions[rule]], bool)
            false[row] += (kept & ~true[None, :]).sum(axis=1) / len(runs)
            found[row] += (kept & finds[None, :]).any(axis=1) / len(runs)
    return false, found, lesion


def _best_until(x: np.ndarray, y: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The last y with x at most the grid's value: both rise; 0 where there is none."""
    place = np.searchsorted(x, grid + 1e-12, side="right") - 1
    return np.where(place >= 0, y[np.maximum(place, 0)], 0.0) if len(x) else np.zeros(len(grid))


def precision_recall(
    cases: dict[str, list[Candidates]], *, name: str = "", seed: int = 0
) -> tuple[Curve, Interval, float | None]:
    """Precision against recall of voxels, pooled over subjects (and runs), over thresholds of probability.

    Returns
    -------
    curve : Curve
        x is recall, y precision.
    area : Interval
        Sum of (R_n − R_(n−1)) · P_n over the histogram's bins: average precision.
    chance : float or None
        Share of lesion voxels in all, the area of a map without information.
    """
    inside, outside = (np.array([np.mean([getattr(one, part) for one in runs], axis=0) for runs in cases.values()])
                       for part in ("lesion_histogram", "background_histogram"))
    bins = inside.shape[1]
    columns = np.concatenate([inside[:, ::-1], outside[:, ::-1]], axis=1)

    def line(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tp, fp = np.cumsum(means[:, :bins], axis=1), np.cumsum(means[:, bins:], axis=1)
        all_lesion = np.where(tp[:, -1:] > 0, tp[:, -1:], np.nan)
        # Before anything is predicted precision has no value; the first that has one stands for it.
        return tp / all_lesion, np.where(tp + fp > 0, tp / np.where(tp + fp > 0, tp + fp, 1), 1.0)

    def area(means: np.ndarray) -> np.ndarray:
        recall, precision = line(means)
        return (np.diff(recall, axis=1, prepend=0) * precision).sum(axis=1)

    whole = columns.mean(axis=0, keepdims=True)
    lesion_subjects = int((inside.sum(axis=1) > 0).sum())
    if not lesion_subjects:
        nothing = Interval(None, None, None, len(cases), "bootstrap")
        return Curve(name, (), (), (), (), (), len(cases), 0), nothing, None
    recall, precision = (part[0] for part in line(whole))
    grid = np.linspace(0, 1, 101)[1:]
    drawn = [part for part in zip(*line(resampled_means(columns, seed=seed, resamples=BAND_RESAMPLES)), strict=True)
             if np.isfinite(part[0][0])]
    low, high = _band(np.stack([p[np.minimum(np.searchsorted(r, grid - 1e-12), bins - 1)] for r, p in drawn]))
    predicted = columns[:, :bins].sum() + columns[:, bins:].sum()
    shown = recall > 0
    return (
        Curve(name, _floats(recall[shown]), _floats(precision[shown]), _floats(grid), _floats(low), _floats(high),
              len(cases), lesion_subjects),
        bootstrap(columns, area, seed=seed, resamples=BAND_RESAMPLES),
        float(columns[:, :bins].sum() / predicted),
    )


@dataclass(frozen=True)
class SizePart:
    """Subjects with lesions of about one size: limits of the reference in mm³, and the share detected."""

    low_mm3: float
    high_mm3: float
    share: Interval


def detection_by_size(group: GroupStage, *, seed: int = 0) -> list[SizePart]:
    """Detected share of subjects in up to four parts of equal number, by the volume of the reference."""
    shares = group.subjects(detected)
    sizes = {case: group.scores[case][0].reference_mm3 for case in shares if has_lesion(group.scores[case][0])}
    ordered = sorted(sizes, key=lambda case: (sizes[case], case))
    parts = max(1, min(MOST_PARTS, len(ordered) // PART_SUBJECTS))
    cuts = [round(len(ordered) * part / parts) for part in range(parts + 1)]
    found = []
    for start, end in pairwise(cuts):
        if part := set(ordered[start:end]):
            # In the order of all other tables, so that equal subjects have equal draws and one interval.
            inside = [share for case, share in shares.items() if case in part]
            found.append(SizePart(sizes[ordered[start]], sizes[ordered[end - 1]],
                                  share_interval(inside, seed=seed, one_run=group.one_run)))
    return found


def froc_table(found: dict[str, list[tuple[float, Interval]]], rule: str, threshold: float, seed: int) -> Table:
    """Detection at given numbers of false clusters."""
    rows = [(group, point, share) for group, points in found.items() for point, share in points]
    return Table(
        "froc", "FROC: detection at a number of false clusters per subject",
        ("Group", "False clusters per subject, at most", "Detected share of subjects"), tuple(rows),
        notes=(f"Candidates are clusters of probability from {threshold:g}; their confidence is their peak "
               f"probability; hit rule {rule}. The threshold on confidence is chosen on these very subjects: a working "
               "point has to be fixed on others.",
               f"Band and intervals: percentile bootstrap over subjects, {BAND_RESAMPLES} resamples, seed {seed}; "
               "pointwise. Points beyond the curve's last threshold are left out."),
    )


def precision_recall_table(found: dict[str, tuple[Interval, float | None]]) -> Table:
    """Areas under the precision-recall curves."""
    return Table(
        "precision-recall", "Precision and recall of voxels: area under the curve",
        ("Group", "Area (pooled average precision)", "Area without information"),
        tuple((group, area, chance) for group, (area, chance) in found.items()),
        digits={"Area without information": 5},
        notes=("Voxels of all subjects (and runs) pooled, so that large lesions weigh most; the average precision of "
               "single cases is among the measures. Probabilities in equal bins from 0 to 1.",),
    )


def size_table(groups: Sequence[GroupStage], *, seed: int = 0) -> Table:
    """Detection against lesion size, in parts."""
    rows = [(group.group, group.stage, part.low_mm3, part.high_mm3, part.share)
            for group in groups for part in detection_by_size(group, seed=seed)]
    return Table(
        "detection-by-size", "Detection against lesion size",
        ("Group", "Stage", "From (mm³)", "To (mm³)", "Detected share of subjects"), tuple(rows),
        digits={"From (mm³)": 0, "To (mm³)": 0},
        notes=(f"Subjects with a lesion in up to {MOST_PARTS} parts of equal number, at least {PART_SUBJECTS} each "
               "where there are as many, by the volume of the whole reference. Intervals as for sSens.",),
    )


def _band(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.nanquantile(drawn, ((1 - LEVEL) / 2, (1 + LEVEL) / 2), axis=0)
    return low, high


def _floats(values) -> tuple[float, ...]:
    return tuple(float(value) for value in values)

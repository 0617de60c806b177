"""Curves with confidence bands: FROC, precision and recall, detection against lesion size; and their tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.metrics.registry import DETECTED
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import TAILS, Interval, bootstrap, resampled_means, share_interval
from nnunet_tv.reporting.tables.table import Table

#: Bootstrap resamples of a band.
BAND_RESAMPLES = 2000
#: Most thresholds on a curve; quantiles of the confidences are used if there are more.
MOST_THRESHOLDS = 200
#: False clusters per subject at which the table gives the detection.
FROC_POINTS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
#: Fewest subjects per size class, and most classes.
CLASS_SUBJECTS, MOST_CLASSES = 5, 4


@dataclass(frozen=True)
class Curve:
    """A curve of a group with its confidence band."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    grid: tuple[float, ...]
    low: tuple[float, ...]  #: bounds of y at x = `grid`, from the bootstrap over subjects
    high: tuple[float, ...]
    n: int  #: number of subjects
    n_lesion: int  #: of those with a lesion
    marks: tuple[tuple[str, float, float], ...] = ()  #: operating points of the segmentations: name, x, y


def by_case(candidates: Sequence[FrocCandidates], group: str) -> dict[str, list[FrocCandidates]]:
    """Return the candidates of one group: case to its runs."""
    ours = [one for one in candidates if one.group == group]
    return {case: [one for one in ours if one.case == case] for case in dict.fromkeys(one.case for one in ours)}


def froc(
    cases: dict[str, list[FrocCandidates]], rule: str, *, name: str = "",
    marks: Sequence[tuple[str, float, float]] = (), seed: int = 0,
) -> tuple[Curve, list[tuple[float, Interval]]]:
    """Return the share of subjects detected against false clusters per subject, over thresholds of confidence.

    Runs of a case are averaged. The points are the best detection with at most as many false clusters as those of
    :data:`FROC_POINTS` that the curve reaches.
    """
    false, found, lesion = _froc_columns(cases, rule, _thresholds(cases))
    columns = np.concatenate([false, found, lesion[:, None]], axis=1)
    width = false.shape[1]

    def line(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return means[:, :width], means[:, width:-1] / np.where(means[:, -1:] > 0, means[:, -1:], np.nan)

    def band(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return _bounds(np.stack([_best_until(*curve, at) for curve in zip(drawn_x, drawn_y, strict=True)]))

    x, y = (part[0] for part in line(columns.mean(axis=0, keepdims=True)))
    drawn_x, drawn_y = line(resampled_means(columns, seed=seed, resamples=BAND_RESAMPLES))
    grid = np.unique([0.0, *x])
    low, high = band(grid)
    curve = Curve(name, _floats([0.0, *x]), _floats([0.0, *y]), _floats(grid), _floats(low), _floats(high),
                  len(lesion), int(lesion.sum()), tuple(marks))
    reached = np.array([point for point in FROC_POINTS if len(x) and point <= x[-1]])
    if not len(reached):
        return curve, []
    figures = np.stack([reached, _best_until(x, y, reached), *band(reached)], axis=1).tolist()
    return curve, [(point, Interval(value, low, high, curve.n_lesion, "bootstrap"))
                   for point, value, low, high in figures]


def _thresholds(cases: dict[str, list[FrocCandidates]]) -> np.ndarray:
    """Confidences in descending order."""
    values = np.unique([value for runs in cases.values() for one in runs for value in one.confidence])
    if len(values) > MOST_THRESHOLDS:
        values = np.unique(np.quantile(values, np.linspace(0, 1, MOST_THRESHOLDS), method="nearest"))
    return values[::-1]


def _froc_columns(
    cases: dict[str, list[FrocCandidates]], rule: str, thresholds: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """False clusters and detection of each subject at each threshold, and whether it has a lesion."""
    false, found = (np.zeros((len(cases), len(thresholds))) for _ in range(2))
    for row, runs in enumerate(cases.values()):
        for one in runs:
            kept = np.asarray(one.confidence, float)[None, :] >= thresholds[:, None]
            finds = np.array([bool(lesions) for lesions in one.lesions[rule]], bool)
            false[row] += (kept & ~np.asarray(one.true[rule], bool)).sum(axis=1) / len(runs)
            found[row] += (kept & finds).any(axis=1) / len(runs)
    return false, found, np.array([float(runs[0].n_lesions > 0) for runs in cases.values()])


def _best_until(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Last y with x <= at, for x and y that do not decrease; 0 where there is none."""
    place = np.searchsorted(x, at + 1e-12, side="right") - 1
    return np.where(place >= 0, y[np.maximum(place, 0)], 0.0) if len(x) else np.zeros(len(at))


def precision_recall(
    cases: dict[str, list[FrocCandidates]], *, name: str = "", seed: int = 0
) -> tuple[Curve, Interval, float]:
    """Return precision against recall of voxels, pooled over subjects and runs, over thresholds of probability.

    At least one case needs a lesion.
    The second value is the average precision, the sum of (R_n − R_(n−1)) · P_n over the bins of the histogram; the
    third the share of lesion voxels among all voxels, which is the area of a map without information.
    """
    inside, outside = (np.array([np.mean([getattr(one, part) for one in runs], axis=0) for runs in cases.values()])
                       for part in ("lesion_histogram", "background_histogram"))
    n_lesion, bins = int((inside.sum(axis=1) > 0).sum()), inside.shape[1]
    columns = np.concatenate([inside[:, ::-1], outside[:, ::-1]], axis=1)

    def line(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tp, fp = np.cumsum(means[:, :bins], axis=1), np.cumsum(means[:, bins:], axis=1)
        all_lesion = np.where(tp[:, -1:] > 0, tp[:, -1:], np.nan)
        # Precision is undefined as long as nothing is predicted; recall is 0 there, so that 1 adds nothing to the area.
        return tp / all_lesion, np.where(tp + fp > 0, tp / np.where(tp + fp > 0, tp + fp, 1), 1.0)

    def area(means: np.ndarray) -> np.ndarray:
        recall, precision = line(means)
        return (np.diff(recall, axis=1, prepend=0) * precision).sum(axis=1)

    recall, precision = (part[0] for part in line(columns.mean(axis=0, keepdims=True)))
    grid = np.linspace(0, 1, 101)[1:]
    drawn = zip(*line(resampled_means(columns, seed=seed, resamples=BAND_RESAMPLES)), strict=True)
    low, high = _bounds(np.stack([p[np.minimum(np.searchsorted(r, grid - 1e-12), bins - 1)] for r, p in drawn
                                  if np.isfinite(r[0])]))
    curve = Curve(name, _floats(recall[recall > 0]), _floats(precision[recall > 0]), _floats(grid), _floats(low),
                  _floats(high), len(cases), n_lesion)
    chance = float(columns[:, :bins].sum() / (columns[:, :bins].sum() + columns[:, bins:].sum()))
    return curve, bootstrap(columns, area, seed=seed, resamples=BAND_RESAMPLES), chance


@dataclass(frozen=True)
class SizeClass:
    """Subjects with lesions of similar size."""

    low_mm3: float  #: limits of the reference's volume
    high_mm3: float
    share: Interval  #: detected


def detection_by_size(group: GroupStage, *, seed: int = 0) -> list[SizeClass]:
    """Return the share of subjects detected in up to four classes of equal number, by the volume of the reference."""
    shares = group.subjects(DETECTED.value)
    sizes = {case: group.scores[case][0].reference_mm3 for case in shares if group.scores[case][0].n_lesions}
    ordered = sorted(sizes, key=lambda case: (sizes[case], case))
    number = max(1, min(MOST_CLASSES, len(ordered) // CLASS_SUBJECTS))
    classes = []
    for start, end in pairwise(round(len(ordered) * part / number) for part in range(number + 1)):
        if cases := ordered[start:end]:
            # In the order of all other tables, so that the same subjects have the same draws and the same interval.
            inside = [share for case, share in shares.items() if case in cases]
            classes.append(SizeClass(sizes[ordered[start]], sizes[ordered[end - 1]],
                                     share_interval(inside, seed=seed, one_run=group.one_run)))
    return classes


def froc_table(found: dict[str, list[tuple[float, Interval]]], rule: str, threshold: float, seed: int) -> Table:
    """Return the detection at given numbers of false clusters, by group."""
    return Table(
        "froc", "FROC: detection at a number of false clusters per subject",
        ("Group", "False clusters per subject, at most", "Detected share of subjects"),
        tuple((group, *point) for group, points in found.items() for point in points),
        notes=(f"Candidates are clusters of voxels with a probability of at least {threshold:g}; the confidence of a "
               f"cluster is its peak probability. Hit rule: {rule}. The threshold on confidence is chosen on the same "
               "subjects, so an operating point must be fixed on other subjects.",
               f"Band and intervals: pointwise percentile bootstrap over subjects, {BAND_RESAMPLES} resamples, seed "
               f"{seed}. Points beyond the last threshold of a curve are not listed."),
    )


def precision_recall_table(found: dict[str, tuple[Interval, float]]) -> Table:
    """Return the areas under the precision-recall curves, by group."""
    return Table(
        "precision-recall", "Precision and recall of voxels: area under the curve",
        ("Group", "Area (pooled average precision)", "Area without information"),
        tuple((group, *areas) for group, areas in found.items()),
        digits={"Area without information": 5},
        notes=("Voxels of all subjects and runs are pooled, so that large lesions have the largest weight; the average "
               "precision of single cases is among the measures. Probabilities are counted in equal bins from 0 to "
               "1.",),
    )


def size_table(groups: Sequence[GroupStage], *, seed: int = 0) -> Table:
    """Return the detection by lesion size, for all groups."""
    return Table(
        "detection-by-size", "Detection against lesion size",
        ("Group", "Stage", "From (mm³)", "To (mm³)", "Detected share of subjects"),
        tuple((group.group, group.stage, part.low_mm3, part.high_mm3, part.share)
              for group in groups for part in detection_by_size(group, seed=seed)),
        digits={"From (mm³)": 0, "To (mm³)": 0},
        notes=(f"Subjects with a lesion in up to {MOST_CLASSES} classes of equal number (at least {CLASS_SUBJECTS} "
               "subjects each, if there are as many) by the volume of the whole reference. Intervals as for sSens.",),
    )


def _bounds(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.nanquantile(drawn, TAILS, axis=0)
    return low, high


def _floats(values: np.ndarray | Sequence[float]) -> tuple[float, ...]:
    return tuple(map(float, values))

"""What a curve is; precision and recall, detection against lesion size, and their tables."""

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
#: Fewest subjects per size class, and most classes.
CLASS_SUBJECTS, MOST_CLASSES = 5, 4


@dataclass(frozen=True)
class Curve:
    """A curve of a group with its confidence band."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    grid: tuple[float, ...]
    low: tuple[float, ...]  #: bounds of y at x = `grid`
    high: tuple[float, ...]
    n: int  #: number of subjects
    n_lesion: int  #: of those with a lesion
    marks: tuple[tuple[str, float, float], ...] = ()  #: operating points of the segmentations: name, x, y


def by_case(candidates: Sequence[FrocCandidates], group: str) -> dict[str, list[FrocCandidates]]:
    """Return the candidates of one group: case to its runs."""
    ours = [one for one in candidates if one.group == group]
    return {case: [one for one in ours if one.case == case] for case in dict.fromkeys(one.case for one in ours)}


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
                                     share_interval(inside)))
    return classes


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

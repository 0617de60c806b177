"""Precision against recall of voxels over thresholds of probability: the curve, its area, its table."""

from dataclasses import replace

import numpy as np

from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.metrics.probability import ProbabilityCounts, merged
from nnunet_tv.reporting.figures.curves import BAND_RESAMPLES, Curve
from nnunet_tv.reporting.statistics import TAILS, Interval, bootstrap, resampled_means
from nnunet_tv.reporting.tables.table import Table


def precision_recall(
    cases: dict[str, list[FrocCandidates]], *, name: str = "", seed: int = 0
) -> tuple[Curve, Interval, float]:
    """Return precision against recall of voxels, pooled over subjects and runs, over thresholds of probability.

    At least one case needs a lesion. The second value is the average precision, the sum of (R_n − R_(n−1)) · P_n over
    all edges of :class:`ProbabilityCounts`; the third the share of lesion voxels among all voxels, which is the area of
    a map without information. Curve, band and interval are computed from fewer edges, on which the counts are exact.
    """
    counts = [[one.counts() for one in runs] for runs in cases.values()]
    weights = [1 / len(runs) for runs in counts for _ in runs]
    pooled = ProbabilityCounts.pooled([one for runs in counts for one in runs], weights)
    edges = merged(pooled).edges
    columns = np.array([np.mean([np.concatenate(one.within(edges)) for one in runs], axis=0) for runs in counts])
    recall, precision = (part[0] for part in _line(columns.mean(axis=0, keepdims=True)))
    grid = np.linspace(0, 1, 101)[1:]
    drawn = zip(*_line(resampled_means(columns, seed=seed, resamples=BAND_RESAMPLES)), strict=True)
    low, high = np.quantile([p[np.minimum(np.searchsorted(r, grid - 1e-12), len(edges) - 1)] for r, p in drawn
                             if np.isfinite(r[0])], TAILS, axis=0).tolist()
    curve = Curve(name, tuple(recall[recall > 0].tolist()), tuple(precision[recall > 0].tolist()), tuple(grid.tolist()),
                  tuple(low), tuple(high), len(cases), int((columns[:, :len(edges)].sum(axis=1) > 0).sum()))
    area = bootstrap(columns, _area, seed=seed, resamples=BAND_RESAMPLES)
    exact = float(_area(np.concatenate([pooled.lesion, pooled.background])[None])[0])
    lesion, background = (float(part.sum()) for part in (pooled.lesion, pooled.background))
    return curve, replace(area, value=exact), lesion / (lesion + background)


def _line(voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision at falling edges, from rows of lesion voxels and background voxels between the edges."""
    tp, fp = (np.cumsum(part, axis=1) for part in np.split(voxels, 2, axis=1))
    all_lesion = np.where(tp[:, -1:] > 0, tp[:, -1:], np.nan)
    # Precision is undefined as long as nothing is predicted; recall is 0 there, so that 1 adds nothing to the area.
    return tp / all_lesion, np.where(tp + fp > 0, tp / np.where(tp + fp > 0, tp + fp, 1), 1.0)


def _area(voxels: np.ndarray) -> np.ndarray:
    recall, precision = _line(voxels)
    return (np.diff(recall, axis=1, prepend=0) * precision).sum(axis=1)


def precision_recall_table(found: dict[str, tuple[Interval, float]], seed: int) -> Table:
    """Return the areas under the precision-recall curves, by group."""
    return Table(
        "precision-recall", "Precision and recall of voxels: area under the curve",
        ("Group", "Area (pooled average precision)", "Area without information"),
        tuple((group, *areas) for group, areas in found.items()),
        digits={"Area without information": 5},
        notes=("Average precision: the sum of (R_n - R_(n-1)) · P_n over falling thresholds of probability, with "
               "recall R and precision P of voxels. Voxels of all subjects and runs are pooled, so that large lesions "
               "have the largest weight; the average precision of single cases is among the measures.",
               "Voxels are counted between thresholds so near to each other that the area is that of all thresholds "
               "up to 0.005, and in practice 0.001.",
               f"Intervals: BCa bootstrap over subjects, {BAND_RESAMPLES} resamples, seed {seed}. The area without "
               "information is the share of lesion voxels."),
    )

"""The curve of a measure against the weight of total variation, and its knee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

#: Resamplings of the subjects, and the least share of them in which the knee must be the same weight.
RESAMPLES, AGREEMENT = 2000, 0.8
#: The rule, as outputs state it.
RULE = ("The knee of nFPC is the weight at which the curve is farthest below the chord from its first to its last "
        "point: the largest d(w) = (chord(w) − nFPC(w)) / |nFPC(first) − nFPC(last)|, the weights being scaled from 0 "
        "to 1 (as Kneedle, Satopää et al. 2011, without smoothing). It is named only if, over "
        f"{RESAMPLES} resamplings of the subjects (the same subjects at all weights), the 95 % intervals of the drop "
        "nFPC(first) − nFPC(last) and of d at the knee lie above 0, and the same weight is the knee in at least "
        f"{AGREEMENT:.0%} of them.")


@dataclass(frozen=True)
class Knee:
    """The knee of a curve, or the reason why none is named."""

    weight: float | None
    text: str


def find_knee(weights: Sequence[float], false_clusters: np.ndarray, *, seed: int = 0) -> Knee:
    """Knee of the mean number of false clusters against the weight.

    Parameters
    ----------
    weights : sequence of float
        In ascending order.
    false_clusters : array, shape (subjects, weights)
        False clusters of each subject at each weight, averaged over runs.
    seed : int
        Of the resamplings.
    """
    if len(weights) < 3:
        return Knee(None, f"No knee is named: it takes at least three weights, and {len(weights)} were scored.")
    n = len(false_clusters)
    if n < 3:
        return Knee(None, f"No knee is named: it takes at least three subjects to resample, and there are {n}.")
    depth, drop = _depth(weights, false_clusters.mean(axis=0))
    place = int(np.argmax(depth))
    draws = np.random.default_rng(seed).integers(n, size=(RESAMPLES, n))
    depths, drops = zip(*(_depth(weights, false_clusters[draw].mean(axis=0)) for draw in draws), strict=True)
    inner, where = np.array(depths), np.argmax(np.array(depths), axis=1)
    share = float(np.mean((where == place) & (np.array(drops) > 0)))
    low_drop, high_drop = np.percentile(drops, (2.5, 97.5))
    low, high = np.percentile(inner[:, place], (2.5, 97.5))
    weight = weights[1:-1][place]
    if not low_drop > 0:
        return Knee(None, f"No knee is named: nFPC falls by {drop:.2f} from the first weight to the last, with a 95 % "
                    f"interval of {low_drop:.2f} to {high_drop:.2f}, which does not exclude that it does not fall.")
    found = (f"the curve is farthest below its chord at {weight:g}, by {depth[place]:.2f} of the whole drop (95 % "
             f"interval {low:.2f} to {high:.2f}), in {share:.0%} of the resamplings")
    if not low > 0 or share < AGREEMENT:
        return Knee(None, f"No knee is named: {found}, which does not support one weight.")
    return Knee(weight, f"Knee of nFPC: weight {weight:g}; {found}.")


def _depth(weights: Sequence[float], curve: np.ndarray) -> tuple[np.ndarray, float]:
    """D of the inner weights, and the drop from the first weight to the last."""
    drop = float(curve[0] - curve[-1])
    scaled = (np.array(weights) - weights[0]) / (weights[-1] - weights[0])
    depth = (curve[0] - drop * scaled - curve) / abs(drop) if drop else np.zeros(len(curve))
    return depth[1:-1], drop


def collapsed(empty: Mapping[float, float]) -> list[float]:
    """Weights at which more than half of the predictions are empty: the trivial solution of the TV paper (4.7).

    `empty` gives the share of empty predictions by weight.
    """
    return [weight for weight, share in sorted(empty.items()) if share > 0.5]

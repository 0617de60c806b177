"""Figures of patients against controls: mean of two shares, area under the ROC curve."""

from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

from nnunet_tv.reporting.statistics.interval import TAILS, Interval


def mean_of_shares(first: Interval, second: Interval) -> Interval:
    """Return the mean of two independent shares, such as the balanced accuracy of sensitivity and specificity.

    The bounds combine those of the shares (MOVER; Newcombe 1998, "square and add"), so that exact intervals of the
    shares leave none of width 0. `n` is the smaller number of subjects.
    """
    n, method = min(first.n, second.n), "MOVER"
    if first.value is None or second.value is None:
        return Interval(None, None, None, n, method)
    value = (first.value + second.value) / 2
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Interval(value, None, None, n, method)
    below = np.hypot(first.value - first.low, second.value - second.low) / 2
    above = np.hypot(first.high - first.value, second.high - second.value) / 2
    return Interval(value, float(value - below), float(value + above), n, method)


def auc(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Return the area under the ROC curve: P(positive > negative) + P(equal) / 2 (Mann and Whitney 1947)."""
    n = len(positives)
    ranks = stats.rankdata([*positives, *negatives])
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * len(negatives)))


def auc_interval(area: float, positives: int, negatives: int) -> Interval:
    """Return the interval of an area under the ROC curve of that many positive and negative subjects.

    Method 5 of Newcombe (2006, Statistics in Medicine 25:559): all areas θ with \\|area − θ\\| <= z √V(θ), where V is
    Hanley and McNeil's variance with both numbers less 1 replaced by N = (positives + negatives) / 2 − 1:
    V(θ) = θ (1 − θ) [1 + N (1 − θ) / (2 − θ) + N θ / (1 + θ)] / (positives · negatives). As Wilson's interval of a
    share, it has a width for an area of 0 and of 1. `n` is the smaller number of subjects.
    """
    n, method = min(positives, negatives), "Newcombe's method 5"
    if not n:
        return Interval(None, None, None, 0, method)
    # V is symmetric in θ and 1 − θ.
    return Interval(area, _lower_area(area, positives, negatives), 1 - _lower_area(1 - area, positives, negatives), n,
                    method)


def _lower_area(area: float, positives: int, negatives: int) -> float:
    if area <= 0:
        return 0.0
    factor = float(stats.norm.ppf(TAILS[1])) ** 2 / (positives * negatives)
    extra = (positives + negatives) / 2 - 1

    def beyond(theta: float) -> float:
        """Negative inside of the interval; divided by 1 − θ, which is a root of it for an area of 1."""
        variance = factor * theta * (1 + extra * ((1 - theta) / (2 - theta) + theta / (1 + theta)))
        return 1 - theta - variance if area >= 1 else (area - theta) ** 2 - (1 - theta) * variance

    return float(optimize.brentq(beyond, 0, area))

"""Intervals of shares whose number of trials is not the number of subjects: pooled clusters and lesions."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from nnunet_tv.reporting.statistics.exact import beta_bounds, dispersed_bounds, student_factor
from nnunet_tv.reporting.statistics.interval import TAILS, Interval

#: Numbers of false clusters at which the bounds of results with fewer are computed.
_MOST_STEPS = 1000


def pooled_share(parts: Sequence[float], wholes: Sequence[float]) -> Interval:
    """Return the interval of sum(parts) / sum(wholes) over subjects, such as lesions found of all lesions.

    Lesions of one subject are not independent, so the interval is Clopper-Pearson's with an effective number of
    trials p (1 - p) / v, where v is the linearised variance of the ratio over subjects (Korn and Graubard 1998). Unlike
    theirs the number is at most that of the subjects with a lesion, which it also is for p of 0 and 1, where v is 0:
    agreement of all lesions is no evidence of independence. The interval is at least as wide as those of the same
    parts found alone and missed alone.

    Parameters
    ----------
    parts, wholes : sequence of float
        Of each subject, with 0 <= part <= whole; the runs of a subject are summed.

    Returns
    -------
    Interval
        `n` is the number of subjects with a whole above 0; without a value if there are none.
    """
    x, m = np.asarray(parts, float), np.asarray(wholes, float)
    if x.shape != m.shape or (x < 0).any() or (x > m).any():
        raise ValueError("expected 0 <= part <= whole for each subject")
    n, method = int(np.count_nonzero(m)), "Clopper-Pearson, effective number of subjects"
    if not n:
        return Interval(None, None, None, 0, method)
    p = float(x.sum() / m.sum())
    variance = float(((x - p * m) ** 2).sum() / m.sum() ** 2)
    effective = min(float(n), p * (1 - p) / variance) if variance and 0 < p < 1 else float(n)
    low, high = beta_bounds(p * effective, effective)
    n_true, n_false = int(np.count_nonzero(x)), int(np.count_nonzero(m - x))
    all_true = beta_bounds(n_true, n_true)[0] if n_true else 0.0
    all_false = beta_bounds(0, n_false)[1] if n_false else 1.0
    if low > all_true:
        low = max(0.0, all_true - (1 - high))
    if high < all_false:
        high = min(1.0, all_false + low)
    return Interval(p, low, high, n, method)


def cluster_share(true: Sequence[float], false: Sequence[float], *, runs: int = 1) -> Interval:
    """Return the interval of the pooled share of clusters that are true, from those of each subject, summed over runs.

    The wider of two on each side, as far as they are defined:

    - from the intervals of the two rates, true and false clusters per subject (:func:`dispersed_bounds`), by MOVER for
      their ratio (Donner and Zou 2012): defined where all clusters are true, or none;
    - Clopper-Pearson with the effective number p (1 - p) / v of clusters, where v is the linearised variance of the
      ratio over subjects, lowered for Student's t (Korn and Graubard 1998): it takes into account that subjects with
      true clusters may have fewer false ones.

    The lower bound is at most the exact one of n in n, for the n subjects with a true cluster, since several of one
    subject are not independent. One false cluster more never raises it, nor gives a narrower interval than none.

    Returns
    -------
    Interval
        `n` is the number of subjects with a cluster; without a value if there are none.
    """
    x, y = np.asarray(true, float), np.asarray(false, float)
    if x.shape != y.shape or (x < 0).any() or (y < 0).any():
        raise ValueError("expected as many numbers of true as of false clusters, each at least 0")
    n, method = int(np.count_nonzero(x + y)), "MOVER of rates, and Clopper-Pearson with an effective number"
    if not n:
        return Interval(None, None, None, 0, method)
    p = float(x.sum() / (x + y).sum())
    least, most = _ratio_bounds(*(_rate(counts / runs, runs) for counts in (y, x)))
    bounds = [(1 / (1 + most), 1 / (1 + least)), *([_effective_bounds(x, y)] if n > 1 and 0 < p < 1 else [])]
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    if n_true := int(np.count_nonzero(x)):
        all_true, at_most = beta_bounds(n_true, n_true)[0], beta_bounds(p * n_true, n_true)[1]
        low = min(low, max(0.0, all_true - (1 - at_most)))  # falls with every false cluster
        if 0 < y.sum() <= runs:
            best = cluster_share(x.tolist(), [0.0] * len(x), runs=runs)
            high = max(high, min(1.0, low + 1 - (best.low or 0.0)))
    return Interval(p, low, high, n, method)


def _effective_bounds(true: np.ndarray, false: np.ndarray) -> tuple[float, float]:
    """Bounds of the share of true clusters, which is not 0 or 1, over two or more subjects.

    The lower one is at most that of any result with fewer false clusters in the same subjects: for each number of them
    the variance is the largest possible, with the fewest subjects.
    """
    number = np.unique(np.ceil(np.linspace(0, false.sum(), min(int(false.sum()), _MOST_STEPS) + 1)))[1:]
    whole = true.sum() + number
    p = true.sum() / whole
    falling = np.sort(false)[::-1]
    edges = np.concatenate([[0], np.cumsum(falling)])
    place = np.searchsorted(edges, number, side="left") - 1
    squares = np.concatenate([[0], np.cumsum(falling ** 2)])[place] + (number - edges[place]) ** 2
    order = np.argsort(true, kind="stable")
    products = np.interp(number, np.cumsum([0, *false[order]]), np.cumsum([0, *(false * true)[order]]))
    others = np.cumsum([false[true > 0].sum(), *np.sort(false[true == 0])[::-1]])[:-1]
    n = np.maximum(2, np.count_nonzero(true) + np.searchsorted(others, number))
    variance = ((1 - p) ** 2 * (true ** 2).sum() - 2 * p * (1 - p) * products + p ** 2 * squares) / whole ** 2
    trials = whole / np.maximum(1, whole * variance * n / (n - 1) * student_factor(n) / (p * (1 - p)))
    low = stats.beta.ppf(TAILS[0], p * trials, (1 - p) * trials + 1)
    return float(low.min()), beta_bounds(float((p * trials)[-1]), float(trials[-1]))[1]


def _rate(counts: np.ndarray, runs: int) -> tuple[float, float, float]:
    """Events per subject, and their bounds."""
    found = dispersed_bounds(counts.tolist(), runs=runs)
    return float(found.sums[-1] / len(counts)), float(found.low[-1]), float(found.high[-1])


def _ratio_bounds(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float]:
    """Bounds of the ratio of two rates, not both 0, by MOVER (Donner and Zou 2012, without correlation)."""
    (x, x_low, x_high), (y, y_low, y_high) = first, second
    product = x * y
    first_low, first_high = (limit * (2 * x - limit) for limit in (x_low, x_high))
    second_low, second_high = (limit * (2 * y - limit) for limit in (y_low, y_high))
    # The two roots of one quadratic equation, the lower in the form that is defined for y = 0.
    low = first_low / (product + math.sqrt(product ** 2 - first_low * second_high)) if first_low > 0 else 0.0
    high = math.inf if second_low <= 0 else (product + math.sqrt(product ** 2 - first_high * second_low)) / second_low
    return low, high

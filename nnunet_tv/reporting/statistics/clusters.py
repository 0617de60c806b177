"""Intervals of shares whose number of trials is not the number of subjects: predictive values, pooled clusters."""

import math
from collections.abc import Sequence

import numpy as np

from nnunet_tv.reporting.statistics.exact import beta_bounds
from nnunet_tv.reporting.statistics.interval import TIE, Interval


def share_of(k: float, n: float) -> Interval:
    """Return the Clopper-Pearson interval of k of n, either of which may be a mean over runs.

    The bounds are quantiles of the beta distribution, equal to the exact ones for whole numbers. The interval's `n` is
    rounded up.
    """
    if not -TIE <= k <= n + TIE:
        raise ValueError(f"expected 0 <= k <= n, found {k} of {n}")
    if n <= TIE:
        return Interval(None, None, None, 0, "Clopper-Pearson")
    k = min(max(k, 0.0), n)
    low, high = beta_bounds(k, n)
    return Interval(k / n, low, high, math.ceil(n - TIE), "Clopper-Pearson")


def pooled_share(parts: Sequence[float], wholes: Sequence[float]) -> Interval:
    """Return the interval of sum(parts) / sum(wholes) over subjects, such as true clusters of all clusters.

    Clusters of one subject are not independent, so the interval is Clopper-Pearson's with an effective number of
    trials p (1 - p) / v, where v is the linearised variance of the ratio over subjects (Korn and Graubard 1998). Unlike
    theirs the number is at most that of the subjects with a cluster, which it also is for p of 0 and 1, where v is 0:
    agreement of all clusters is no evidence of independence. Where a subject without a cluster gets a false one, this
    number rises; the interval is then at least as wide as without any false cluster, and as without any true one.

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

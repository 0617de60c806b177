"""Intervals of shares and of rates of events, from the binomial and the Poisson distribution.

A subject with several runs counts once, with its mean over the runs: ten runs on 14 patients are 14 patients. A
bootstrap would take the agreement of the runs as known, and has no width where all subjects agree.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from nnunet_tv.reporting.statistics.interval import TAILS, TIE, Interval

#: Largest number of partial results for which the dispersion is computed event by event, else subject by subject.
_MOST_EVENTS = 20_000
#: Subjects from which a dispersion is estimated; the t distribution of two gives bounds of hundreds of events.
FEWEST_FOR_DISPERSION = 3


def clopper_pearson(k: float, n: int) -> Interval:
    """Return the exact binomial interval of k of n (Clopper and Pearson 1934): 14 of 17 is 0.57 to 0.96.

    A fractional `k` has the bounds of the beta distribution too, which rise with k.
    """
    if not -TIE <= k <= n + TIE:
        raise ValueError(f"expected 0 <= k <= n, found {k} of {n}")
    if n == 0:
        return Interval(None, None, None, 0, "Clopper-Pearson")
    k = float(round(k)) if abs(k - round(k)) < TIE * n else float(k)
    return Interval(k / n, *beta_bounds(k, n), n, "Clopper-Pearson")


def beta_bounds(k: float, n: float) -> tuple[float, float]:
    """Return Clopper-Pearson's bounds of k of n, neither of which needs to be a whole number."""
    low = stats.beta.ppf(TAILS[0], k, n - k + 1) if k > TIE * n else 0.0
    high = stats.beta.ppf(TAILS[1], k + 1, n - k) if n - k > TIE * n else 1.0
    return float(low), float(high)


def share_interval(shares: Sequence[float]) -> Interval:
    """Return the interval of a share of subjects: each 0 or 1, or its mean over several runs.

    Clopper-Pearson; with several runs the effective number of subjects is their number, however many runs there are.
    The estimate p (1 - p) / variance of the mean (Korn and Graubard 1998) is at least n - 1, and exceeds n where the
    runs of a subject disagree: it would give one miss in 140 a narrower interval than none.
    """
    return clopper_pearson(float(sum(shares)), len(shares))


def poisson_rate(events: int, n: int) -> Interval:
    """Return the exact interval of events per subject (Garwood 1936): 3 in 17 subjects is 0.036 to 0.516.

    It assumes independent events and is too narrow for false clusters, which concentrate in few subjects.
    """
    if events < 0 or n < 1:
        raise ValueError(f"expected events >= 0 in n >= 1 subjects, found {events} in {n}")
    low, high = _garwood(np.array([events], float))
    return Interval(events / n, float(low[0]) / n, float(high[0]) / n, n, "exact Poisson")


def rate_interval(
    counts: Sequence[float], *, runs: int = 1, fewest: int = FEWEST_FOR_DISPERSION, widened: bool = True
) -> Interval:
    """Return the interval of events per subject from the count of each, or its mean over `runs` runs.

    The Poisson interval of events / d in n / d subjects, where d is the dispersion (variance / mean of the counts,
    at least 1), enlarged for Student's t with n - 1 degrees of freedom, gradually from 1 to 2 so that no bound jumps;
    exact Poisson if no subject has several events. An event more in a subject with few lowers d. So the upper bound is
    at least that of every result with fewer events in the same subjects, and the width at least that of every such
    result with up to one event per subject, from which d cannot be known well: one more event never gives an interval
    that suggests more certainty. The rule on the width fades out from one to two events per subject, where d is known
    better. Without `widened`, for rates in a ratio, it does not apply.
    Without bounds for less than `fewest` subjects of whom one has several events.
    """
    n, values = len(counts), np.sort(np.asarray(counts, float))[::-1]
    if not n:
        return Interval(None, None, None, 0, "Poisson")
    if n < fewest and values[0] > 1 + TIE:
        return Interval(float(values.mean()), None, None, n, "Poisson with dispersion")
    sums, squares = _partial_results(values, runs)
    dispersion = np.ones(len(sums))
    if n > 1:
        variance = (squares - sums ** 2 / n) / (n - 1)
        dispersion[1:] = variance[1:] / (sums[1:] / n)
        enlarged = np.minimum(dispersion * _student(n), 1 + (dispersion - 1) * (2 * _student(n) - 1))
        dispersion = np.where(dispersion > 1 + TIE, enlarged, 1.0)
    low, high = (bounds * dispersion / n for bounds in _garwood(sums / dispersion))
    high = np.maximum.accumulate(high)
    width = float(np.max((high - low)[sums <= n * (1 + TIE)])) if widened else 0.0
    too_high = max(0.0, float(low[-1] - (high[-1] - width)))
    lowered = too_high * float(np.clip(2 - sums[-1] / n, 0, 1))
    method = "exact Poisson" if (dispersion == 1).all() and runs == 1 else "Poisson with dispersion"
    return Interval(float(sums[-1] / n), max(0.0, float(low[-1]) - lowered), float(high[-1]), n, method)


def _partial_results(values: np.ndarray, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums and sums of squares of the results with fewer events that are most dispersed for their sum.

    They have the counts of the subjects with the most events, of one of them in part, and 0 for the others.
    """
    events = np.rint(values * runs).astype(np.int64)
    # The first events, up to one per subject, decide the width.
    single = events.sum() if events.sum() <= _MOST_EVENTS else len(values) * runs
    steps = [np.unique(np.append(np.arange(1, min(number, single - before) + 1), number))
             for number, before in zip(events, np.cumsum(events) - events, strict=True) if number]
    if not steps:
        return np.zeros(1), np.zeros(1)
    before = np.concatenate([[0], np.cumsum(values)]), np.concatenate([[0], np.cumsum(values ** 2)])
    sums = [before[0][place] + step / runs for place, step in enumerate(steps)]
    squares = [before[1][place] + (step / runs) ** 2 for place, step in enumerate(steps)]
    return np.concatenate([[0.0], *sums]), np.concatenate([[0.0], *squares])


def _garwood(events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of Poisson means after a (fractional) number of events."""
    low = np.where(events > 0, stats.chi2.ppf(TAILS[0], 2 * np.where(events > 0, events, 1)) / 2, 0.0)
    return low, stats.chi2.ppf(TAILS[1], 2 * events + 2) / 2


def _student(n: int) -> float:
    """Factor of a variance for the uncertainty of its estimate from n subjects."""
    return float((stats.t.ppf(TAILS[1], n - 1) / stats.norm.ppf(TAILS[1])) ** 2)

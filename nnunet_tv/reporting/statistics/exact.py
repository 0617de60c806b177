"""Intervals of shares and of rates of events, from the binomial and the Poisson distribution.

A subject with several runs counts once, with its mean over the runs: ten runs on 14 patients are 14 patients. A
bootstrap would take the agreement of the runs as known, and has no width where all subjects agree.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from nnunet_tv.reporting.statistics.interval import TAILS, TIE, Interval

#: Largest number of partial results for which the dispersion is computed event by event, else subject by subject.
_MOST_EVENTS = 20_000
#: Subjects from which a dispersion is estimated; the t distribution of two gives bounds of hundreds of events.
_FEWEST_FOR_DISPERSION = 3


def clopper_pearson(k: float, n: float) -> Interval:
    """Return the exact binomial interval of k of n (Clopper and Pearson 1934): 14 of 17 is 0.57 to 0.96.

    Fractional numbers, such as means over runs, have the bounds of the beta distribution too, which rise with k. The
    interval's `n` is rounded up.
    """
    if not -TIE <= k <= n + TIE:
        raise ValueError(f"expected 0 <= k <= n, found {k} of {n}")
    if n <= TIE:
        return Interval(None, None, None, 0, "Clopper-Pearson")
    k = min(max(float(round(k)) if abs(k - round(k)) < TIE * n else float(k), 0.0), float(n))
    return Interval(k / n, *beta_bounds(k, n), math.ceil(n - TIE), "Clopper-Pearson")


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


def rate_interval(counts: Sequence[float], *, runs: int = 1) -> Interval:
    """Return the interval of events per subject from the count of each, or its mean over `runs` runs.

    That of :func:`dispersed_bounds`, lowered so that its width is at least that of every result with fewer events in
    the same subjects and up to one event per subject, from which the dispersion cannot be known well: one more event
    never gives an interval that suggests more certainty. This rule fades out from one to two events per subject.
    Without bounds for one or two subjects of whom one has several events.
    """
    n = len(counts)
    if not n:
        return Interval(None, None, None, 0, "Poisson")
    value = float(np.mean(counts))
    if n < _FEWEST_FOR_DISPERSION and max(counts) > 1 + TIE:
        return Interval(value, None, None, n, "Poisson with dispersion")
    found = dispersed_bounds(counts, runs=runs)
    width = float(np.max((found.high - found.low)[found.sums <= n * (1 + TIE)]))
    too_high = max(0.0, float(found.low[-1] - (found.high[-1] - width)))
    lowered = too_high * float(np.clip(2 - found.sums[-1] / n, 0, 1))
    return Interval(float(found.sums[-1] / n), max(0.0, float(found.low[-1]) - lowered), float(found.high[-1]), n,
                    "exact Poisson" if found.exact and runs == 1 else "Poisson with dispersion")


@dataclass(frozen=True)
class DispersedBounds:
    """Bounds of events per subject of results with rising numbers of events, of which the last is the one observed."""

    sums: np.ndarray  #: events of all subjects, rising
    low: np.ndarray
    high: np.ndarray  #: rising
    exact: bool  #: whether no result is dispersed, so that these are the exact Poisson bounds


def dispersed_bounds(counts: Sequence[float], *, runs: int = 1) -> DispersedBounds:
    """Return Poisson bounds that allow for events that concentrate in few of the subjects, at least one.

    Those of events / d in n / d subjects, where d is the dispersion (variance / mean of the counts, at least 1),
    enlarged for Student's t with n - 1 degrees of freedom, gradually from 1 to 2 so that no bound jumps; exact Poisson
    if no subject has several events. An event more in a subject with few lowers d. So the upper bound is at least that
    of every result with fewer events in the same subjects.
    """
    n = len(counts)
    sums, squares = _partial_results(np.sort(np.asarray(counts, float))[::-1], runs)
    dispersion = np.ones(len(sums))
    if n > 1:
        variance = (squares - sums ** 2 / n) / (n - 1)
        dispersion[1:] = variance[1:] / (sums[1:] / n)
        student = student_factor(n)
        enlarged = np.minimum(dispersion * student, 1 + (dispersion - 1) * (2 * student - 1))
        dispersion = np.where(dispersion > 1 + TIE, enlarged, 1.0)
    low, high = (bounds * dispersion / n for bounds in _garwood(sums / dispersion))
    return DispersedBounds(sums, low, np.maximum.accumulate(high), bool((dispersion == 1).all()))


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


def student_factor(n: int | np.ndarray) -> Any:
    """Factor of a variance for the uncertainty of its estimate from n subjects, in the shape of `n`."""
    return (stats.t.ppf(TAILS[1], n - 1) / stats.norm.ppf(TAILS[1])) ** 2

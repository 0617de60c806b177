"""Uncertainty and comparison: intervals, bootstrap, exact and permutation tests. Numbers in, numbers out.

All intervals are two-sided. Subjects are the unit throughout: where a group has several runs, the runs of a
subject are averaged first, since they are not further patients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

#: Confidence level of every interval.
LEVEL = 0.95
#: Resamples of the bootstrap, and sign patterns of a permutation test that is not exact.
RESAMPLES = 10_000
#: Up to this many pairs every sign pattern (2^16 = 65 536) is looked at, so that the test is exact.
EXACT_PAIRS = 16
#: Differences this close (relative) are ties: sums in another order differ by rounding.
_TIE = 1e-9
_CHUNK = 1000


@dataclass(frozen=True)
class Interval:
    """A figure with its interval.

    Attributes
    ----------
    value : float or None
        The estimate; None where it is undefined.
    low, high : float or None
        Bounds; None where there is no interval (undefined, or fewer than two subjects for a bootstrap).
    n : int
        Subjects behind the figure.
    method : str
        How the bounds were made.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str


def clopper_pearson(k: int, n: int, *, level: float = LEVEL) -> Interval:
    """Exact binomial interval of k of n (Clopper and Pearson 1934): 14 of 17 is 0.57 to 0.96.

    Raises
    ------
    ValueError
        k is not between 0 and n.
    """
    return _binomial(k, n, "exact", "Clopper-Pearson", level)


def wilson(k: int, n: int, *, level: float = LEVEL) -> Interval:
    """Score interval of k of n (Wilson 1927): narrower than the exact one, right on average over proportions.

    Raises
    ------
    ValueError
        k is not between 0 and n.
    """
    return _binomial(k, n, "wilson", "Wilson", level)


def _binomial(k: int, n: int, method: str, name: str, level: float) -> Interval:
    if not 0 <= k <= n:
        raise ValueError(f"expected 0 <= k <= n, found {k} of {n}")
    if n == 0:
        return Interval(None, None, None, 0, name)
    found = stats.binomtest(k, n).proportion_ci(level, method)
    return Interval(k / n, float(found.low), float(found.high), n, name)


def poisson_rate(events: int, n: int, *, level: float = LEVEL) -> Interval:
    """Exact interval of events per subject (Garwood 1936): 3 false clusters in 17 subjects is 0.036 to 0.516.

    It takes events as independent. False clusters gather in few subjects, so that it is too narrow then; but it
    says something where none was seen (0 in n: up to 3.69 / n), where a bootstrap cannot.

    Raises
    ------
    ValueError
        Negative events, or no subjects.
    """
    if events < 0 or n < 1:
        raise ValueError(f"expected events >= 0 in n >= 1 subjects, found {events} in {n}")
    tail = (1 - level) / 2
    low = float(stats.chi2.ppf(tail, 2 * events)) / 2 if events else 0.0
    high = float(stats.chi2.ppf(1 - tail, 2 * events + 2)) / 2
    return Interval(events / n, low / n, high / n, n, "exact Poisson")


def bootstrap(
    columns: np.ndarray | Sequence[float],
    statistic: Callable[[np.ndarray], np.ndarray] | None = None,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Percentile interval from drawing subjects with replacement (Efron 1979).

    Parameters
    ----------
    columns : array, shape (subjects,) or (subjects, quantities)
        What is known of each subject, runs averaged or as further quantities.
    statistic : callable, optional
        From the mean over subjects of `columns`, shape (resamples, quantities), to one figure per resample, shape
        (resamples,); NaN where undefined. Ratios of sums are ratios of means. The default is the mean itself.
        Means only: a bootstrap of medians of so few subjects takes a handful of values.
    seed : int
        Of the draws.
    resamples : int
        How many samples are drawn.
    level : float
        Of confidence.

    Returns
    -------
    Interval
        Without bounds for fewer than two subjects, for subjects that all agree (a width of 0 would feign certainty),
        and when the figure is undefined in more than one resample in 20.
    """
    values = np.asarray(columns, float)
    values = values[:, None] if values.ndim == 1 else values
    n = len(values)
    statistic = statistic or (lambda means: means[:, 0])
    if not n:
        return Interval(None, None, None, 0, "bootstrap")
    estimate = float(statistic(values.mean(axis=0, keepdims=True))[0])
    if not math.isfinite(estimate):
        return Interval(None, None, None, n, "bootstrap")
    if n < 2:
        return Interval(estimate, None, None, n, "bootstrap")
    drawn = statistic(resampled_means(values, seed=seed, resamples=resamples))
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size < 0.95 * resamples:
        return Interval(estimate, None, None, n, "bootstrap")
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    if np.ptp(drawn) <= _TIE * max(1.0, abs(estimate)):
        return Interval(estimate, None, None, n, "bootstrap")
    return Interval(estimate, float(low), float(high), n, "bootstrap")


def resampled_means(values: np.ndarray, *, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Means over subjects of samples drawn with replacement: (subjects, quantities) to (resamples, quantities).

    One seed gives one set of draws for a number of subjects, whatever the quantities: figures of the same subjects
    are resampled together.
    """
    return _shares(len(values), seed, resamples) @ values


@lru_cache(maxsize=8)  # tables ask for the same subjects again and again
def _shares(n: int, seed: int, resamples: int) -> np.ndarray:
    """How often each subject is drawn, as a share: shape (resamples, n)."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(draws.ravel(), minlength=resamples * n).reshape(resamples, n) / n


def share_interval(shares: Sequence[float], *, seed: int = 0, one_run: bool = True) -> Interval:
    """Interval of a share of subjects, each 0 or 1, or the mean of several runs' 0 and 1.

    One run: Clopper-Pearson. Several: bootstrap over subjects, and Clopper-Pearson of the subjects where all runs
    agree on all of them (0 of n, n of n), where a bootstrap has no width.
    """
    total, n = float(sum(shares)), len(shares)
    if one_run or total in (0.0, float(n)):
        return clopper_pearson(round(total), n)
    return bootstrap(shares, seed=seed)


def rate_interval(counts: Sequence[float], *, seed: int = 0) -> Interval:
    """Interval of events per subject: bootstrap over subjects; exact Poisson where no event was seen at all."""
    if counts and not any(counts):
        return poisson_rate(0, len(counts))
    return bootstrap(counts, seed=seed)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Exact two-sided p of McNemar's test (1947): a binomial test of the discordant pairs; 1 without any.

    Raises
    ------
    ValueError
        Different numbers of subjects.
    """
    first, second = _pairs(first, second)
    only_first = int(np.count_nonzero((first > 0) & (second == 0)))
    only_second = int(np.count_nonzero((first == 0) & (second > 0)))
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0


def permutation_test(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> float:
    """Two-sided p of the mean paired difference under exchanges within pairs (Fisher 1935).

    Every exchange is looked at for up to 16 pairs that differ (exact), else 10 000 seeded ones, and then the
    smallest p is 1 / 10 001.

    Raises
    ------
    ValueError
        Different numbers of subjects.
    """
    first, second = _pairs(first, second)
    differences = first - second
    differences = differences[differences != 0]
    n = len(differences)
    if not n:
        return 1.0
    observed = abs(differences.sum())
    threshold = observed - _TIE * np.abs(differences).sum()
    if n <= EXACT_PAIRS:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums - difference, sums + difference])
        return float(np.mean(np.abs(sums) >= threshold))
    rng, extreme = np.random.default_rng(seed), 0
    for start in range(0, RESAMPLES, _CHUNK):
        signs = rng.integers(2, size=(min(_CHUNK, RESAMPLES - start), n)) * 2 - 1
        extreme += int(np.count_nonzero(np.abs(signs @ differences) >= threshold))
    return (extreme + 1) / (RESAMPLES + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values adjusted for their number (Holm 1979), in the order given."""
    adjusted, largest, m = [0.0] * len(p_values), 0.0, len(p_values)
    for rank, position in enumerate(sorted(range(m), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (m - rank) * p_values[position]))
        adjusted[position] = largest
    return adjusted


def _pairs(first: Sequence[float], second: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    if len(first) != len(second):
        raise ValueError(f"expected pairs, found {len(first)} and {len(second)} subjects")
    return np.asarray(first, float), np.asarray(second, float)

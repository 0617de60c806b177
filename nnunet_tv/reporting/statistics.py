"""Uncertainty and comparison: exact intervals, bootstrap, exact and permutation tests.

All intervals are two-sided. Subjects are the unit of analysis: where a group has several runs, the runs of a subject
are averaged first, since they are not further patients.
"""

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
#: Up to this many differing pairs all sign patterns (2^16 = 65 536) are enumerated, which makes the test exact.
EXACT_PAIRS = 16
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
#: Relative tolerance for ties: sums in another order differ by rounding.
_TIE = 1e-9


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    value: float | None  #: None if undefined
    low: float | None  #: None, as `high`, if there is no interval
    high: float | None
    n: int  #: number of subjects
    method: str


def clopper_pearson(k: int, n: int) -> Interval:
    """Return the exact binomial interval of k of n (Clopper and Pearson 1934): 14 of 17 is 0.57 to 0.96."""
    if not 0 <= k <= n:
        raise ValueError(f"expected 0 <= k <= n, found {k} of {n}")
    if n == 0:
        return Interval(None, None, None, 0, "Clopper-Pearson")
    bounds = stats.binomtest(k, n).proportion_ci(LEVEL, "exact")
    return Interval(k / n, float(bounds.low), float(bounds.high), n, "Clopper-Pearson")


def poisson_rate(events: int, n: int) -> Interval:
    """Return the exact interval of events per subject (Garwood 1936): 3 in 17 subjects is 0.036 to 0.516.

    It assumes independent events and is too narrow for false clusters, which concentrate in few subjects; unlike a
    bootstrap it is defined where no event was observed (0 in n: up to 3.69 / n).
    """
    if events < 0 or n < 1:
        raise ValueError(f"expected events >= 0 in n >= 1 subjects, found {events} in {n}")
    low = float(stats.chi2.ppf(TAILS[0], 2 * events)) / 2 if events else 0.0
    high = float(stats.chi2.ppf(TAILS[1], 2 * events + 2)) / 2
    return Interval(events / n, low / n, high / n, n, "exact Poisson")


def bootstrap(
    columns: np.ndarray | Sequence[float], statistic: Callable[[np.ndarray], np.ndarray] | None = None, *,
    seed: int = 0, resamples: int = RESAMPLES,
) -> Interval:
    """Return the percentile bootstrap interval over subjects (Efron 1979).

    Parameters
    ----------
    columns : array, shape (subjects,) or (subjects, quantities)
        Values of each subject.
    statistic : callable, optional
        Maps means over subjects, shape (resamples, quantities), to one value per resample, shape (resamples,); NaN
        where undefined. Ratios of sums are ratios of means. The default is the first mean.
    seed, resamples : int
        Seed and number of the draws; see :func:`resampled_means`.

    Returns
    -------
    Interval
        Without bounds for fewer than two subjects, for subjects that all agree (a width of 0 would suggest
        certainty), and when the statistic is undefined in more than one resample in 20.
    """
    values = np.asarray(columns, float)
    values = values[:, None] if values.ndim == 1 else values
    n = len(values)
    statistic = statistic or (lambda means: means[:, 0])
    estimate = float(statistic(values.mean(axis=0, keepdims=True))[0]) if n else math.nan
    without_bounds = Interval(estimate if math.isfinite(estimate) else None, None, None, n, "bootstrap")
    if n < 2 or without_bounds.value is None:
        return without_bounds
    drawn = statistic(resampled_means(values, seed=seed, resamples=resamples))
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size < 0.95 * resamples or np.ptp(drawn) <= _TIE * max(1.0, abs(estimate)):
        return without_bounds
    low, high = np.quantile(drawn, TAILS)
    return Interval(estimate, float(low), float(high), n, "bootstrap")


def resampled_means(values: np.ndarray, *, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Return means over subjects drawn with replacement: (subjects, quantities) to (resamples, quantities).

    Unlike in :func:`scipy.stats.bootstrap`, the draws depend only on the seed and the number of subjects, so that all
    quantities of the same subjects are resampled together.
    """
    return _weights(len(values), seed, resamples) @ values


@lru_cache(maxsize=8)
def _weights(n: int, seed: int, resamples: int) -> np.ndarray:
    """Share of each subject in each resample, shape (resamples, n); all tables resample the same subjects."""
    draws = np.random.default_rng(seed).integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(draws.ravel(), minlength=resamples * n).reshape(resamples, n) / n


def share_interval(shares: Sequence[float], *, seed: int = 0, one_run: bool = True) -> Interval:
    """Return the interval of a share of subjects, each 0 or 1, or the mean of 0 and 1 over several runs.

    Clopper-Pearson for one run, and for several that find no subject or all (a bootstrap has no width); else bootstrap.
    """
    total, n = float(sum(shares)), len(shares)
    if one_run or total in (0.0, float(n)):
        return clopper_pearson(round(total), n)
    return bootstrap(shares, seed=seed)


def rate_interval(counts: Sequence[float], *, seed: int = 0) -> Interval:
    """Return the interval of events per subject: bootstrap, or exact Poisson if there were no events."""
    if counts and not any(counts):
        return poisson_rate(0, len(counts))
    return bootstrap(counts, seed=seed)


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Return the exact two-sided p of McNemar's test (1947), a binomial test of the discordant pairs; 1 without any."""
    a, b = _pairs(first, second)
    discordant = np.count_nonzero(a != b)
    return float(stats.binomtest(np.count_nonzero(a > b), discordant).pvalue) if discordant else 1.0


def permutation_test(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> float:
    """Return the two-sided p of the mean paired difference under exchanges within pairs (Fisher 1935).

    Exact up to 16 differing pairs, else from 10 000 seeded exchanges, with p at least 1 / 10 001. Unlike in
    :func:`scipy.stats.permutation_test`, sums that differ by rounding count as ties.
    """
    a, b = _pairs(first, second)
    differences = (a - b)[a != b]
    n = len(differences)
    if not n:
        return 1.0
    threshold = abs(differences.sum()) - _TIE * np.abs(differences).sum()
    if n <= EXACT_PAIRS:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums - difference, sums + difference])
        return float(np.mean(np.abs(sums) >= threshold))
    signs = np.random.default_rng(seed).integers(2, size=(RESAMPLES, n)) * 2 - 1
    return (np.count_nonzero(np.abs(signs @ differences) >= threshold) + 1) / (RESAMPLES + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for multiple comparisons (Holm 1979), in the order given."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, p[order] * np.arange(len(p), 0, -1)))
    return adjusted.tolist()


def _pairs(first: Sequence[float], second: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    if len(first) != len(second):
        raise ValueError(f"expected pairs, found {len(first)} and {len(second)} subjects")
    return np.asarray(first, float), np.asarray(second, float)

"""Tests of two groups over the same subjects, each with the interval of the difference that agrees with it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from nnunet_tv.reporting.statistics.interval import LEVEL, TIE, Interval

#: Sign patterns of a permutation test that is not exact; the smallest number of patterns for an interval.
PATTERNS = 10_000
#: Up to this many differing pairs all sign patterns (2^16 = 65 536) are enumerated, which makes the test exact.
EXACT_PAIRS = 16


@dataclass(frozen=True)
class PairedDifference:
    """Second minus first, over the subjects of both."""

    interval: Interval  #: without a value where there are no pairs
    p: float | None  #: None where there are no pairs
    n_less: int  #: subjects with a smaller value in the second group
    n_more: int  #: subjects with a larger one

    @property
    def n_differ(self) -> int:
        """Discordant pairs, for shares of one run each."""
        return self.n_less + self.n_more


def paired_difference(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> PairedDifference:
    """Compare paired values by exchanges within pairs (Fisher 1935): the mean difference, its interval and p.

    The interval contains the differences that the same test, with the same exchanges, does not reject at 5 %, so that
    it excludes 0 if and only if p <= 0.05. Its bounds are quantiles of means over parts of the subjects (Hartigan
    1969). For values of 0 and 1, p is that of McNemar's exact test (1947), a binomial test of the discordant pairs.

    Exact up to 16 differing pairs, else from 10 000 seeded exchanges, with p at least 1 / 10 001 (p of differences of
    one size, as of McNemar's test, is always exact). Unlike in
    :func:`scipy.stats.permutation_test`, sums that differ by rounding count as ties. Without bounds where no
    difference can be rejected (fewer than six pairs), or where all pairs differ by the same.
    """
    if len(first) != len(second):
        raise ValueError(f"expected pairs, found {len(first)} and {len(second)} subjects")
    differences = np.asarray(second, float) - np.asarray(first, float)
    n = len(differences)
    # Drawn exchanges then depend neither on the order and the names of the subjects, nor on which group is first.
    forward = -1.0 if differences.sum() < 0 else 1.0
    differences = forward * np.sort(forward * differences)
    if not n:
        return PairedDifference(Interval(None, None, None, 0, "no pairs"), None, 0, 0)
    mean = float(differences.mean())
    differing = differences[differences != 0]
    counts = int((differences < 0).sum()), int((differences > 0).sum())
    without = Interval(mean, None, None, n, "permutation")
    if not len(differing):
        return PairedDifference(without, 1.0, *counts)
    sums, signs, exact = _exchanges(differing, n - len(differing), seed)
    total = differences.sum()
    reached = np.count_nonzero(np.abs(sums) >= abs(total) - TIE * np.abs(differing).sum())
    p = float(reached / len(sums) if exact else (reached + 1) / (len(sums) + 1))
    if np.ptp(np.abs(differing)) <= TIE * np.abs(differing).max():
        p = float(stats.binomtest(min(counts), len(differing)).pvalue)
    if np.ptp(differences) <= TIE * np.abs(differences).max():
        return PairedDifference(without, p, *counts)
    # A shift is reached by an exchange if it lies between the means of the subjects that it leaves and those it turns.
    with np.errstate(divide="ignore", invalid="ignore"):
        left, turned = (total + sums) / (n + signs), (total - sums) / (n - signs)
    whole = np.abs(signs) == n
    low, high = np.where(whole, -np.inf, np.minimum(left, turned)), np.where(whole, np.inf, np.maximum(left, turned))
    place = int((1 - LEVEL) * len(sums) + TIE) if exact else int((1 - LEVEL) * (len(sums) + 1) - 1 + TIE)
    bounds = float(np.sort(low)[place]), float(np.sort(high)[::-1][place])
    if not np.isfinite(bounds).all():
        return PairedDifference(without, p, *counts)
    # A tie by rounding, or the exchanges drawn against an exact p.
    if p > 1 - LEVEL:
        bounds = min(bounds[0], 0.0), max(bounds[1], 0.0)
    elif bounds[0] <= 0 <= bounds[1]:
        bounds = (math.ulp(0.0), bounds[1]) if mean > 0 else (bounds[0], -math.ulp(0.0))
    return PairedDifference(Interval(mean, *bounds, n, "permutation"), p, *counts)


def _exchanges(differing: np.ndarray, zeros: int, seed: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Sums of the differences and of the signs under each exchange, and whether all exchanges are enumerated.

    Pairs that do not differ take part in the sum of signs only, with seeded signs.
    """
    rng = np.random.default_rng(seed)
    exact = len(differing) <= EXACT_PAIRS
    if exact:
        sums, signs = np.zeros(1), np.zeros(1)
        for difference in differing:
            sums = np.concatenate([sums - difference, sums + difference])
            signs = np.concatenate([signs - 1, signs + 1])
        if zeros:
            repeats = -(-PATTERNS // len(sums))
            sums, signs = np.tile(sums, repeats), np.tile(signs, repeats)
    else:
        drawn = rng.integers(2, size=(PATTERNS, len(differing))) * 2 - 1
        sums, signs = drawn @ differing, drawn.sum(axis=1).astype(float)
    if zeros:
        signs = signs + 2 * rng.binomial(zeros, 0.5, size=len(signs)) - zeros
    return sums, signs, exact


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for multiple comparisons (Holm 1979), in the order given."""
    p = np.asarray(p_values, float)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, p[order] * np.arange(len(p), 0, -1)))
    return adjusted.tolist()

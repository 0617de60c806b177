"""Bootstrap intervals over subjects: bootstrap-t for means and ratios of sums, BCa for other statistics."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy import stats

from nnunet_tv.reporting.statistics.exact import beta_bounds
from nnunet_tv.reporting.statistics.interval import TAILS, TIE, Interval

#: Resamples of the bootstrap.
RESAMPLES = 10_000
#: Largest share of resamples in which a statistic may be undefined.
_UNDEFINED = 0.05
#: Numbers in memory at once.
_CHUNK = 4_000_000


def mean_interval(
    values: Sequence[float] | np.ndarray, wholes: np.ndarray | None = None, *, seed: int = 0,
    limits: tuple[float | None, float | None] = (None, None), resamples: int = RESAMPLES,
) -> Interval:
    """Return the bootstrap-t interval of a mean over subjects, or of a ratio of sums (Efron 1979).

    Each resample has a standard error of its own, by linearisation, so that skewed values and few subjects are covered
    much better than by the percentile or BCa bootstrap (figures in docs/report.md).

    Parameters
    ----------
    values : array, shape (subjects,) or (subjects, runs)
        Value of each subject in each run.
    wholes : array of the same shape, optional
        Denominators: the estimate of a run is sum(values) / sum(wholes), such as the voxels found over all lesion
        voxels, or 1 where a value is defined and 0 where not. Runs are averaged. The default is 1 everywhere.
    seed, resamples : int
        Seed and number of the draws; see :func:`resampled_means`.
    limits : pair of float or None
        Smallest and largest possible value; bounds are cut there.

    Returns
    -------
    Interval
        Without bounds for fewer than two subjects, for subjects that all agree (a width of 0 would suggest certainty),
        where the estimate is undefined in more than one resample in 20, and where a bound is infinite without a limit,
        since too many resamples draw subjects that agree.
    """
    parts = np.asarray(values, float)
    parts = parts[:, None] if parts.ndim == 1 else parts
    whole = np.ones_like(parts) if wholes is None else np.asarray(wholes, float).reshape(parts.shape)
    n = len(parts)
    means = np.stack([parts.mean(axis=1), whole.mean(axis=1)], axis=1)
    means = np.round(means / np.maximum(np.abs(means).max(axis=0, initial=TIE), TIE), 9)  # runs in any order
    order = _order(np.concatenate([means, np.sort(parts, axis=1), np.sort(whole, axis=1)], axis=1))
    parts, whole = parts[order], whole[order]
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate, error = (each[0] for each in _ratio(parts, whole, np.full((1, max(n, 1)), 1 / max(n, 1))[:, :n]))
        if not math.isfinite(estimate):
            return Interval(None, None, None, n, "bootstrap-t")
        without = Interval(float(estimate), None, None, n, "bootstrap-t")
        scale = TIE * max(1.0, abs(estimate))
        if n < 2 or error <= scale:
            return without
        drawn = [_ratio(parts, whole, weights) for weights in _chunks(n, parts.shape[1], seed, resamples)]
        ratios, errors = (np.concatenate(each) for each in zip(*drawn, strict=True))
        defined = np.isfinite(ratios)
        if defined.mean() < 1 - _UNDEFINED:
            return without
        off = ratios[defined] - estimate
        # Subjects of a resample that agree have no error: its deviation is infinite, or 0 where there is none.
        t = np.where(np.abs(off) <= scale, 0.0, np.where(errors[defined] > scale, off / errors[defined],
                                                         np.sign(off) * np.inf))
    high_t, low_t = np.quantile(t, TAILS[::-1], method="inverted_cdf")
    low, high = estimate - high_t * error, estimate - low_t * error
    low, high = (bound if limit is None else pick(bound, limit)
                 for bound, limit, pick in ((low, limits[0], max), (high, limits[1], min)))
    if not (math.isfinite(low) and math.isfinite(high)):
        return without
    return Interval(float(estimate), float(low), float(high), n, "bootstrap-t")


def unit_mean_interval(
    values: np.ndarray, defined: np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """Return the interval of a mean of values from 0 to 1, over the subjects in whom they are `defined` in a run.

    That of :func:`mean_interval`, but not beyond Clopper-Pearson's of the mean in that many subjects: values from 0 to
    1 vary most if each is 0 or 1. Where few subjects differ from the others, bootstrap-t alone may reach from 0 to 1.
    """
    found = mean_interval(values, defined, limits=(0.0, 1.0), seed=seed, resamples=resamples)
    if found.value is None or found.low is None or found.high is None:
        return found
    least, most = beta_bounds(found.value * found.n, found.n)
    return replace(found, low=max(found.low, least), high=min(found.high, most))


def _ratio(parts: np.ndarray, whole: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over runs of sum(parts) / sum(whole), and its standard error, for each row of weights of the subjects."""
    n, runs = parts.shape
    below = weights @ whole
    ratios = (weights @ parts) / below
    estimate = ratios.mean(axis=1)
    influence = np.zeros(weights.shape)
    for run in range(runs):
        influence += (parts[:, run] - ratios[:, run, None] * whole[:, run]) / (below[:, run, None] * runs)
    return estimate, np.sqrt((weights * influence ** 2).sum(axis=1) / max(n - 1, 1))


def bootstrap(
    columns: np.ndarray | Sequence[float], statistic: Callable[[np.ndarray], np.ndarray], *, seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the BCa bootstrap interval over subjects of any function of means (Efron 1987).

    Parameters
    ----------
    columns : array, shape (subjects, quantities)
        Values of each subject.
    statistic : callable
        Maps means over subjects, shape (resamples, quantities), to one value per resample, shape (resamples,); NaN
        where undefined.
    seed, resamples : int
        Seed and number of the draws; see :func:`resampled_means`.

    Returns
    -------
    Interval
        Without bounds for fewer than two subjects, if all resamples agree, and if the statistic is undefined in more
        than one resample in 20.
    """
    values = np.asarray(columns, float)
    n = len(values)
    estimate = float(statistic(values.mean(axis=0, keepdims=True))[0]) if n else math.nan
    without = Interval(estimate if math.isfinite(estimate) else None, None, None, n, "BCa bootstrap")
    if n < 2 or without.value is None:
        return without
    drawn = statistic(resampled_means(values, seed=seed, resamples=resamples))
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size < (1 - _UNDEFINED) * resamples or np.ptp(drawn) <= TIE * max(1.0, abs(estimate)):
        return without
    low, high = np.quantile(drawn, _bca_tails(drawn, estimate, statistic((values.sum(axis=0) - values) / (n - 1))))
    return Interval(estimate, float(low), float(high), n, "BCa bootstrap")


def _bca_tails(drawn: np.ndarray, estimate: float, left_out: np.ndarray) -> np.ndarray:
    """Quantiles corrected for bias and for skewness, which is that of the estimates without one subject."""
    scale = TIE * max(1.0, abs(estimate))
    below = np.mean(drawn < estimate - scale) + np.mean(np.abs(drawn - estimate) <= scale) / 2
    bias = stats.norm.ppf(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
    off = (left_out.mean() - left_out)[np.isfinite(left_out)]
    spread = float((off ** 2).sum())
    acceleration = (off ** 3).sum() / (6 * spread ** 1.5) if len(off) == len(left_out) and spread > scale ** 2 else 0.0
    z = bias + stats.norm.ppf(TAILS)
    return stats.norm.cdf(bias + z / (1 - acceleration * z))


def resampled_means(values: np.ndarray, *, seed: int, resamples: int = RESAMPLES) -> np.ndarray:
    """Return means over subjects drawn with replacement: (subjects, quantities) to (resamples, quantities).

    Unlike in :func:`scipy.stats.bootstrap`, the draws depend only on the seed and the values, not on the order of the
    subjects, and all quantities of a subject are resampled together.
    """
    return weights(len(values), seed, resamples) @ values[_order(values)]


def _order(values: np.ndarray) -> np.ndarray:
    """Order of subjects by their values, which no other order or name changes."""
    return np.lexsort(values.T[::-1]) if values.size else np.arange(len(values))


@lru_cache(maxsize=8)
def weights(n: int, seed: int, resamples: int) -> np.ndarray:
    """Share of each subject in each resample, shape (resamples, n); all tables resample the same subjects."""
    draws = np.random.default_rng(seed).integers(n, size=(resamples, n)) + n * np.arange(resamples)[:, None]
    return np.bincount(draws.ravel(), minlength=resamples * n).reshape(resamples, n) / n


def _chunks(n: int, runs: int, seed: int, resamples: int) -> list[np.ndarray]:
    number = -(-resamples * n * max(1, runs) // _CHUNK)
    return np.array_split(weights(n, seed, resamples), number)

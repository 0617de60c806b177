"""Intervals and tests by their definitions in docs/report.md, in plain loops."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 10_000
#: Standard errors of a Monte-Carlo quantile that two computations of it may be apart.
ERRORS = 4.5


@dataclass(frozen=True)
class Between:
    """A Monte-Carlo figure: the cell must lie in this range."""

    low: float
    high: float


def beta_bounds(events, n):
    """Clopper-Pearson, also of a mean number of events: quantiles of beta distributions (Korn and Graubard 1998)."""
    low = stats.beta.ppf(0.025, events, n - events + 1) if events > 0 else 0.0
    high = stats.beta.ppf(0.975, events + 1, n - events) if events < n else 1.0
    return float(low), float(high)


def poisson_bounds(events):
    """Exact bounds of a Poisson mean (Garwood)."""
    events = np.asarray(events, float)
    low = np.where(events > 0, stats.chi2.ppf(0.025, np.where(events > 0, 2 * events, 1)) / 2, 0)
    return low, stats.chi2.ppf(0.975, 2 * events + 2) / 2


def share(values):
    """Mean share of the subjects, and Clopper-Pearson on their number."""
    values = np.asarray(values, float)
    if not len(values):
        return None, None, None, 0, "Clopper-Pearson"
    return values.mean(), *beta_bounds(values.sum(), len(values)), len(values), "Clopper-Pearson"


def dispersed_poisson(counts):
    """Poisson bounds of the sum of each row of `counts` over its dispersion between subjects, and that dispersion."""
    n = counts.shape[1]
    total = counts.sum(axis=1)
    dispersion = np.ones(len(counts))
    if n > 1:
        with np.errstate(invalid="ignore"):
            between = counts.var(axis=1, ddof=1) / counts.mean(axis=1)
        student = (stats.t.ppf(0.975, n - 1) / stats.norm.ppf(0.975)) ** 2
        enlarged = np.minimum(between * student, 1 + (between - 1) * (2 * student - 1))  # gradually, from 1 to 2
        dispersion = np.where(between > 1 + 1e-9, enlarged, 1.0)
    low, high = poisson_bounds(total / dispersion)
    return low * dispersion / n, high * dispersion / n, dispersion


def rate(counts, runs=1, *, widened=True, fewest=3):
    """Events per subject: Poisson with dispersion, never more certain than with fewer events.

    The results with fewer events that matter are the most dispersed: the subjects with the most events first. The
    width is at least that of such results with up to one event per subject, unless events are good (`widened`).
    """
    counts = np.asarray(counts, float)
    if len(counts) < fewest and (counts > 1 + 1e-9).any():
        return counts.mean(), None, None, len(counts), "Poisson with dispersion"
    n, partial, events = len(counts), [np.zeros(len(counts))], np.zeros(len(counts))
    for subject in np.argsort(-counts):
        for step in range(1, round(counts[subject] * runs) + 1):
            events[subject] = step / runs
            partial.append(events.copy())
    partial = np.array(partial)
    low, high, dispersion = dispersed_poisson(partial)
    upper = high.max()
    few = partial.sum(axis=1) <= n + 1e-9
    width = (np.maximum.accumulate(high) - low)[few].max() if widened else 0.0
    method = "exact Poisson" if runs == 1 and (dispersion == 1).all() else "Poisson with dispersion"
    fading = min(1.0, max(0.0, 2 - counts.mean()))  # from one to two events per subject
    lowered = fading * max(0.0, low[-1] - (upper - width))
    return counts.mean(), max(0.0, low[-1] - lowered), upper, n, method


def quantile_range(values, q, *, theirs=RESAMPLES):
    """Where a quantile of `theirs` draws of the same distribution lies: order statistics around `q`."""
    error = ERRORS * np.sqrt(q * (1 - q) * (1 / theirs + 1 / len(values)))
    return np.quantile(values, [max(q - error, 0), min(q + error, 1)], method="closest_observation")


def ratio_of_sums(a, b):
    """Mean over runs of the sum of `a` over the sum of `b`, and its linearised standard error over subjects.

    `a` and `b` are (..., subjects, runs); for a mean, `b` is 1 where it is defined.
    """
    total, n = b.sum(axis=-2, keepdims=True), a.shape[-2]
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = a.sum(axis=-2, keepdims=True) / total
        influence = ((a - ratio * b) * n / total).mean(axis=-1)
        return ratio.mean(axis=-1)[..., 0], influence.std(axis=-1, ddof=1) / np.sqrt(n)


def bootstrap_t(a, b=None, *, seed=1, low=-np.inf, high=np.inf, resamples=RESAMPLES):
    """The estimate and the ranges of its bootstrap-t bounds (Efron 1979): estimate - t* quantile x standard error."""
    b = np.ones_like(a) if b is None else b
    estimate, error = ratio_of_sums(a, b)
    if not error > 1e-12:
        return estimate, None, None
    rng, n, t = np.random.default_rng(seed), len(a), []
    for _ in range(resamples // 1000):
        chosen = rng.integers(n, size=(1000, n))
        again, spread = ratio_of_sums(a[chosen], b[chosen])
        with np.errstate(invalid="ignore", divide="ignore"):
            t.append((again - estimate) / spread)
    t = np.concatenate(t)
    t = t[~np.isnan(t)]
    bounds = [Between(*np.clip(sorted(estimate - error * quantile_range(t, q)), low, high)) for q in (0.975, 0.025)]
    return estimate, *bounds


def bca(statistic, n, *, theirs, seed=2):
    """The ranges of the BCa bounds (Efron 1987) of `statistic` of arrays (..., n) of subjects' indices."""
    estimate = statistic(np.arange(n))
    left = np.array([statistic(np.delete(np.arange(n), i)) for i in range(n)])
    influence = left.mean() - left
    acceleration = (influence ** 3).sum() / (6 * (influence ** 2).sum() ** 1.5)
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([statistic(rng.integers(n, size=(100, n))) for _ in range(RESAMPLES // 100)])
    below = ((drawn < estimate).mean() + (drawn <= estimate).mean()) / 2
    bias, more = stats.norm.ppf(below), 1 / theirs + 1 / len(drawn)
    bias_error = np.sqrt(below * (1 - below) * more) / stats.norm.pdf(bias)
    bounds = []
    for tail in (0.025, 0.975):
        places = []
        for side in (-1, 1):  # the errors of the bias and of the quantile, added
            shifted = bias + side * ERRORS * bias_error + stats.norm.ppf(tail)
            place = stats.norm.cdf(bias + side * ERRORS * bias_error + shifted / (1 - acceleration * shifted))
            places.append(quantile_range(drawn, place, theirs=theirs)[(side + 1) // 2])
        bounds.append(Between(*places))
    return bounds

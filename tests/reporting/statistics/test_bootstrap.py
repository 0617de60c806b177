"""Bootstrap intervals against scipy, closed forms and a textbook bootstrap-t."""

import numpy as np
import pytest
from scipy import stats

from nnunet_tv.reporting.statistics import (
    bootstrap,
    clopper_pearson,
    mean_interval,
    resampled_means,
    unit_mean_interval,
)


def first(means):
    return means[:, 0]


def ratio(means):
    with np.errstate(invalid="ignore"):
        return means[:, 0] / means[:, 1]


def test_resampled_means_of_two_subjects():
    # Means of two draws from {0, 1}: 0, ½, ½, 1, a quarter each.
    means = resampled_means(np.array([[0.0], [1.0]]), seed=1, resamples=40_000)[:, 0]
    values, counts = np.unique(means, return_counts=True)
    assert values.tolist() == [0, 0.5, 1] and counts / 40_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.01)


@pytest.mark.parametrize("n", [9, 25])
def test_bootstrap_t_of_a_mean_by_a_loop(n):
    values = np.random.default_rng(n).gamma(1, 2, size=n)
    mean, error = values.mean(), values.std(ddof=1) / n ** 0.5
    rng, deviations = np.random.default_rng(5), []
    for _ in range(6000):
        drawn = rng.choice(values, n)
        deviations.append((drawn.mean() - mean) / (np.sqrt(((drawn - drawn.mean()) ** 2).mean() / (n - 1))))
    high_t, low_t = np.quantile(deviations, [0.975, 0.025])
    found = mean_interval(values, seed=3)
    assert found.value == pytest.approx(mean) and found.method == "bootstrap-t" and found.n == n
    width = (high_t - low_t) * error
    assert (found.low, found.high) == pytest.approx((mean - high_t * error, mean - low_t * error), abs=0.06 * width)
    assert mean_interval(values, seed=3) == found != mean_interval(values, seed=4)


def test_ratio_of_sums_and_its_units():
    parts, wholes = np.array([10, 0, 30, 5, 8, 3]), np.array([20, 5, 40, 6, 21, 9])
    found, scaled = (mean_interval(k * parts, k * wholes, limits=(0, 1)) for k in (1, 7))
    assert found.value == pytest.approx(56 / 101) and 0 <= found.low < 56 / 101 < found.high <= 1
    assert (scaled.low, scaled.high) == pytest.approx((found.low, found.high))


def test_runs_are_averaged():
    rng = np.random.default_rng(1)
    table = rng.random((12, 3))
    runs, means = mean_interval(table), mean_interval(table.mean(axis=1))
    assert (runs.value, runs.low, runs.high) == pytest.approx((means.value, means.low, means.high))
    defined = np.ones((12, 3))
    defined[0, 0] = 0
    found = mean_interval(table * defined, defined)
    assert found.value == pytest.approx(np.mean([table[1:, 0].mean(), table[:, 1].mean(), table[:, 2].mean()]))


def test_limits():
    values = [0.0] * 4 + [0.9, 0.2, 0.1, 0.3, 0.2]
    assert mean_interval(values).low > 0
    assert mean_interval([-value for value in values], limits=(-0.3, 0)).low == -0.3
    assert mean_interval([0.5, 0.9], limits=(0, 1)).low == 0  # half of the resamples draw one subject twice
    assert mean_interval([0.5, 0.9]).low is None


def test_no_interval_from_too_little_information():
    assert mean_interval([]).n == 0 and mean_interval([]).value is None
    one = mean_interval([0.4])
    assert (one.value, one.low, one.high, one.n) == (0.4, None, None, 1)
    alike = mean_interval([0.1 + 0.2] * 30, limits=(0, 1))
    assert (alike.low, alike.high, alike.n) == (None, None, 30)
    assert mean_interval(np.zeros(5), np.zeros(5)).value is None
    # A third of the resamples have no prediction; an interval from the others would be biased.
    rare = mean_interval([0.0] * 5 + [1.0], [0.0] * 5 + [2.0], limits=(0, 1))
    assert rare.value == 0.5 and rare.low is None


def test_bca_agrees_with_scipy():
    values = np.random.default_rng(0).gamma(1, 2, size=25)
    ours = bootstrap(values[:, None], first, seed=3)
    theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=10_000, rng=7).confidence_interval
    assert ours.value == pytest.approx(values.mean()) and ours.method == "BCa bootstrap"
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.04)
    plain = np.quantile(resampled_means(values[:, None], seed=3)[:, 0], [0.025, 0.975])
    assert ours.low > plain[0] and ours.high > plain[1]  # the skewness shifts both bounds
    assert bootstrap(values[:, None], first, seed=3) == ours


def test_bca_without_information():
    assert bootstrap(np.zeros((0, 1)), first).value is None
    assert bootstrap(np.array([[0.4]]), first).low is None
    assert bootstrap(np.full((30, 1), 0.3), first).low is None
    assert bootstrap(np.zeros((5, 2)), ratio).value is None
    assert bootstrap(np.array([[0.0, 0.0]] * 5 + [[1.0, 2.0]]), ratio).low is None


def test_order_of_subjects_and_runs_does_not_matter():
    rng = np.random.default_rng(2)
    values, subjects, runs = rng.random((15, 3)).round(1), rng.permutation(15), rng.permutation(3)
    defined = np.ones((15, 3))
    defined[3, 1] = 0
    for wholes in (None, defined):
        found = mean_interval(values, wholes)
        for order in (np.ix_(subjects, range(3)), np.ix_(range(15), runs)):
            moved = mean_interval(values[order], None if wholes is None else wholes[order])
            assert (moved.value, moved.low, moved.high) == pytest.approx((found.value, found.low, found.high))
    found, moved = bootstrap(values, ratio), bootstrap(values[subjects], ratio)
    assert (moved.low, moved.high) == pytest.approx((found.low, found.high), abs=1e-12)


def test_a_mean_of_values_from_0_to_1_is_not_beyond_that_of_a_share():
    # One of 18 subjects differs: a third of the resamples have no variance, so that bootstrap-t alone has no bounds.
    values = np.array([1.0] * 17 + [0.4])[:, None]
    assert mean_interval(values, limits=(0, 1)).low == 0
    found, exact = unit_mean_interval(values, np.ones_like(values)), clopper_pearson(17.4, 18)
    assert (found.value, found.low) == (pytest.approx(17.4 / 18), pytest.approx(exact.low)) and found.high <= exact.high
    spread = np.random.default_rng(0).random((30, 1))
    assert unit_mean_interval(spread, np.ones_like(spread)) == mean_interval(spread, limits=(0, 1))
    one_run = np.array([[0.2, 0.6], [0.9, 0.4], [0.1, 0.0]])
    defined = np.array([[1, 1], [1, 0], [1, 0]])
    assert unit_mean_interval(one_run * defined, defined).value == pytest.approx((0.4 + 0.6) / 2)

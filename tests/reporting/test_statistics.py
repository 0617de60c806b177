"""Intervals and tests against closed forms and independent implementations."""

import itertools
import math
import re

import numpy as np
import pytest
from scipy import stats

from nnunet_tv.reporting.statistics import (
    bootstrap,
    clopper_pearson,
    holm,
    mcnemar,
    permutation_test,
    poisson_rate,
    rate_interval,
    resampled_means,
    share_interval,
)


def test_clopper_pearson():
    found = clopper_pearson(14, 17)
    assert (round(found.low, 2), round(found.high, 2), found.n) == (0.57, 0.96, 17)
    # The bounds are where the tails hold 2.5 %.
    assert stats.binom.sf(13, 17, found.low) == pytest.approx(0.025)
    assert stats.binom.cdf(14, 17, found.high) == pytest.approx(0.025)
    none, every = clopper_pearson(0, 10), clopper_pearson(10, 10)
    assert (none.low, none.high) == (0, pytest.approx(1 - 0.025 ** 0.1))  # (1 − p)^10 = 0.025
    assert (every.low, every.high) == (pytest.approx(0.025 ** 0.1), 1)
    assert clopper_pearson(0, 0).value is None and clopper_pearson(0, 0).low is None


def test_poisson_rate():
    found = poisson_rate(3, 17)
    assert (round(found.low, 3), round(found.high, 3)) == (0.036, 0.516)
    assert stats.poisson.sf(2, found.low * 17) == pytest.approx(0.025)
    assert stats.poisson.cdf(3, found.high * 17) == pytest.approx(0.025)
    none = poisson_rate(0, 17)
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(-math.log(0.025) / 17))


@pytest.mark.parametrize(
    ("function", "arguments", "message"), [
        (clopper_pearson, (3, 2), "expected 0 <= k <= n, found 3 of 2"),
        (clopper_pearson, (-1, 2), "found -1 of 2"),
        (poisson_rate, (1, 0), "expected events >= 0 in n >= 1 subjects, found 1 in 0"),
        (mcnemar, ([True], []), "expected pairs, found 1 and 0 subjects"),
        (permutation_test, ([1.0, 2.0], [1.0]), "expected pairs, found 2 and 1 subjects")])
def test_impossible_numbers(function, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        function(*arguments)


def test_bootstrap_of_two_subjects():
    # Means of two draws from {0, 1}: 0, ½, ½, 1, a quarter each.
    means = resampled_means(np.array([[0.0], [1.0]]), seed=1, resamples=40_000)[:, 0]
    values, counts = np.unique(means, return_counts=True)
    assert values.tolist() == [0, 0.5, 1] and counts / 40_000 == pytest.approx([0.25, 0.5, 0.25], abs=0.01)
    found = bootstrap([0.0, 1.0])
    assert (found.value, found.low, found.high, found.n) == (0.5, 0, 1, 2)


def test_bootstrap_agrees_with_scipy_and_is_seeded():
    values = np.random.default_rng(0).gamma(1, 2, size=25)
    ours = bootstrap(values, seed=3)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000, rng=7).confidence_interval
    assert ours.value == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=0.04)
    assert bootstrap(values, seed=3) == ours != bootstrap(values, seed=4)


def ratio(means):
    with np.errstate(invalid="ignore"):
        return means[:, 0] / means[:, 1]


def test_bootstrap_of_a_ratio_of_sums():
    columns = np.array([[10, 20], [0, 5], [30, 40], [5, 6]])
    found, scaled = bootstrap(columns, ratio), bootstrap(7 * columns, ratio)
    assert found.value == pytest.approx(45 / 71) and 0 < found.low < 45 / 71 < found.high < 1
    assert (scaled.low, scaled.high) == pytest.approx((found.low, found.high))


def test_no_bootstrap_interval_from_too_little_information():
    assert bootstrap([]).n == 0 and bootstrap([]).value is None
    one = bootstrap([0.4])
    assert (one.value, one.low, one.high, one.n) == (0.4, None, None, 1)
    alike = bootstrap([0.1 + 0.2] * 30)
    assert (alike.low, alike.high, alike.n) == (None, None, 30) and bootstrap([0.3] * 30 + [0.2]).low is not None
    assert bootstrap(np.zeros((5, 2)), ratio).value is None
    # A third of the resamples have no prediction; an interval from the others would be biased.
    rare = bootstrap(np.array([[0.0, 0.0]] * 5 + [[1.0, 2.0]]), ratio)
    assert rare.value == 0.5 and rare.low is None


def test_subjects_and_not_runs_are_resampled():
    # Ten runs that agree on ten subjects contain no more information than one run.
    once = share_interval([1.0] * 7 + [0.0] * 3, one_run=False)
    assert once.method == "bootstrap" and once.high - once.low > 0.4
    assert share_interval([1.0] * 7 + [0.0] * 3) == clopper_pearson(7, 10)
    assert share_interval([1.0] * 10, one_run=False) == clopper_pearson(10, 10)
    assert share_interval([0.0] * 10, one_run=False) == clopper_pearson(0, 10)
    assert share_interval([]).value is None
    assert rate_interval([0.0] * 17) == poisson_rate(0, 17)
    assert rate_interval([0.0, 3.0, 0.0]).method == "bootstrap" and rate_interval([]).n == 0


def test_mcnemar():
    # Six discordant pairs, one against five: 2·(C(6,0) + C(6,1)) / 2^6.
    first = [True] * 5 + [False] + [True] * 4
    second = [False] * 5 + [True] + [True] * 4
    assert mcnemar(first, second) == mcnemar(second, first) == pytest.approx(14 / 64)
    assert mcnemar([True, False], [True, False]) == 1 and mcnemar([], []) == 1
    assert mcnemar([True] * 6, [False] * 6) == pytest.approx(2 / 64)


def test_exact_permutation():
    # Differences 1, 2, 3, all of one sign: 2 of 8 sign patterns reach the sum.
    assert permutation_test([1, 2, 3], [0, 0, 0]) == pytest.approx(2 / 8)
    # 1, 2, −3 sums to 0: every pattern does.
    assert permutation_test([1, 2, 0], [0, 0, 3]) == 1
    # Ties are counted although 0.1 + 0.2 is not 0.3.
    assert permutation_test([0.1, 0.2, 0.3], [0.0, 0.0, 0.0]) == pytest.approx(2 / 8)
    assert permutation_test([0.3, 0.0, 0.0], [0.0, 0.1, 0.2]) == 1
    assert permutation_test([1, 1], [1, 1]) == 1 and permutation_test([], []) == 1
    rng = np.random.default_rng(5)  # against all exchanges
    pairs = np.stack([rng.random(9), rng.random(9) + 0.2])
    observed = abs((pairs[0] - pairs[1]).mean()) - 1e-12
    count = sum(abs(np.mean([pairs[s, i] - pairs[1 - s, i] for i, s in enumerate(signs)])) >= observed
                for signs in itertools.product((0, 1), repeat=9))
    assert permutation_test(*pairs) == pytest.approx(count / 2 ** 9)


def test_permutation_of_many_pairs_agrees_with_scipy_and_is_seeded():
    rng = np.random.default_rng(6)
    first, second = rng.normal(size=40), rng.normal(size=40) + 0.3
    theirs = stats.permutation_test((first, second), lambda x, y, axis: np.mean(x - y, axis=axis), vectorized=True,
                                    permutation_type="samples", n_resamples=20_000, rng=1).pvalue
    assert permutation_test(first, second, seed=2) == pytest.approx(theirs, abs=0.015)
    assert permutation_test(first, second, seed=2) == permutation_test(first, second, seed=2)
    assert permutation_test(np.ones(40), np.zeros(40)) == 1 / 10_001


def test_holm():
    # Sorted 0.01, 0.02, 0.03, 0.2 times 4, 3, 2, 1: 0.04, 0.06, 0.06 (not less than before), 0.2.
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []

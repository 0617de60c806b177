"""Intervals of shares whose number of trials is not the number of subjects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnunet_tv.reporting.statistics import (
    Interval,
    clopper_pearson,
    cluster_share,
    pooled_share,
    rate_interval,
)


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (14, 17), (0, 85), (85, 85), (3, 40)])
def test_whole_numbers_have_the_exact_interval(k, n):
    bounds = stats.binomtest(k, n).proportion_ci(0.95, "exact")
    found = clopper_pearson(k, n)
    assert (found.value, found.low, found.high, found.n) == pytest.approx((k / n, bounds.low, bounds.high, n))


def test_fractional_numbers():
    middle, below, above = clopper_pearson(13.5, 17), clopper_pearson(13, 17), clopper_pearson(14, 17)
    assert below.low < middle.low < above.low and below.high < middle.high < above.high
    assert clopper_pearson(0.1 * 3, 0.3).high == 1
    assert clopper_pearson(0.3, 0.3).low == pytest.approx(0.025 ** (1 / 0.3))
    assert clopper_pearson(2.4, 3.2).n == 4 and clopper_pearson(sum([0.1] * 10), 1).high == 1
    assert clopper_pearson(0, 0) == Interval(None, None, None, 0, "Clopper-Pearson")
    with pytest.raises(ValueError, match="2 of 1"):
        clopper_pearson(2, 1)


@pytest.mark.parametrize("runs", [1, 10])
def test_one_false_positive_more_never_narrows_a_predictive_value(runs):
    for k in (2, 14, 85):
        for false in range(runs * 3):
            fewer, more = (clopper_pearson(k, k + each / runs) for each in (false, false + 1))
            assert more.low < fewer.low and more.high <= fewer.high
        assert clopper_pearson(k, k + 1).high - clopper_pearson(k, k + 1).low > 1 - clopper_pearson(k, k).low


def test_one_cluster_a_subject_has_the_exact_interval():
    found = pooled_share([1] * 14 + [0] * 3, [1] * 17)
    assert (found.value, found.low, found.high, found.n) == pytest.approx(
        (14 / 17, clopper_pearson(14, 17).low, clopper_pearson(14, 17).high, 17))


@pytest.mark.parametrize(("parts", "wholes"), [([20] * 17, [20] * 17), ([0] * 17, [20] * 17)])
def test_all_or_none_have_the_interval_of_the_subjects(parts, wholes):
    n = len(parts)
    exact = clopper_pearson(n if any(parts) else 0, n)
    found = pooled_share([*parts, 0], [*wholes, 0])
    assert (found.low, found.high, found.n) == pytest.approx((exact.low, exact.high, n))


def test_clusters_that_agree_within_subjects_count_as_one():
    # All clusters of a subject are true, or none: p (1 − p) / v is the number of subjects.
    found = pooled_share([30] * 6 + [0] * 4, [30] * 10)
    assert (found.low, found.high) == pytest.approx((clopper_pearson(6, 10).low, clopper_pearson(6, 10).high))
    even, uneven = pooled_share([4, 4, 4, 0, 0, 0], [4] * 6), pooled_share([12, 0, 0, 0, 0, 0], [12, 4, 2, 2, 2, 2])
    assert even.value == uneven.value == 0.5 and uneven.low < even.low and uneven.high > even.high


@pytest.mark.parametrize("clusters", [[1], [5, 5, 5, 0], [1, 1, 1, 0, 0], [20] * 17, [20] * 16 + [0], [3, 0, 0, 7, 1]])
def test_one_false_cluster_more_never_narrows_the_interval(clusters):
    best = pooled_share(clusters, clusters)
    for subject in range(len(clusters)):
        wholes = [number + (index == subject) for index, number in enumerate(clusters)]
        worse = pooled_share(clusters, wholes)
        assert worse.value < 1 and worse.low <= best.low and worse.high <= 1
        # 1 of 1 against 1 of 2 is 0.975 against 0.9748 in the exact interval, too.
        assert worse.high - worse.low >= best.high - best.low - 3e-4


@pytest.mark.parametrize("clusters", [[5, 5, 5, 0], [20] * 16 + [0], [3, 0, 0, 7, 1]])
def test_one_true_cluster_more_never_narrows_the_interval_of_none(clusters):
    none = pooled_share([0] * len(clusters), clusters)
    for subject in range(len(clusters)):
        one = [float(index == subject) for index in range(len(clusters))]
        found = pooled_share(one, np.add(clusters, one).tolist())
        assert found.high >= none.high and found.high - found.low >= none.high - none.low - 1e-12


def test_undefined_and_wrong_numbers():
    assert pooled_share([0, 0], [0, 0]) == Interval(
        None, None, None, 0, "Clopper-Pearson, effective number of subjects")
    assert pooled_share([], []).value is None
    for parts, wholes in (([2], [1]), ([-1], [1]), ([1], [1, 2])):
        with pytest.raises(ValueError, match="0 <= part <= whole"):
            pooled_share(parts, wholes)


def test_share_of_clusters_against_a_binomial_and_rates():
    # One cluster in each subject: the ratio of two Poisson rates is binomial, given their sum.
    found, exact = cluster_share([1] * 14 + [0] * 3, [0] * 14 + [1] * 3), clopper_pearson(14, 17)
    assert found.value == 14 / 17 and found.n == 17
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), abs=0.05)
    assert found.low < exact.low and found.high - found.low > exact.high - exact.low
    # No true cluster and many false ones: at most 3.69 true clusters in n subjects.
    none = cluster_share([0] * 14, [22] * 14)
    most, least = 3.689 / 14, rate_interval([22] * 14).low
    assert (none.value, none.low) == (0, 0) and most / (most + 22) < none.high < most / (most + least)


def test_clusters_that_agree_within_subjects_are_not_independent():
    agree = cluster_share([10] * 7 + [0] * 7, [0] * 7 + [10] * 7)
    mixed = cluster_share([5] * 14, [5] * 14)
    exact = clopper_pearson(7, 14)
    assert agree.value == mixed.value == 0.5 and agree.high - agree.low >= exact.high - exact.low
    assert mixed.high - mixed.low < 0.7 * (agree.high - agree.low)
    assert cluster_share([20] * 17, [0] * 17).low == pytest.approx(clopper_pearson(17, 17).low)


@pytest.mark.parametrize("runs", [1, 10])
@pytest.mark.parametrize("true", [
    [1], [2], [1, 0], [2, 1], [5, 5, 5, 0], [1, 1, 1, 0, 0], [20] * 17, [20] * 16 + [0], [3, 0, 0, 7, 1], [1] * 14])
def test_one_false_cluster_more_never_narrows_the_share_of_true_ones(true, runs):
    true = [number * runs for number in true]
    none = [0] * len(true)
    best = cluster_share(true, none, runs=runs)
    assert best.value == best.high == 1
    for subject in range(len(true)):
        worse = cluster_share(true, [int(index == subject) for index in range(len(true))], runs=runs)
        assert worse.value < 1 and worse.low <= best.low
        assert worse.high - worse.low >= best.high - best.low - 1e-12


def test_bounds_contain_the_share_and_stay_below_that_without_false_clusters():
    rng = np.random.default_rng(0)
    for _ in range(100):
        true = rng.poisson(0.9, rng.integers(1, 15))
        true[0] = max(true[0], 1)
        best, found = (cluster_share(true, false)
                       for false in (0 * true, rng.poisson(rng.choice([0.1, 1, 8]), len(true))))
        assert 0 <= found.low <= found.value <= found.high <= 1 and found.low <= best.low


def test_edges_of_the_share_of_true_clusters():
    undefined = cluster_share([0, 0], [0, 0])
    assert (undefined.value, undefined.low, undefined.high, undefined.n) == (None, None, None, 0)
    for true, false in (([1], [0]), ([0], [1]), ([1], [1]), ([0, 3], [5, 0]), ([2, 2], [3, 3])):
        found = cluster_share(true, false)
        assert 0 <= found.low <= found.value <= found.high <= 1 and found.high - found.low > 0.3
    with pytest.raises(ValueError, match="at least 0"):
        cluster_share([1], [-1])


@pytest.mark.parametrize(("n", "mean", "shape"), [(8, 3, 0.7), (14, 22, 2.0), (28, 0.5, 0.5), (85, 3, 0.7)])
def test_coverage_of_the_share_of_true_clusters(n, mean, shape):
    """A true cluster in 8 of 10 patients, and false ones that concentrate in few."""
    rng, truth = np.random.default_rng(0), 0.8 / (0.8 + mean)
    found = [cluster_share(rng.random(n) < 0.8, rng.poisson(rng.gamma(shape, mean / shape, n))) for _ in range(400)]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.94


@pytest.mark.parametrize(("n", "share"), [(8, 0.9), (14, 0.9), (14, 0.6), (85, 0.6)])
def test_coverage_where_all_clusters_of_a_subject_are_true_or_none(n, share):
    rng = np.random.default_rng(0)
    samples = [10 * (rng.random(n) < share) for _ in range(400)]
    found = [cluster_share(true, 10 - true) for true in samples]
    assert np.mean([one.low <= share <= one.high for one in found]) >= 0.94


@pytest.mark.parametrize(("n", "mean", "shape"), [(8, 3.2, 1.0), (14, 3.2, 1.0), (28, 0.2, 0.5), (85, 0.2, 0.5)])
def test_coverage_of_a_pooled_share(n, mean, shape):
    """A true cluster in 8 of 10 patients, and false ones that concentrate in few."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(500):
        true = rng.random(n) < 0.8
        found = pooled_share(true, true + rng.poisson(rng.gamma(shape, mean / shape, n)))
        inside.append(found.low <= 0.8 / (0.8 + mean) <= found.high)
    assert np.mean(inside) >= 0.945


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=20),
       st.sampled_from([1, 3, 10]), st.data())
def test_one_false_cluster_more_never_raises_the_lower_bound(clusters, runs, data):
    true, false = np.array(clusters, float).T
    if data.draw(st.booleans()):
        false = np.zeros(len(true))
    more = false + (np.arange(len(true)) == data.draw(st.integers(0, len(true) - 1)))
    before, after = cluster_share(true, false, runs=runs), cluster_share(true, more, runs=runs)
    if before.value is not None:
        assert after.low <= before.low + 1e-9
        if before.value == 1:
            assert after.high - after.low >= before.high - before.low - 1e-9


def test_bounds_do_not_jump_with_a_cluster_of_ten_runs():
    even, more = (cluster_share([10, 10, last], [0, 0, 0], runs=10) for last in (10, 11))
    assert more.low == pytest.approx(even.low, abs=0.05) and even.low <= clopper_pearson(3, 3).low
    assert rate_interval([1, 1, 1.1], runs=10).high < 1.5 * rate_interval([1, 1, 1], runs=10).high
    many = cluster_share([3000, 10] * 5, [40_000, 7] * 5, runs=10)
    assert 0 < many.low < many.value < many.high < 1


def test_the_upper_bound_is_not_that_of_few_false_clusters():
    found = cluster_share([2, 2, 2, 2, 2, 1, 2, 2, 1], [5, 3, 1, 1, 7, 2, 3, 2, 8], runs=3)
    assert found.value == pytest.approx(1 / 3) and found.high < 0.7

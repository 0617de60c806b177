"""Comparison over subjects and runs against t tests that hold where one of them does not vary."""

import numpy as np
import pytest
from scipy import stats

from nnunet_tv.reporting.statistics import difference_of_trainings


def test_runs_that_shift_all_subjects_alike_are_welchs_test_of_run_means():
    rng = np.random.default_rng(1)
    subjects, runs = rng.normal(size=(9, 1)), (rng.normal(0, 1, 10), rng.normal(0.7, 3, 6))
    first, second = (subjects + run for run in runs)
    interval, p = difference_of_trainings(first, second)
    theirs = stats.ttest_ind(runs[1], runs[0], equal_var=False)
    bounds = theirs.confidence_interval()
    assert p == pytest.approx(theirs.pvalue)
    assert (interval.low, interval.high) == pytest.approx((bounds.low, bounds.high))
    assert interval.value == pytest.approx(runs[1].mean() - runs[0].mean()) and interval.n == 9


def test_runs_that_all_agree_are_the_t_test_of_subjects():
    rng = np.random.default_rng(2)
    first, second = (np.repeat(rng.normal(size=(12, 1)), runs, axis=1) for runs in (4, 3))
    interval, p = difference_of_trainings(first, second)
    assert p == pytest.approx(stats.ttest_rel(second[:, 0], first[:, 0]).pvalue)
    assert interval.low < interval.value < interval.high


def test_variance_and_degrees_of_freedom_by_hand():
    # Two subjects and two runs in each group; every square is written out.
    first, second = np.array([[0.0, 2.0], [4.0, 8.0]]), np.array([[5.0, 7.0], [9.0, 17.0]])
    # Means of subjects 1, 6 and 6, 13: differences 5, 7, of variance 2, over 2 subjects: 1, with 1 degree.
    # Run means 2, 5 (variance 4.5) and 7, 12 (12.5), each over 2 runs: 2.25 and 6.25, with 1 degree each.
    # Residuals ± 0.5 (mean square 1) and ± 1.5 (9), each over 4: 0.25 and 2.25, with 1 degree each.
    variance = 1 + 2.25 + 6.25 - 0.25 - 2.25
    # Satterthwaite's degrees, 7 ** 2 / (1 + 2.25 ** 2 + 6.25 ** 2 + 0.25 ** 2 + 2.25 ** 2) = 0.98, are at least 1.
    freedom = 1
    interval, p = difference_of_trainings(first, second)
    half = variance ** 0.5 * stats.t.ppf(0.975, freedom)
    assert (interval.value, interval.low, interval.high) == pytest.approx((6, 6 - half, 6 + half))
    assert p == pytest.approx(2 * stats.t.sf(6 / variance ** 0.5, freedom))
    # Noise alone: the variance is not below that of the residual.
    noise = np.array([[0.0, 1.0], [1.0, 0.0]])  # no variance of subjects or runs; residual mean square 1
    interval, p = difference_of_trainings(noise, noise + 1)
    half = 0.5 ** 0.5 * stats.t.ppf(0.975, 2)
    assert (interval.low, interval.high) == pytest.approx((1 - half, 1 + half))
    # 40 subjects: the residual of a group counts 200 values.
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(2, 40, 1)) + rng.normal(size=(2, 40, 5)) + rng.normal(size=(2, 1, 5))
    parts = [((second.mean(axis=1) - first.mean(axis=1)).var(ddof=1) / 40, 39)]
    for table in (first, second):
        parts.append((table.mean(axis=0).var(ddof=1) / 5, 4))
    for table in (first, second):
        square = sum((table[i, r] - table[i].mean() - table[:, r].mean() + table.mean()) ** 2
                     for i in range(40) for r in range(5)) / (39 * 4)
        parts.append((-square / 200, 39 * 4))
    variance = sum(part for part, _ in parts)
    freedom = variance ** 2 / sum(part ** 2 / degrees for part, degrees in parts)
    half = variance ** 0.5 * stats.t.ppf(0.975, freedom)
    interval, _ = difference_of_trainings(first, second)
    assert interval.high - interval.value == pytest.approx(half)


def test_the_filter_of_the_same_runs():
    rng = np.random.default_rng(4)
    raw = rng.normal(size=(10, 5)) + 10 * rng.normal(size=5)
    filtered = raw + 1 + 0.1 * rng.normal(size=(10, 1)) + 0.01 * rng.normal(size=(10, 5))
    apart, _ = difference_of_trainings(raw, filtered)
    same, p = difference_of_trainings(raw, filtered, same_runs=True)
    assert p < 1e-6 and same.value == pytest.approx(apart.value)
    assert same.high - same.low < 0.1 * (apart.high - apart.low)


def test_nothing_can_be_stated_without_runs_or_subjects():
    table = np.random.default_rng(5).random((6, 3))
    for first, second in ((table[:, :1], table), (table[:1], table[1:2]), (table[:0], table[:0]), (table, table)):
        interval, p = difference_of_trainings(first, second)
        if first is second:  # equal groups, which vary
            assert (p, interval.value) == (1, 0)
        else:
            assert p is None and interval.low is None
    same = difference_of_trainings(np.ones((4, 3)), np.full((4, 3), 2.0))
    assert same[1] is None and same[0].value == 1
    with pytest.raises(ValueError, match="found 6 and 5"):
        difference_of_trainings(table, table[1:])


@pytest.mark.parametrize("spread", [0.345, 0.1])
def test_equal_losses_rarely_differ(spread):
    # 14 subjects and 10 runs with the paper's spread between runs: 5 % of 400 simulations, give or take three errors.
    rng = np.random.default_rng(6)
    found = 0
    for _ in range(400):
        subjects = rng.gamma(2, 4, (14, 1))
        tables = [rng.poisson(subjects * rng.lognormal(-spread ** 2 / 2, spread, 10)).astype(float) for _ in range(2)]
        found += difference_of_trainings(*tables)[1] < 0.05
    assert 0.017 < found / 400 < 0.083


def test_degrees_of_freedom_are_at_least_those_of_the_runs():
    """Noise alone, whose parts nearly cancel: the quotient would be 1.2 with 9 subjects and 3 runs."""
    first = np.array([[1, 1, 1], [1, 3, 1], [1, 1, 1], [0, 2, 3], [2, 1, 1], [1, 3, 0], [2, 0, 2], [0, 2, 0],
                      [1, 2, 4]])
    second = np.zeros((9, 3))
    second[0, 0] = second[4, 0] = second[4, 1] = 1
    interval, _ = difference_of_trainings(first, second, same_runs=True)
    change = second - first
    noise = change - change.mean(axis=1, keepdims=True) - change.mean(axis=0) + change.mean()
    variance = (change.mean(axis=1).var(ddof=1) / 9 + change.mean(axis=0).var(ddof=1) / 3
                - (noise ** 2).sum() / (8 * 2) / 27)
    assert interval.high - interval.value == pytest.approx(variance ** 0.5 * stats.t.ppf(0.975, 2))

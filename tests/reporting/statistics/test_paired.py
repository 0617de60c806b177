"""Tests of pairs against closed forms, scipy and enumeration; the interval agrees with p."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnunet_tv.reporting.statistics import holm, paired_difference


def p_of(first, second, **options):
    return paired_difference(first, second, **options).p


def test_mcnemar():
    # Six discordant pairs, one against five: 2·(C(6,0) + C(6,1)) / 2^6.
    first = [True] * 5 + [False] + [True] * 4
    second = [False] * 5 + [True] + [True] * 4
    found = paired_difference(first, second)
    assert found.p == p_of(second, first) == pytest.approx(14 / 64) == stats.binomtest(1, 6).pvalue
    assert (found.n_less, found.n_more, found.n_differ) == (5, 1, 6)
    assert p_of([True, False], [True, False]) == 1
    assert p_of([True] * 6, [False] * 6) == pytest.approx(2 / 64)
    for less, more, equal in itertools.product(range(8), range(8), (0, 9)):
        if less + more:
            found = p_of([1] * less + [0] * more + [1] * equal, [0] * less + [1] * more + [1] * equal)
            assert found == pytest.approx(stats.binomtest(less, less + more).pvalue)


def test_mcnemar_of_many_discordant_pairs_is_exact():
    for more, less in itertools.product(range(0, 70, 3), repeat=2):
        if more + less:
            found = paired_difference([0] * more + [1] * less + [1] * 50, [1] * more + [0] * less + [1] * 50)
            assert found.p == pytest.approx(stats.binomtest(less, less + more).pvalue)
            if found.interval.low is not None:
                assert (found.p <= 0.05) == (found.interval.low > 0 or found.interval.high < 0)
                assert found.interval.low <= found.interval.value <= found.interval.high


def test_exact_permutation():
    # Differences 1, 2, 3, all of one sign: 2 of 8 sign patterns reach the sum.
    assert p_of([1, 2, 3], [0, 0, 0]) == pytest.approx(2 / 8)
    # 1, 2, −3 sums to 0: every pattern does.
    assert p_of([1, 2, 0], [0, 0, 3]) == 1
    # Ties are counted although 0.1 + 0.2 is not 0.3.
    assert p_of([0.1, 0.2, 0.3], [0.0, 0.0, 0.0]) == pytest.approx(2 / 8)
    assert p_of([0.3, 0.0, 0.0], [0.0, 0.1, 0.2]) == 1
    rng = np.random.default_rng(5)  # against all exchanges
    pairs = np.stack([rng.random(9), rng.random(9) + 0.2])
    observed = abs((pairs[0] - pairs[1]).mean()) - 1e-12
    count = sum(abs(np.mean([pairs[s, i] - pairs[1 - s, i] for i, s in enumerate(signs)])) >= observed
                for signs in itertools.product((0, 1), repeat=9))
    assert p_of(*pairs) == pytest.approx(count / 2 ** 9)


def test_many_pairs_agree_with_scipy_and_are_seeded():
    rng = np.random.default_rng(6)
    first, second = rng.normal(size=40), rng.normal(size=40) + 0.3
    theirs = stats.permutation_test((first, second), lambda x, y, axis: np.mean(x - y, axis=axis), vectorized=True,
                                    permutation_type="samples", n_resamples=20_000, rng=1).pvalue
    assert p_of(first, second, seed=2) == pytest.approx(theirs, abs=0.015)
    assert paired_difference(first, second, seed=2) == paired_difference(first, second, seed=2)
    assert p_of(np.ones(40), np.zeros(40)) == pytest.approx(2 / 2 ** 40)
    assert p_of(np.arange(40) / 10 + 1, np.zeros(40)) == 1 / 10_001


def test_interval_by_enumeration():
    differences = np.random.default_rng(7).normal(0.4, 1, 8)
    found = paired_difference(np.zeros(8), differences).interval
    signs = np.array(list(itertools.product((-1, 1), repeat=8)))

    def p_at(shift):
        moved = differences - shift
        return np.mean(np.abs(signs @ moved) >= abs(moved.sum()) - 1e-12)

    for bound, outwards in ((found.low, -1), (found.high, 1)):
        assert p_at(bound) > 0.05 >= p_at(bound + outwards * 1e-9)


def test_interval_is_near_students_for_normal_differences():
    differences = np.random.default_rng(8).normal(0.2, 1, 60)
    found = paired_difference(np.zeros(60), differences).interval
    theirs = stats.ttest_1samp(differences, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 30), st.integers(0, 2 ** 32 - 1), st.sampled_from(["share", "count", "real", "tied"]))
def test_interval_excludes_no_difference_if_p_is_small(n, seed, kind):
    rng = np.random.default_rng(seed)
    values = {"share": lambda: rng.random(n) < rng.random(), "count": lambda: rng.poisson(2 * rng.random(), n),
              "real": lambda: rng.normal(rng.random(), 1, n), "tied": lambda: rng.integers(0, 4, n) / 10}[kind]
    found = paired_difference(values().astype(float), values().astype(float))
    interval = found.interval
    if interval.low is not None:
        assert (found.p <= 0.05) == (interval.low > 0 or interval.high < 0)
        assert interval.low - 1e-9 <= interval.value <= interval.high + 1e-9
        assert interval.high > interval.low
    elif found.n_differ < n:  # else all differ by the same
        assert found.p > 0.05


def test_no_pairs_have_no_p():
    found = paired_difference([], [])
    assert (found.p, found.interval.value, found.interval.n) == (None, None, 0)
    one = paired_difference([0.2], [0.5])
    assert (one.p, one.interval.low) == (1.0, None)
    with pytest.raises(ValueError, match="expected pairs, found 2 and 1 subjects"):
        paired_difference([1.0, 2.0], [1.0])


def test_holm():
    # Sorted 0.01, 0.02, 0.03, 0.2 times 4, 3, 2, 1: 0.04, 0.06, 0.06 (not less than before), 0.2.
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


@pytest.mark.parametrize("n", [9, 40])
def test_order_of_subjects_and_of_groups_does_not_matter(n):
    rng = np.random.default_rng(9)
    for _ in range(5):
        first, second, order = rng.integers(0, 9, n) / 10, rng.integers(0, 11, n) / 10, rng.permutation(n)
        found, moved = paired_difference(first, second), paired_difference(first[order], second[order])
        turned = paired_difference(second, first)
        assert found.p == moved.p == turned.p
        assert (moved.interval.low, moved.interval.high) == pytest.approx((found.interval.low, found.interval.high))
        assert (turned.interval.low, turned.interval.high) == pytest.approx(
            (-found.interval.high, -found.interval.low))

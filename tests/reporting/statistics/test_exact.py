"""Intervals of shares and rates against closed forms; one event more never narrows them."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from nnunet_tv.reporting.statistics import clopper_pearson, poisson_rate, rate_interval, share_interval


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
    for k in range(13):
        theirs = stats.binomtest(k, 12).proportion_ci(0.95, "exact")
        ours = clopper_pearson(k, 12)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


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
        (poisson_rate, (1, 0), "expected events >= 0 in n >= 1 subjects, found 1 in 0")])
def test_impossible_numbers(function, arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        function(*arguments)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 10), min_size=1, max_size=30), st.sampled_from([1, 2, 3, 10]), st.data())
def test_a_miss_more_never_narrows_a_share(misses, runs, data):
    where = data.draw(st.integers(0, len(misses) - 1))
    misses = [min(missed, runs) for missed in misses]
    more = [missed + (place == where and missed < runs) for place, missed in enumerate(misses)]
    before, after = (share_interval([1 - missed / runs for missed in each]) for each in (misses, more))
    assert after.low <= before.low + 1e-9 and after.high <= before.high + 1e-9
    if sum(more) <= len(more) * runs / 2:  # else hits are the rarer, and the interval narrows towards none
        assert after.high - after.low >= before.high - before.low - 1e-9
    hits = share_interval([missed / runs for missed in more])
    assert (hits.low, hits.high) == pytest.approx((1 - after.high, 1 - after.low))


def test_runs_are_no_further_subjects():
    assert share_interval([1.0] * 14) == clopper_pearson(14, 14)
    one_miss = share_interval([1.0] * 13 + [0.9])
    assert one_miss.low == pytest.approx(stats.beta.ppf(0.025, 13.9, 1.1)) and one_miss.n == 14
    none, one = share_interval([0.0] * 85), share_interval([0.0] * 84 + [0.1])
    assert (round(none.high, 4), none.low) == (0.0425, 0) and one.high > none.high
    assert share_interval([0.1] * 30) == clopper_pearson(3, 30)  # a whole number but for rounding
    assert share_interval([]).value is None


def test_single_false_clusters_have_the_exact_poisson_interval():
    for events in range(18):
        found = rate_interval([1.0] * events + [0.0] * (17 - events))
        exact = poisson_rate(events, 17)
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert rate_interval([1, 1, 1] + [0] * 14).method == "exact Poisson"
    assert rate_interval([]).value is None
    for counts in ([1], [0, 1], [1, 1]):
        found, exact = rate_interval(counts), poisson_rate(sum(counts), len(counts))
        assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    for counts in ([3], [2, 0], [5, 5]):  # whose dispersion cannot be known
        found = rate_interval(counts)
        assert (found.value, found.low, found.high) == (sum(counts) / len(counts), None, None)


def test_false_clusters_of_few_subjects_have_a_wider_interval():
    # Variance 72 / 17 · 17 / 16 ... = 3 · 16 / 17 · 17 / 16: the dispersion of three events in one of 17 is 3.
    wider = stats.t.ppf(0.975, 16) ** 2 / stats.norm.ppf(0.975) ** 2 * 3
    found = rate_interval([3] + [0] * 16)
    assert found.high == pytest.approx(stats.chi2.ppf(0.975, 2 * 3 / wider + 2) / 2 * wider / 17)
    assert found.high > 2 * rate_interval([1, 1, 1] + [0] * 14).high


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=30), st.sampled_from([1, 2, 3, 10]), st.data())
def test_a_false_cluster_more_never_suggests_certainty(counts, runs, data):
    where = data.draw(st.integers(0, len(counts) - 1))
    more = [count + (place == where) for place, count in enumerate(counts)]
    before, after = (rate_interval([count / runs for count in each], runs=runs) for each in (counts, more))
    if after.high is None:
        assert len(counts) < 3 and max(more) > runs
        return
    assert after.high >= before.high - 1e-9
    if sum(more) <= len(more) * runs:  # up to one per subject
        assert after.high - after.low >= before.high - before.low - 1e-9
    assert 0 <= before.low <= before.value <= before.high


def test_many_events_are_grouped_by_subject():
    counts = np.random.default_rng(0).integers(0, 600, 85)
    found = rate_interval(counts)
    assert 0 < found.low < counts.mean() < found.high < 2 * counts.mean()
    fewer, more = rate_interval([1428] * 14), rate_interval([1429] * 14)  # 19 992 and 20 006
    assert fewer.low < more.low < fewer.low + 2 and fewer.high < more.high < fewer.high + 2

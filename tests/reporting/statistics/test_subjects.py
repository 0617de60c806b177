"""Figures of patients against controls: intervals in closed form, against scikit-learn, and their coverage."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from nnunet_tv.reporting.statistics import Interval, auc, auc_interval, clopper_pearson, mean_of_shares

Z = stats.norm.ppf(0.975)


@pytest.mark.parametrize("digits", [0, 1, 8])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (5, 2), (14, 85)])
def test_area_equals_scikit_learn_with_ties(m, n, digits):
    rng = np.random.default_rng(m + digits)
    positives, negatives = rng.random(m).round(digits) + 0.1, rng.random(n).round(digits)
    expected = roc_auc_score([1] * m + [0] * n, [*positives, *negatives])
    assert auc(positives, negatives) == pytest.approx(expected, abs=1e-12)


def test_area_of_hand_made_cases():
    assert auc([0.9, 0.8], [0.1]) == 1 and auc([0.1], [0.9, 0.8]) == 0 and auc([0, 0, 0], [0, 0]) == 0.5
    assert auc([0.9, 0.0], [0.5, 0.0]) == (1 + 1 + 0 + 0.5) / 4


@pytest.mark.parametrize("area", [0.0, 0.03, 0.5, 0.84, 0.999, 1.0])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 20), (14, 85), (300, 10)])
def test_bounds_of_the_area_are_where_the_score_test_is_significant(area, m, n):
    found = auc_interval(area, m, n)

    def score(theta):
        extra = (m + n) / 2 - 1
        variance = theta * (1 - theta) * (1 + extra * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (m * n)
        return (area - theta) ** 2 / variance

    assert 0 <= found.low <= area <= found.high <= 1 and found.high - found.low > 0.01 and found.n == min(m, n)
    if area > 0:
        assert score(found.low) == pytest.approx(Z ** 2, rel=1e-6)
    if area < 1:
        assert score(found.high) == pytest.approx(Z ** 2, rel=1e-6)
    mirrored = auc_interval(1 - area, m, n)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-9)


def test_interval_of_one_patient_and_one_control_is_wilsons():
    # N = 0: V is the variance of one draw.
    bounds = stats.binomtest(1, 1).proportion_ci(0.95, "wilson")
    assert (auc_interval(1.0, 1, 1).low, auc_interval(1.0, 1, 1).high) == pytest.approx((bounds.low, bounds.high))
    assert auc_interval(0.5, 0, 4) == Interval(None, None, None, 0, "Newcombe's method 5")


def test_a_worse_pair_never_narrows_the_interval_of_the_area():
    for m, n in ((1, 2), (14, 85), (5, 5)):
        widths = [found.high - found.low for wrong in range(m * n // 2 + 1)
                  for found in [auc_interval(1 - wrong / (m * n), m, n)]]
        assert np.diff(widths).min() > -1e-12


@pytest.mark.parametrize(("m", "n", "area"), [(8, 20, 0.9), (14, 85, 0.8), (14, 14, 0.95), (28, 28, 0.7)])
def test_coverage_of_the_area(m, n, area):
    rng, draws = np.random.default_rng(0), 2000
    x = rng.normal(stats.norm.ppf(area) * 2 ** 0.5, 1, (draws, m))
    y = rng.normal(0, 1, (draws, n))
    areas = [np.greater.outer(a, b).mean() for a, b in zip(x, y, strict=True)]
    inside = [found.low <= area <= found.high
              for found in map({value: auc_interval(value, m, n) for value in set(areas)}.get, areas)]
    assert 0.94 <= np.mean(inside) <= 0.99


def test_mean_of_two_shares():
    found = mean_of_shares(clopper_pearson(14, 14), clopper_pearson(85, 85))
    low = 1 - np.hypot(1 - clopper_pearson(14, 14).low, 1 - clopper_pearson(85, 85).low) / 2
    assert found == Interval(1.0, pytest.approx(low), 1.0, 14, "MOVER")
    wald = [Interval(p, p - 1.96 * sd, p + 1.96 * sd, 50, "") for p, sd in ((0.7, 0.03), (0.4, 0.04))]
    normal = mean_of_shares(*wald)  # for symmetric intervals the one of the normal distribution
    assert (normal.low, normal.high) == pytest.approx((0.55 - 1.96 * 0.025, 0.55 + 1.96 * 0.025))
    undefined = mean_of_shares(clopper_pearson(0, 0), clopper_pearson(3, 4))
    assert (undefined.value, undefined.low, undefined.n) == (None, None, 0)
    without = mean_of_shares(Interval(0.5, None, None, 1, ""), clopper_pearson(3, 4))
    assert (without.value, without.low, without.high) == (0.625, None, None)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 85), (14, 14), (14, 85)])
def test_one_more_error_never_narrows_the_interval_at_the_edge(m, n):
    best, miss, false = (mean_of_shares(clopper_pearson(*a), clopper_pearson(*b)) for a, b in (
        ((m, m), (n, n)), ((m - 1, m), (n, n)), ((m, m), (n - 1, n))))
    for worse in (miss, false):
        assert worse.low < best.low and worse.high <= best.high
        assert worse.high - worse.low >= best.high - best.low - 1e-9

"""The knee of a sweep: at the corner of a curve that has one, and not named where the subjects do not support it."""

import numpy as np
import pytest

from nnunet_tv.experiments.sweep.knee import collapsed, find_knee

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2)


def subjects(curve, n=20, spread=0.0, seed=1):
    """Counts with these means; each subject has a level of its own, as hard cases have more false clusters."""
    generator = np.random.default_rng(seed)
    level = generator.uniform(0.5, 1.5, (n, 1))
    return np.array(curve) * level + spread * generator.standard_normal((n, len(curve)))


def test_the_corner_is_the_knee():
    knee = find_knee(WEIGHTS, subjects([20, 11, 2, 1, 0]))
    assert knee.weight == 0.1
    # chord at 0.1: 10; (10 - 2) / 20
    assert "by 0.40 of the whole drop (95 % interval 0.40 to 0.40), in 100%" in knee.text


def test_the_knee_takes_the_distance_of_weights_into_account():
    assert find_knee((0.0, 0.1, 1.0), subjects([10, 5, 0])).weight == 0.1  # chord at 0.1: 9
    assert find_knee((0.0, 0.9, 1.0), subjects([10, 5, 0])).weight is None  # chord at 0.9: 1, so above it


@pytest.mark.parametrize("curve,message", [
    ([10, 10, 10, 10, 10], "does not exclude that it does not fall"),
    ([2, 5, 8, 9, 10], "does not exclude that it does not fall"),
    ([20, 15, 10, 5, 0], "does not support one weight"),
    ([20, 18, 15, 9, 0], "does not support one weight"),
])
def test_curves_without_a_knee(curve, message):
    knee = find_knee(WEIGHTS, subjects(curve))
    assert knee.weight is None and message in knee.text


def test_noise_beyond_the_corner_is_refused_and_the_same_with_more_subjects_is_not():
    assert find_knee(WEIGHTS, subjects([20, 11, 2, 1, 0], n=4, spread=25)).weight is None
    assert find_knee(WEIGHTS, subjects([20, 11, 2, 1, 0], n=2000, spread=10)).weight == 0.1


def test_two_equal_corners_are_not_decided():
    knee = find_knee(WEIGHTS, subjects([20, 8, 3, 1.5, 0], n=15, spread=3))
    assert knee.weight is None and "does not support one weight" in knee.text


def test_too_few_weights_or_subjects():
    assert "at least three weights" in find_knee((0.0, 0.1), subjects([3, 1])).text
    assert "at least three subjects" in find_knee(WEIGHTS, subjects([20, 11, 2, 1, 0], n=2)).text


def test_the_same_seed_gives_the_same_knee():
    data = subjects([20, 11, 2, 1, 0], spread=5)
    assert find_knee(WEIGHTS, data, seed=3) == find_knee(WEIGHTS, data, seed=3)


def test_weights_at_which_most_predictions_are_empty():
    assert collapsed({0.2: 0.6, 0.0: 0.0, 0.1: 0.5, 1.0: 1.0}) == [0.2, 1.0]

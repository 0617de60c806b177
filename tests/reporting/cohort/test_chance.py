"""The limit of chance: closed forms, enumeration, and its error rate by simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from nnunet_tv.reporting.cohort.chance import LEVEL, at_least, count_limit


@pytest.mark.parametrize("seed", range(3))
def test_against_every_outcome(seed):
    p = np.random.default_rng(seed).random(8) ** 4
    chances = np.zeros(9)
    for outcome in product((0, 1), repeat=8):
        chances[sum(outcome)] += np.prod(np.where(outcome, p, 1 - p))
    np.testing.assert_allclose(at_least(p), [chances[k:].sum() for k in range(10)], rtol=1e-12)


def test_tails_of_equal_probabilities_are_binomial():
    np.testing.assert_allclose(at_least([1e-3] * 300)[:12], stats.binom.sf(np.arange(-1, 11), 300, 1e-3), rtol=1e-9)
    assert at_least([]).tolist() == [1.0, 0.0] and at_least([1.0, 0.0, 1.0]).tolist() == [1, 1, 1, 0, 0]


@pytest.mark.parametrize(("n", "marked", "voxels"),
                         [(10, 2000, 1_800_000), (20, 50_000, 1_800_000), (85, 300, 250_000)])
def test_the_smallest_count_that_chance_hardly_reaches(n, marked, voxels):
    limit = count_limit([marked] * n, brain_voxels=voxels, searched_voxels=voxels)
    chance = [voxels * stats.binom.sf(k - 1, n, marked / voxels) for k in (limit, limit - 1)]
    assert chance[0] <= LEVEL < chance[1]


def test_more_marks_a_smaller_brain_and_more_places_raise_the_limit():
    def limit(marked=1000, brain=100_000, searched=100_000):
        return count_limit([marked] * 12, brain_voxels=brain, searched_voxels=searched)

    assert limit() < limit(marked=10_000) and limit() < limit(brain=10_000) and limit() < limit(searched=10 ** 8)
    assert limit(marked=10 ** 9) is None  # every voxel of every subject


def test_too_few_subjects_have_no_limit():
    assert count_limit([], brain_voxels=100, searched_voxels=100) is None
    assert count_limit([1], brain_voxels=10 ** 9, searched_voxels=1) is None
    assert count_limit([2000, 2000], brain_voxels=1_800_000, searched_voxels=1_800_000) is None
    assert count_limit([0, 0, 0], brain_voxels=100, searched_voxels=100) == 2  # nothing is marked
    assert count_limit([1, 0, 1], brain_voxels=10 ** 6, searched_voxels=10 ** 6) == 2
    with pytest.raises(ValueError, match="found 0"):
        count_limit([1, 2], brain_voxels=0, searched_voxels=1)


def ball(radius):
    axis = np.arange(-radius, radius + 1)
    return np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1)[
        (np.stack(np.meshgrid(axis, axis, axis), -1) ** 2).sum(-1) <= radius ** 2]


@pytest.mark.parametrize(("n", "n_clusters", "radii"),
                         [(10, 1, (4, 4)), (20, 6, (1, 4)), (40, 3, (2, 5)), (12, 300, (0, 0))])
def test_random_places_are_flagged_in_at_most_one_study_in_twenty(n, n_clusters, radii):
    rng, size = np.random.default_rng(n), 40
    balls = {radius: ball(radius) for radius in range(radii[0], radii[1] + 1)}
    wrong = lower = 0
    for _ in range(120):
        counts, marked = np.zeros(size ** 3, int), []
        for _ in range(n):
            places = [rng.integers(size, size=3) + balls[rng.integers(radii[0], radii[1] + 1)]
                      for _ in range(n_clusters)]
            voxels = np.unique(np.ravel_multi_index(tuple(np.concatenate(places).T), (size,) * 3, mode="wrap"))
            counts[voxels] += 1
            marked.append(len(voxels))
        limit = count_limit(marked, brain_voxels=size ** 3, searched_voxels=size ** 3)
        assert limit is not None
        wrong += counts.max() >= limit
        lower += counts.max() >= limit - 1
    assert wrong / 120 <= LEVEL
    assert lower / 120 > LEVEL or n_clusters != 300  # of single voxels, a lower limit would be too low

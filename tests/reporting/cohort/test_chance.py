"""The limit of chance: closed forms, enumeration, and its error rate by simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from nnunet_tv.reporting.cohort.brain import CohortBrain
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
    limit = count_limit([marked / voxels] * n, searched_voxels=voxels)
    chance = [voxels * stats.binom.sf(k - 1, n, marked / voxels) for k in (limit, limit - 1)]
    assert chance[0] <= LEVEL < chance[1]


def test_more_marks_and_more_places_raise_the_limit():
    def limit(probability=0.01, searched=100_000):
        return count_limit([probability] * 12, searched_voxels=searched)

    assert limit() < limit(probability=0.1) and limit() < limit(searched=10 ** 8)
    assert limit(probability=1) is None  # every voxel of every subject


def test_too_few_subjects_have_no_limit():
    assert count_limit([], searched_voxels=100) is None
    assert count_limit([1e-9], searched_voxels=1) is None
    assert count_limit([0.001, 0.001], searched_voxels=1_800_000) is None
    assert count_limit([0, 0, 0], searched_voxels=100) == 2  # nothing is marked
    assert count_limit([1e-6, 0, 1e-6], searched_voxels=10 ** 6) == 2


def ball(radius):
    axis = np.arange(-radius, radius + 1)
    around = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    return around[(around ** 2).sum(-1) <= radius ** 2]


@pytest.mark.parametrize(("n", "n_clusters", "radii"),
                         [(10, 1, (4, 6)), (20, 6, (1, 4)), (40, 3, (2, 8)), (12, 200, (0, 0))])
def test_random_places_are_flagged_in_at_most_one_study_in_twenty(n, n_clusters, radii):
    """Clusters are anywhere in a brain that is a ball, but not across its surface."""
    rng, shape, n_studies = np.random.default_rng(n), (44,) * 3, 120
    depth = 20 - np.linalg.norm(np.indices(shape).reshape(3, -1).T - 21.5, axis=1)
    brain = CohortBrain((1, 1, 1), (depth > 0).reshape(shape), int((depth > 0).sum()), "", None, "")
    balls = {radius: ball(radius) for radius in range(radii[0], radii[1] + 1)}
    centres = {radius: np.argwhere((depth > radius).reshape(shape)) for radius in balls}
    wrong = lower = 0
    for _ in range(n_studies):
        counts, chances = np.zeros(len(depth), int), []
        for _ in range(n):
            chosen = rng.integers(radii[0], radii[1] + 1, n_clusters)
            places = [centres[radius][rng.integers(len(centres[radius]))] + balls[radius] for radius in chosen]
            counts[np.unique(np.ravel_multi_index(tuple(np.concatenate(places).T), shape))] += 1
            chances.append(brain.chance(np.array([len(balls[radius]) for radius in chosen])))
        limit = count_limit(chances, searched_voxels=brain.n_voxels)
        assert limit is not None
        wrong += counts.max() >= limit
        lower += counts.max() >= limit - 1
    assert wrong / n_studies <= LEVEL
    assert lower / n_studies > LEVEL or n_clusters != 200  # of single voxels, a lower limit would be too low

"""Agreement of two masks of one subject."""

from itertools import permutations

import numpy as np
import pytest
from masks import ISOTROPIC, mask, voxels
from scipy import ndimage

from nnunet_tv.metrics.agreement import Agreement, agreement


def test_closed_forms():
    first, second = mask(((2, 6), (2, 6), (2, 6))), mask(((3, 7), (2, 6), (2, 6)), ((9, 11), (9, 11), (9, 11)))
    found = agreement(first, second, (1, 2, 3))
    assert found == Agreement(2 * 48 / (64 + 72), 1, 2, 1, 64 * 6.0, 72 * 6.0)
    assert agreement(second, first, (1, 2, 3)) == Agreement(found.dice, 2, 1, 1, 72 * 6.0, 64 * 6.0)


def test_two_empty_masks_carry_no_information():
    empty, full = mask(), mask(((0, 12),) * 3)
    assert agreement(empty, empty, ISOTROPIC) == Agreement(None, 0, 0, 0, 0.0, 0.0)
    assert agreement(empty, full, ISOTROPIC) == Agreement(0.0, 0, 1, 0, 0.0, 1728.0)
    assert agreement(full, full, ISOTROPIC) == Agreement(1.0, 1, 1, 1, 1728.0, 1728.0)


def test_a_cluster_is_found_once():
    parts = mask(((1, 3), (1, 3), (1, 3)), ((5, 7), (1, 3), (1, 3)))
    whole = mask(((1, 7), (1, 3), (1, 3)))
    assert agreement(parts, whole, ISOTROPIC).n_both == agreement(whole, parts, ISOTROPIC).n_both == 1
    # the first cluster shares voxels with both, the second with the larger only: two pairs, in any order
    chain = mask(((0, 7), (1, 2), (1, 2)), ((9, 12), (1, 2), (1, 2)))
    other = mask(((0, 2), (1, 2), (1, 2)), ((5, 10), (1, 2), (1, 2)))
    assert agreement(chain, other, ISOTROPIC).n_both == agreement(other, chain, ISOTROPIC).n_both == 2


def test_neighbours_are_those_of_the_connectivity():
    corner = voxels((1, 1, 1), (2, 2, 2))
    assert [agreement(corner, corner, ISOTROPIC, connectivity=c).n_both for c in (26, 18, 6)] == [1, 2, 2]


@pytest.mark.parametrize("seed", range(8))
def test_against_all_assignments(seed):
    rng = np.random.default_rng(seed)
    first, second = (ndimage.binary_dilation(rng.random((9, 9, 9)) > 0.988) for _ in range(2))
    (a, n_first), (b, n_second) = (ndimage.label(each, np.ones((3, 3, 3))) for each in (first, second))
    touch = np.array([[((a == i) & (b == j)).any() for j in range(1, n_second + 1)] for i in range(1, n_first + 1)])
    touch = touch if n_first <= n_second else touch.T
    most = max(sum(touch[i, j] for i, j in enumerate(order))
               for order in permutations(range(touch.shape[1]), touch.shape[0]))
    found = agreement(first, second, ISOTROPIC)
    assert (found.n_first, found.n_second, found.n_both) == (n_first, n_second, most)
    assert found.dice == pytest.approx(2 * (first & second).sum() / (first.sum() + second.sum()))


def test_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(12, 12, 12\).*\(12, 12, 11\)"):
        agreement(mask(), mask(shape=(12, 12, 11)), ISOTROPIC)

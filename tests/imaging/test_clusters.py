"""Labelling against scipy, on the shapes that crash cc3d's binary algorithm too."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from nnunet_tv.imaging.clusters import bounding_box, label_clusters, separate_boxes


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_labels_equal_scipy(connectivity):
    random = np.random.default_rng(connectivity)
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    for _ in range(150):
        mask = random.random(tuple(random.integers(1, 16, 3))) < random.random()
        mask = mask[mask.shape[0] // 2:, :, ::2]
        labels, n = label_clusters(mask, connectivity=connectivity)
        expected, count = ndimage.label(mask, structure)
        pairs = np.unique(np.stack([labels.ravel(), expected.ravel()]), axis=1)
        assert n == count and pairs.shape[1] == len(np.unique(expected))  # a one-to-one renaming
        np.testing.assert_array_equal(labels > 0, mask)


def test_most_clusters_possible_on_odd_sides():
    for shape in itertools.product([1, 2, 3, 5, 19], repeat=3):
        mask = np.zeros(shape, bool)
        mask[::2, ::2, ::2] = True
        assert label_clusters(mask)[1] == mask.sum()


def test_views_and_integers_are_labelled_too():
    mask = np.zeros((6, 8, 10), np.uint8)
    mask[1, 1, 1] = mask[4, 6, 8] = 1
    assert label_clusters(mask[:, ::-1].T)[1] == 2
    for axis in range(3):  # a single row out of a volume, along each axis
        along = tuple(slice(1, 5) if axis == other else slice(1, 2) for other in range(3))
        row = np.ones((6, 7, 8), bool)[along]
        assert label_clusters(row)[0].sum() == 4


def test_connectivity_is_checked():
    with pytest.raises(ValueError, match="connectivity 6, 18 or 26, found 4"):
        label_clusters(np.zeros((2, 2, 2), bool), connectivity=4)


def test_bounding_box():
    mask = np.zeros((5, 6, 7), bool)
    assert bounding_box(mask) == (slice(0, 1),) * 3
    mask[1:3, 2:6, 0] = True
    assert bounding_box(mask) == (slice(1, 3), slice(2, 6), slice(0, 1))


def shells(rng, shape=(40, 36, 44), n=6):
    """Hollow balls of thin walls anywhere, some inside others, some touching."""
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    mask = np.zeros(shape, bool)
    for _ in range(n):
        distance = np.linalg.norm(grid - rng.uniform(0, shape), axis=-1)
        outer = rng.uniform(1, 10)
        mask |= (distance <= outer) & (distance > outer - rng.uniform(0.8, 4))
    return mask


@pytest.mark.parametrize("gap", [1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_separate_boxes_hold_everything_and_stay_apart(seed, gap):
    mask = shells(np.random.default_rng(seed), n=1 + seed)
    boxes = separate_boxes(mask, gap=gap)
    held = np.zeros(mask.shape, int)
    for box in boxes:
        held[box] += 1
        assert mask[box].any()
    assert held.max() == 1 and held[mask].min() == 1
    number = np.zeros(mask.shape, int)
    for index, box in enumerate(boxes):
        number[box] = np.where(mask[box], index + 1, 0)
    for index in range(len(boxes)):  # the nearest voxel of another box, along the worst axis, is beyond the gap
        near = ndimage.binary_dilation(number == index + 1, np.ones((2 * gap + 1,) * 3))
        assert not (near & mask & (number != index + 1)).any()


@pytest.mark.parametrize("seed", range(6))
def test_holes_filled_box_by_box_are_the_holes_of_the_whole(seed):
    mask = shells(np.random.default_rng(100 + seed))
    cube = np.ones((5, 5, 5))
    result = np.zeros_like(mask)
    for box in separate_boxes(mask, gap=2):
        result[box] = ndimage.binary_fill_holes(np.pad(mask[box], 2), structure=cube)[2:-2, 2:-2, 2:-2]
    np.testing.assert_array_equal(result, ndimage.binary_fill_holes(np.pad(mask, 2), structure=cube)[2:-2, 2:-2, 2:-2])


def test_boxes_of_nothing_of_one_voxel_and_of_noise():
    empty = np.zeros((9, 8, 7), bool)
    assert separate_boxes(empty, gap=2) == []
    empty[8, 0, 3] = True
    assert separate_boxes(empty, gap=2) == [(slice(8, 9), slice(0, 1), slice(3, 4))]
    noise = np.random.default_rng(0).random((40, 40, 40)) > 0.97
    assert separate_boxes(noise, gap=2) == [tuple(slice(*limits) for limits in ((0, 40), (0, 40), (0, 40)))]

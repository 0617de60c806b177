"""Labelling against scipy, on the shapes that crash cc3d's binary algorithm too."""

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


@pytest.mark.parametrize("shape", [(0, 0, 0), (0, 3, 4), (3, 0, 4), (3, 4, 5)])
def test_a_mask_without_clusters_keeps_its_shape(shape):
    labels, n = label_clusters(np.zeros(shape, bool))
    assert labels.shape == shape and n == 0 and not labels.any()


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


def shells(rng, n, shape=(40, 36, 44)):
    """Hollow balls of thin walls anywhere, some inside others, some touching."""
    grid = np.moveaxis(np.indices(shape), 0, -1)
    mask = np.zeros(shape, bool)
    for _ in range(n):
        distance = np.linalg.norm(grid - rng.uniform(0, shape), axis=-1)
        outer = rng.uniform(1, 10)
        mask |= (distance <= outer) & (distance > outer - rng.uniform(0.8, 4))
    return mask


@pytest.mark.parametrize("gap", [1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_separate_boxes_hold_everything_stay_apart_and_keep_holes(seed, gap):
    mask = shells(np.random.default_rng(seed), n=1 + seed)
    cube = np.ones((2 * gap + 1,) * 3)
    inner = (slice(gap, -gap),) * 3
    number, filled = np.zeros(mask.shape, int), np.zeros_like(mask)
    for index, box in enumerate(separate_boxes(mask, gap=gap), start=1):
        assert mask[box].any() and not number[box].any()
        number[box] = index
        filled[box] = ndimage.binary_fill_holes(np.pad(mask[box], gap), structure=cube)[inner]
    np.testing.assert_array_equal(filled, ndimage.binary_fill_holes(np.pad(mask, gap), structure=cube)[inner])
    assert number[mask].all()
    for index in range(1, number.max() + 1):  # a voxel of another box is beyond the gap
        near = ndimage.binary_dilation(mask & (number == index), cube)
        assert not (near & mask & (number != index)).any()


def test_boxes_of_nothing_of_one_voxel_of_a_bar_and_of_noise():
    mask = np.zeros((9, 8, 7), bool)
    assert separate_boxes(mask, gap=2) == [] and bounding_box(mask) == (slice(0, 1),) * 3
    mask[8, 0, 3] = True
    assert separate_boxes(mask, gap=2) == [(slice(8, 9), slice(0, 1), slice(3, 4))]
    mask[6:8, 2:6, 3] = True
    assert bounding_box(mask) == (slice(6, 9), slice(0, 6), slice(3, 4))
    noise = np.random.default_rng(0).random((40, 40, 40)) > 0.97
    assert separate_boxes(noise, gap=2) == [(slice(0, 40),) * 3]

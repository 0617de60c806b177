"""Labelling against scipy, on the shapes that crash cc3d's binary algorithm too."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from nnunet_tv.clusters import bounding_box, label_clusters


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

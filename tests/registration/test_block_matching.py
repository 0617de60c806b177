"""Blocks of the brain, each in its best place: in closed form, and on images whose maps are known."""

from __future__ import annotations

import numpy as np
import pytest
from registration_phantoms import best_affine, brain_points, errors_mm, phantom, scan

from nnunet_tv.imaging.geometry import about, random_points
from nnunet_tv.imaging.resample import resample_image
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.block_matching import balanced_affine, climb
from nnunet_tv.registration.template import load_template


def test_a_climb_in_closed_form():
    target = np.array([1.5, -2.0, 0.5])
    assert climb(lambda shift: -np.sum((shift - target) ** 2)).tolist() == target.tolist()
    assert climb(lambda shift: 1.0).tolist() == [0, 0, 0]  # nothing is better than where it stands
    assert climb(lambda shift: shift[0]).tolist() == [4 * (2 + 1 + 0.5), 0, 0]  # and it does not run away


@pytest.fixture(scope="module")
def moved() -> tuple[Volume, np.ndarray]:
    """The template on 2 mm voxels, shifted, turned and stretched a little, and the map that did it."""
    turn = np.deg2rad(2)
    matrix = about(np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1.03]]),
                   np.array([0, -18, 10]), np.array([1.5, -20, 12]))
    grid = Volume(np.zeros((91, 109, 91), np.uint8), np.diag([2.0, 2, 2, 1]))
    grid.affine[:3, 3] = -90, -126, -72
    return resample_image(load_template().t1, grid, world=np.linalg.inv(matrix)), matrix


def test_a_small_affine_map_is_found(moved):
    image, matrix = moved
    template = load_template()
    points = random_points(template.brain, 2000)
    found = balanced_affine(np.eye(4), template.t1, image, template.brain)
    before, after = errors_mm(np.eye(4), matrix, points), errors_mm(found, matrix, points)
    assert before[0] > 2.5 and after[0] < 0.3 and after[1] < 1.0


def test_where_blocks_say_nothing_the_pose_stays(moved):
    image, matrix = moved
    template = load_template()
    flat = Volume(np.ones_like(image.data), image.affine)
    assert np.array_equal(balanced_affine(matrix, template.t1, flat, template.brain), matrix)
    small = np.zeros_like(template.brain.data)
    assert np.array_equal(balanced_affine(matrix, template.t1, image, Volume(small, template.brain.affine)), matrix)
    small[80:110, 90:120, 80:110] = 1  # fewer blocks than an affine map needs
    assert np.array_equal(balanced_affine(np.eye(4), template.t1, image, Volume(small, template.brain.affine)),
                          np.eye(4))


def test_blocks_bring_a_phantom_nearer_to_its_best_affine():
    """From a pose 2 mm off, on a head that bends, with a skull around."""
    one, template = phantom(1), load_template()
    off = about(np.eye(3), np.zeros(3), np.array([1.2, -1.2, 1.0]))
    start = np.linalg.inv(best_affine(one)) @ off
    found = balanced_affine(start, template.t1, scan(one.t1), template.brain)
    mean, largest = errors_mm(np.linalg.inv(found), best_affine(one), brain_points(one.t1_pose))
    assert mean < 0.5 and largest < 1.2

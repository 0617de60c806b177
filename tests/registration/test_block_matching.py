"""Block matching: in closed form, and on images with known maps."""

import numpy as np
import pytest
from registration_phantoms import errors_mm
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.affine import MNI, T1, Affine, rotation_about
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.resample import resample_image
from nnunet_tv.imaging.sampling import random_points
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.block_matching import best_shift, refine_affine
from nnunet_tv.registration.template import load_template


def test_the_best_shift_in_closed_form():
    target = np.array([1.5, -2.0, 0.5])
    assert best_shift(lambda shift: -np.sum((shift - target) ** 2)).tolist() == target.tolist()
    assert best_shift(lambda shift: 1.0).tolist() == [0, 0, 0]  # no shift is better than none
    assert best_shift(lambda shift: shift[0]).tolist() == [4 * (2 + 1 + 0.5), 0, 0]  # and the search is bounded


@pytest.fixture(scope="module")
def moved() -> tuple[Volume, Affine]:
    """The template on 2 mm voxels after a small shift, rotation and stretch, and the map."""
    turn = Rotation.from_euler("z", 2, degrees=True).as_matrix() * (1, 1, 1.03)
    affine = Affine(rotation_about(turn, np.array([0, -18, 10]), np.array([1.5, -20, 12])), MNI, T1)
    grid = Grid((91, 109, 91), np.diag([2.0, 2, 2, 1]))
    grid.affine[:3, 3] = -90, -126, -72
    return resample_image(load_template().t1, grid, world=affine.inverse()), affine


def test_a_small_affine_map_is_found(moved):
    image, affine = moved
    template = load_template()
    points = random_points(template.brain, 2000)
    found = Affine(refine_affine(np.eye(4), template.t1, image, template.brain), MNI, T1)
    before, after = (errors_mm(one, affine, points) for one in (Affine.identity(MNI, T1), found))
    assert before[0] > 2.5 and after[0] < 0.3 and after[1] < 1.0


def test_uninformative_blocks_leave_the_pose_unchanged(moved):
    image, template, pose = moved[0], load_template(), moved[1].matrix
    flat = Volume(np.ones_like(image.data), image.affine)
    assert np.array_equal(refine_affine(pose, template.t1, flat, template.brain), pose)
    small = Volume(np.zeros_like(template.brain.data), template.brain.affine)
    assert np.array_equal(refine_affine(pose, template.t1, image, small), pose)
    small.data[80:110, 90:120, 80:110] = 1  # fewer blocks than an affine map needs
    assert np.array_equal(refine_affine(np.eye(4), template.t1, image, small), np.eye(4))

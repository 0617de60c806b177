"""The scanner against closed forms."""

import numpy as np
import pytest

from nnunet_tv.demo.anatomy import load_anatomy
from nnunet_tv.demo.pose import Pose, Warp, rigid
from nnunet_tv.demo.scanner import SCALE, acquire, bias_field, brightness, make_grid, sample
from nnunet_tv.imaging.grid import Grid

STILL = Warp(np.zeros((1, 3)), np.zeros((1, 3)), np.zeros(1))
STRAIGHT = Pose(np.eye(4), np.eye(4), STILL)
BOX = np.array([[-50.0, -80, -40], [50, 80, 60]])


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PSR", "LAS", "RSP"])
def test_grid_covers_the_box_in_any_orientation(orientation):
    grid = make_grid(STRAIGHT, BOX, orientation=orientation, spacing_mm=(2.0, 2.0, 4.0))
    assert grid.spacing_mm == pytest.approx([2, 2, 4])
    letters = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    for column, letter in enumerate(orientation):
        axis, sign = letters[letter]
        assert np.sign(grid.affine[axis, column]) == sign
    points = grid.points().reshape(-1, 3)
    assert (points.min(0) <= BOX[0] + 1e-4).all() and (points.max(0) >= BOX[1] - 1e-4).all()
    assert (points.max(0) + points.min(0)) / 2 == pytest.approx(BOX.mean(0), abs=1e-4)


def test_largest_side():
    grid = make_grid(STRAIGHT, BOX, orientation="RAS", spacing_mm=(2.0, 2.0, 2.0), max_side=60)
    assert grid.shape == (51, 60, 51)


def test_sampling_follows_the_pose():
    """A shift of the head by three voxels shifts the image by three voxels."""
    anatomy = load_anatomy(1.5)
    field = brightness(anatomy, {"gm": 1.0})
    grid = Grid((40, 40, 40), np.array([[3.0, 0, 0, -60], [0, 3, 0, -70], [0, 0, 3, -40], [0, 0, 0, 1]]))
    moved = STRAIGHT.moved(rigid(np.zeros(3), np.array([9.0, 0, 0]), np.zeros(3)))
    here, there = (sample([field], anatomy, pose, grid)[0] for pose in (STRAIGHT, moved))
    assert there[3:] == pytest.approx(here[:-3], abs=1e-4)
    assert here.std() > 0.1


def test_thick_slices_are_averages():
    anatomy = load_anatomy(1.5)
    field = brightness(anatomy, {"csf": 1.0})
    start = np.array([-30.0, -60, -20])
    affine = {}
    for name, size, shift in (("thin", 2.0, -2.0), ("thick", 6.0, 0.0)):
        affine[name] = np.diag([2.0, 2.0, size, 1.0])
        affine[name][:3, 3] = start + np.array([0, 0, shift])
    thin = sample([field], anatomy, STRAIGHT, Grid((20, 20, 30), affine["thin"]))[0]
    thick = sample([field], anatomy, STRAIGHT, Grid((20, 20, 10), affine["thick"]))[0]
    assert thick == pytest.approx(thin.reshape(20, 20, 10, 3).mean(-1), abs=1e-4)


def test_rician_noise():
    """Where the signal is strong: normal, of the given size; where there is none: Rayleigh."""
    rng, head = np.random.default_rng(0), np.ones((60, 60, 60))
    flat = np.ones_like(head, dtype=np.float32)
    strong = acquire(flat, head, rng, bias=flat, noise=0.05)
    assert strong.dtype == np.int16
    assert strong.mean() == pytest.approx(SCALE * (1 + 0.05**2 / 2), rel=1e-3)
    assert strong.std() == pytest.approx(0.05 * SCALE, rel=0.02)
    none = acquire(0 * flat, head, rng, bias=flat, noise=0.05)
    assert none.mean() == pytest.approx(0.05 * SCALE * np.sqrt(np.pi / 2), rel=0.01)
    assert acquire(flat, 0 * head, rng, bias=flat, noise=0.05).max() == 0


def test_bias_field_is_smooth_and_of_the_given_size():
    grid = Grid((30, 40, 20), np.diag([2.0, 2, 2, 1]))
    field = bias_field(grid, np.random.default_rng(0), 0.2)
    assert np.log(field).std() == pytest.approx(0.2, rel=1e-3)
    assert np.log(field).mean() == pytest.approx(0, abs=1e-5)
    assert max(np.abs(np.diff(np.log(field), n=3, axis=axis)).max() for axis in range(3)) < 1e-4  # quadratic

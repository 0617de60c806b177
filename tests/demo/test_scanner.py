"""The scanner against closed forms."""

import numpy as np
import pytest

from nnunet_tv.demo.anatomy import load_anatomy
from nnunet_tv.demo.pose import Pose, Warp, rigid
from nnunet_tv.demo.scanner import (
    CLINICAL_CONTRASTS,
    SCALE,
    acquire,
    bias_field,
    brightness,
    limit_view,
    make_grid,
    sample,
)
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


@pytest.mark.parametrize("orientation", ["RAS", "LPI", "PSR", "RIP"])
def test_view_ends_above_the_points_and_misses_the_lowest(orientation):
    grid = make_grid(STRAIGHT, BOX, orientation=orientation, spacing_mm=(2.0, 2.0, 2.0))
    points = np.zeros((100, 3))
    points[:, 2] = np.linspace(-30, 40, 100)
    seen = limit_view(grid, points, above_mm=6.0, missed=0.2)
    assert seen.orientation == orientation and seen.spacing_mm == pytest.approx((2, 2, 2))
    there, whole = (one.points().reshape(-1, 3) for one in (seen, grid))
    assert there[:, 2].max() == pytest.approx(46, abs=1.01) and there[:, 2].min() == pytest.approx(-16, abs=1.01)
    for end in (np.min, np.max):
        assert np.allclose(end(there[:, :2], axis=0), end(whole[:, :2], axis=0))
    # voxels stay where they were
    offset = grid.to_indices(seen.to_mm(np.zeros(3)))
    assert offset == pytest.approx(np.rint(offset), abs=1e-6)
    assert limit_view(grid, points, above_mm=500.0, missed=0.0).shape[orientation.replace("I", "S").index("S")] == int(
        np.count_nonzero(np.unique(whole[:, 2]) >= -30.01))


def test_deep_grey_matter_of_a_clinical_t1_is_as_bright_as_white():
    anatomy = load_anatomy(1.5)
    contrast = CLINICAL_CONTRASTS["T1w"]
    image, without = brightness(anatomy, contrast), brightness(anatomy, {**contrast, "deep_gm": contrast["gm"]})
    grey = (anatomy.tissues["gm"] > 0.5) & (anatomy.tissues["csf"] < 0.01)
    points = anatomy.points(np.argwhere(grey))
    for centre in ((24, 2, 2), (-24, 2, 2)):  # the putamen
        putamen = np.linalg.norm(points - centre, axis=1) < 4
        assert putamen.sum() > 20 and image[grey][putamen] == pytest.approx(1, abs=0.01)
        assert without[grey][putamen].max() < 0.95
    elsewhere = np.abs(points[:, 2]) > 40
    assert np.array_equal(image[grey][elsewhere], without[grey][elsewhere]) and image[grey][elsewhere].min() < 0.9


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

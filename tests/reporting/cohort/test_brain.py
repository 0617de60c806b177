"""The brain in which chance places clusters."""

import numpy as np
import pytest
from scored_folders import save

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template
from nnunet_tv.reporting.cohort.brain import CohortBrain, find_brain

SHAPE = (20, 24, 22)
GRID = Grid(SHAPE, np.array([[4.0, 0, 0, -38], [0, 4, 0, -46], [0, 0, 4, -40], [0, 0, 0, 1]]))
BRAIN = np.zeros(SHAPE, bool)
BRAIN[4:16, 5:20, 4:18] = True


@pytest.fixture
def images(tmp_path):
    """Twelve scans of a brain, one of them stored from right to left; the mean has a value for each voxel."""
    rng = np.random.default_rng(0)
    for number in range(12):
        scan, affine = (BRAIN * rng.uniform(90, 110, SHAPE)).astype(np.float32), GRID.affine.copy()
        scan[4, 5, 4 + number % 2] = 0
        if number == 0:
            affine[:3, 3] += affine[:3, 0] * (SHAPE[0] - 1)
            affine[:3, 0] *= -1
            scan = scan[::-1]
        save(tmp_path, f"sub-{number:02}_0000", scan * (number + 1), affine)
    return tmp_path


CASES = [f"sub-{number:02}" for number in range(14)]


def test_the_scans_nonzero_voxels(images):
    (images / "sub-11_0000.nii.gz").write_bytes(b"?")
    save(images, "sub-13_0000", np.ones(SHAPE[::-1], np.float32), GRID.affine)
    found = find_brain(GRID, CASES, images)
    assert (found.mask != BRAIN).sum() <= 2 and found.n_voxels == found.mask.sum() and "--images" in found.source
    assert found.background_source == "mean of 8 scans" and found.background.shape == SHAPE
    np.testing.assert_allclose(found.background[8:12, 8:12, 8:12].mean(), 1, atol=0.02)  # each has the same weight


def test_scans_with_skull_or_on_other_grids_do_not_show_the_brain(images):
    for number in range(12):
        save(images, f"sub-{number:02}_0000", np.ones(SHAPE, np.float32), GRID.affine)
    heads = find_brain(GRID, CASES, images)
    assert heads.mask.all() and heads.n_voxels == np.prod(SHAPE) and "not known" in heads.source
    assert heads.background is not None
    other = find_brain(Grid(SHAPE, np.diag([4.0, 4, 4, 1])), CASES, images)
    assert other.background is None and other.mask.all() and other.background_source == ""


def test_without_scans_it_is_assumed_to_be_small(tmp_path):
    for images in (None, tmp_path):
        found = find_brain(GRID, CASES, images)
        assert found.mask.all() and found.background is None and "smaller than an adult's brain" in found.source
    large = find_brain(Grid((256, 256, 256), np.eye(4)), CASES)
    assert large.mask is None and large.n_voxels == 1_000_000 and "1000 ml" in large.source
    assert find_brain(Grid((128, 128, 64), np.diag([2.0, 2, 2, 1])), CASES).n_voxels == 125_000
    assert find_brain(Grid((1, 1, 1), np.eye(4)), CASES).n_voxels == 1


def test_the_templates_brain_in_its_space():
    found = find_brain(TEMPLATE_GRID, CASES)
    np.testing.assert_array_equal(found.mask, load_template().brain.data > 0)
    assert found.n_voxels == found.mask.sum() and found.background is load_template().t1.data


def test_the_chance_of_a_voxel_in_the_depth_of_the_brain():
    spacing = (1.0, 1.0, 1.5)
    x, y, z = np.indices((61, 61, 41))
    mask = (x - 30) ** 2 + (y - 30) ** 2 + (1.5 * (z - 20)) ** 2 < 29 ** 2
    ball = CohortBrain(spacing, mask, int(mask.sum()), "", None, "")
    assumed = CohortBrain(spacing, None, ball.n_voxels, "", None, "")
    for sizes in ([10], [500], [10, 200, 3000]):
        radii = (3 * 1.5 * np.array(sizes) / (4 * np.pi)) ** (1 / 3)
        exact = sum(sizes / (4 / 3 * np.pi / 1.5 * (29 - radii) ** 3))
        assert assumed.chance(np.array(sizes)) == pytest.approx(exact, rel=0.02)
        assert ball.chance(np.array(sizes)) == pytest.approx(exact, rel=0.1)
        assert ball.chance(np.array(sizes)) > sum(sizes) / ball.n_voxels
    for brain in (ball, assumed):
        assert brain.chance(np.zeros(0, int)) == 0 and brain.chance(np.array([10 ** 6])) == 1

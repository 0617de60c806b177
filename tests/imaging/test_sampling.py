"""Other resolutions, crops and points, on a linear function of the scanner coordinates."""

import numpy as np
import pytest

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.sampling import at_resolution, crop_around, random_points, sample
from nnunet_tv.imaging.volume import Volume


def test_other_resolutions_and_crops_keep_places():
    grid = Grid((100, 90, 40), np.diag([0.8, 1.1, 3.0, 1.0]))
    grid.affine[:3, 3] = -40, -50, -60
    slope = Volume((grid.points() @ (1.0, 10.0, 100.0)).astype(np.float32), grid.affine)
    points = np.random.default_rng(0).uniform((-20, -30, -30), (20, 30, 30), (50, 3))
    for resolution_mm in (1.0, 2.0, 4.0, 6.0):
        other = at_resolution(slope, resolution_mm)
        assert other.spacing_mm == pytest.approx((resolution_mm,) * 3)
        assert np.allclose(sample(other, points), points @ (1.0, 10.0, 100.0), atol=0.05)
    small = crop_around(slope, points, 5.0)
    assert np.allclose(sample(small, points), sample(slope, points), atol=1e-2) and small.shape < slope.shape


def test_random_points_are_voxels_of_the_mask():
    data = np.zeros((3, 3, 3), np.uint8)
    data[1, 2, 0] = 1
    assert random_points(Volume(data, np.diag([2.0, 1, 1, 1])), 9).tolist() == [[2, 2, 0]]
    assert np.unique(random_points(Volume(data + 1, np.eye(4)), 5), axis=0).shape == (5, 3)

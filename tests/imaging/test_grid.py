"""Grids: coordinates in closed form, and equality by shape and corners."""

import numpy as np
import pytest

from nnunet_tv.imaging.grid import Grid

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])


def test_coordinates_of_voxels_and_back():
    affine = np.array([[0, 0, 3.0, 10], [-1, 0, 0, 20], [0, 2, 0, 30], [0, 0, 0, 1]])  # PSR
    grid = Grid((4, 5, 6), affine)
    assert (grid.spacing_mm, grid.orientation, grid.voxel_mm3) == ((1, 2, 3), "PSR", pytest.approx(6))
    assert grid.to_mm(np.array([1, 2, 3])).tolist() == [19, 19, 34]
    assert grid.to_indices(np.array([[19.0, 19, 34]])) == pytest.approx(np.array([[1, 2, 3]]))
    assert grid.points().shape == (4, 5, 6, 3) and grid.points()[1, 2, 3].tolist() == [19, 19, 34]
    assert grid.points((0, 0, 0.5))[1, 2, 3].tolist() == [20.5, 19, 34]


def test_grids_match_by_their_corners():
    grid, turned = Grid((100, 4, 5), AFFINE), AFFINE.copy()
    turned[1, 0] = 1e-4  # 0.01 mm at the far end: more than a thousandth of a voxel
    assert grid.matches(Grid((100, 4, 5), AFFINE + 1e-9)) and grid != Grid((100, 4, 5), AFFINE + 1e-9)
    assert not grid.matches(Grid((100, 4, 5), turned)) and grid.matches(Grid((100, 4, 5), turned), 0.05)
    assert not grid.matches(Grid((99, 4, 5), AFFINE))
    assert grid == Grid((100, 4, 5), AFFINE.copy())

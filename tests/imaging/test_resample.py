"""Resampling against closed forms: linear functions of scanner coordinates are reproduced exactly."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.affine import Affine, rotation_about
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.resample import grids_overlap, index_map, resample_image, resample_mask, share_inside
from nnunet_tv.imaging.volume import Volume

ORIENTATIONS = {
    "RAS": np.eye(3),
    "LPS": np.diag([-1, -1, 1]), "LAS": np.diag([-1, 1, 1]),
    "PSR": np.array([[0, 0, 1], [-1, 0, 0], [0, 1, 0]]),
    "oblique": Rotation.from_euler("xyz", (10, 20, -15), degrees=True).as_matrix(),
}


def make_grid(axes=ORIENTATIONS["RAS"], spacing=(1.0, 1.0, 1.0), shape=(9, 10, 11), centre=(3.0, -2.0, 7.0)) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = axes * np.array(spacing)
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


def shift(*mm: float, turn: np.ndarray = ORIENTATIONS["RAS"]) -> Affine:
    return Affine(rotation_about(turn, np.zeros(3), np.array(mm)), "fixed", "moving")


def slope(position: np.ndarray) -> np.ndarray:
    return position @ (1.0, 10.0, 100.0) + 5000


def filled(grid: Grid, function=slope) -> Volume:
    return Volume(function(grid.points()).astype(np.float32), grid.affine)


def cube(low: int, high: int, side: int) -> Volume:
    return Volume(np.pad(np.ones((high - low,) * 3, np.uint8), (low, side - high)), np.eye(4))


@pytest.mark.parametrize("target", ORIENTATIONS)
@pytest.mark.parametrize("source", ORIENTATIONS)
def test_a_slope_in_scanner_coordinates_is_kept_for_all_axes(source, target):
    image = filled(make_grid(ORIENTATIONS[source], (1.5, 2, 1), (21, 17, 33)))
    grid = make_grid(ORIENTATIONS[target], (1, 1, 2), (9, 10, 5))
    result = resample_image(image, grid)
    assert result.grid == grid and result.data.dtype == np.float32
    assert np.abs(result.data - slope(grid.points())).max() < 0.01


def test_an_equal_grid_keeps_values_bit_for_bit():
    grid, data = make_grid(), np.random.default_rng(0).random((9, 10, 11)).astype(np.float32)
    result = resample_image(Volume(data, grid.affine), grid)
    assert np.array_equal(result.data, data) and result.data is not data
    assert np.array_equal(resample_mask(Volume(data < 0.2, grid.affine), grid).data, data < 0.2)


def test_a_world_map_is_composed_into_the_one_interpolation():
    world = shift(4, -3, 2, turn=ORIENTATIONS["oblique"])
    grid = make_grid(shape=(5, 6, 7), centre=(0, 0, 0))
    image = filled(make_grid(ORIENTATIONS["PSR"], shape=(41, 41, 41), centre=(0, 0, 0)))
    assert np.abs(resample_image(image, grid, world=world).data - slope(world.apply(grid.points()))).max() < 0.01
    expected = np.linalg.inv(image.affine) @ world.matrix @ grid.affine
    assert np.allclose(index_map(image.grid, grid, world=world), expected)


def test_the_outer_half_of_thick_slices_belongs_to_the_image():
    image = Volume(np.ones((4, 4, 2), np.float32), np.diag([1.0, 1.0, 5.0, 1.0]))  # z from -2.5 to 7.5 mm
    result = resample_image(image, Grid((4, 4, 14), shift(0, 0, -4).matrix))
    assert result.data[1, 1].tolist() == [0] + [0] + [1] * 10 + [0, 0]  # z = -4 … 9; -2 … 7 are inside


def test_a_ball_keeps_its_place_and_volume():
    def ball(position):
        return np.linalg.norm(position - (3, -2, 7), axis=-1) < 6

    mask, grid = filled(make_grid(shape=(25, 25, 25)), ball), make_grid(ORIENTATIONS["oblique"], (0.8,) * 3, (30,) * 3)
    result, truth = resample_mask(mask, grid).data.astype(bool), ball(grid.points())
    assert 2 * (result & truth).sum() / (result.sum() + truth.sum()) > 0.95
    assert 0.95 < result.sum() * 0.8**3 / mask.data.sum() < 1.05


def test_a_lesion_smaller_than_a_voxel_stays_as_one_voxel_unless_it_is_off_the_grid():
    coarse = Grid((3, 3, 3), np.diag([4.0, 4.0, 4.0, 1.0]))  # voxel centres at 0, 4, 8
    assert np.argwhere(resample_mask(cube(5, 6, 12), coarse).data).tolist() == [[1, 1, 1]]
    assert not resample_mask(cube(11, 12, 12), Grid((4, 4, 4), np.eye(4))).data.any()


def test_share_inside_counts_voxel_centres():
    voxels = np.array([[x, 1, 1] for x in range(10)])
    source, target = Grid((10, 3, 3), np.eye(4)), Grid((4, 3, 3), np.eye(4))
    assert share_inside(voxels, source, target) == 0.4
    assert share_inside(voxels, source, target, world=shift(7, 0, 0)) == pytest.approx(0.3)  # x = 0 is the source's 7


@pytest.mark.parametrize("gap_mm, expected", [(0, True), (8.9, True), (9.1, False), (500, False)])
def test_overlap_of_grids(gap_mm, expected):
    first, second = make_grid(), make_grid(centre=(3 + gap_mm, -2, 7))  # both 9 mm wide in x
    assert grids_overlap(first, second) is grids_overlap(second, first) is expected
    assert not grids_overlap(first, second, world=shift(900, 0, 0))
    assert grids_overlap(first, second, world=shift(-gap_mm, 0, 0))
    large, small = make_grid(shape=(101,) * 3), make_grid(spacing=(0.1,) * 3, shape=(2, 2, 2), centre=(6.6, 1.3, 2.2))
    assert grids_overlap(large, small) and grids_overlap(small, large)

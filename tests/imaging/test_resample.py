"""Resampling against values known in closed form: linear functions of scanner coordinates are kept exactly."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.resample import grids_overlap, index_map, resample_image, resample_mask, share_inside
from nnunet_tv.imaging.volume import Volume

ORIENTATIONS = {
    "RAS": np.eye(3),
    "LPS": np.diag([-1, -1, 1]),
    "LAS": np.diag([-1, 1, 1]),
    "PSR": np.array([[0, 0, 1], [-1, 0, 0], [0, 1, 0]]),
    "oblique": Rotation.from_euler("xyz", (10, 20, -15), degrees=True).as_matrix(),
}


def grid(axes=ORIENTATIONS["RAS"], spacing=(1.0, 1.0, 1.0), shape=(9, 10, 11), centre=(3.0, -2.0, 7.0)) -> Volume:
    affine = np.eye(4)
    affine[:3, :3] = axes * np.array(spacing)
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Volume(np.zeros(shape, np.float32), affine)


def points(volume: Volume) -> np.ndarray:
    indices = np.stack(np.meshgrid(*map(np.arange, volume.shape), indexing="ij"), axis=-1)
    return indices @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def filled(volume: Volume, function) -> Volume:
    return Volume(function(points(volume)).astype(np.float32), volume.affine)


def slope(position: np.ndarray) -> np.ndarray:
    return position @ (1.0, 10.0, 100.0) + 5000


@pytest.mark.parametrize("target", ORIENTATIONS)
@pytest.mark.parametrize("source", ORIENTATIONS)
def test_a_slope_in_scanner_coordinates_stays_whatever_the_axes(source, target):
    image = filled(grid(ORIENTATIONS[source], (1.5, 2, 1), (21, 17, 33)), slope)
    like = grid(ORIENTATIONS[target], (1, 1, 2), (9, 10, 5))
    result = resample_image(image, like)
    assert result.data.shape == like.shape and result.data.dtype == np.float32
    assert np.array_equal(result.affine, like.affine)
    assert np.abs(result.data - slope(points(like))).max() < 0.01


def test_an_equal_grid_keeps_values_bit_for_bit():
    data = np.random.default_rng(0).random((9, 10, 11)).astype(np.float32)
    result = resample_image(Volume(data, grid().affine), grid())
    assert np.array_equal(result.data, data) and result.data is not data


def test_a_world_transform_is_composed_into_the_one_interpolation():
    world = np.eye(4)
    world[:3, :3] = ORIENTATIONS["oblique"]
    world[:3, 3] = 4, -3, 2
    like = grid(shape=(5, 6, 7), centre=(0, 0, 0))
    image = filled(grid(ORIENTATIONS["PSR"], shape=(41, 41, 41), centre=(0, 0, 0)), slope)
    expected = slope(points(like) @ world[:3, :3].T + world[:3, 3])
    assert np.abs(resample_image(image, like, world=world).data - expected).max() < 0.01
    assert np.allclose(index_map(image, like, world=world), np.linalg.inv(image.affine) @ world @ like.affine)


def test_the_outer_half_of_thick_slices_belongs_to_the_image():
    image = Volume(np.ones((4, 4, 2), np.float32), np.diag([1.0, 1.0, 5.0, 1.0]))  # z from -2.5 to 7.5 mm
    affine = np.eye(4)
    affine[2, 3] = -4
    result = resample_image(image, Volume(np.zeros((4, 4, 14), np.float32), affine))
    assert result.data[1, 1].tolist() == [0] + [0] + [1] * 10 + [0, 0]  # z = -4 … 9; -2 … 7 lie inside


def test_a_mask_moved_by_one_voxel_moves_by_one_voxel():
    data = np.zeros((8, 8, 8), np.uint8)
    data[2:5, 3:6, 1:4] = 1
    moved = np.eye(4)
    moved[0, 3] = 1
    result = resample_mask(Volume(data, np.eye(4)), Volume(np.zeros((8, 8, 8)), moved))
    assert result.data.dtype == np.uint8
    assert np.array_equal(result.data[:7], data[1:]) and not result.data[7].any()


def test_a_mask_on_an_equal_grid_is_kept():
    data = (np.random.default_rng(0).random((9, 10, 11)) < 0.2).astype(np.uint8)
    assert np.array_equal(resample_mask(Volume(data, grid().affine), grid()).data, data)


def test_a_ball_keeps_its_place_and_volume():
    def ball(position):
        return np.linalg.norm(position - (3, -2, 7), axis=-1) < 6

    mask = filled(grid(shape=(25, 25, 25)), ball)
    like = grid(ORIENTATIONS["oblique"], (0.8, 0.8, 0.8), (30, 30, 30))
    result, truth = resample_mask(mask, like).data.astype(bool), ball(points(like))
    assert 2 * (result & truth).sum() / (result.sum() + truth.sum()) > 0.95
    assert 0.95 < result.sum() * 0.8**3 / mask.data.sum() < 1.05


def test_a_lesion_smaller_than_a_voxel_of_the_grid_stays_as_one_voxel():
    data = np.zeros((12, 12, 12), np.uint8)
    data[5, 5, 5] = 1
    coarse = Volume(np.zeros((3, 3, 3)), np.diag([4.0, 4.0, 4.0, 1.0]))  # voxel centres at 0, 4, 8
    assert np.argwhere(resample_mask(Volume(data, np.eye(4)), coarse).data).tolist() == [[1, 1, 1]]


def test_a_mask_off_the_grid_leaves_nothing():
    data = np.zeros((12, 12, 12), np.uint8)
    data[11, 11, 11] = 1
    small = Volume(np.zeros((4, 4, 4)), np.eye(4))
    assert not resample_mask(Volume(data, np.eye(4)), small).data.any()


def test_share_inside_counts_voxel_centres():
    data = np.zeros((10, 3, 3), np.uint8)
    data[:, 1, 1] = 1
    like = Volume(np.zeros((4, 3, 3)), np.eye(4))
    assert share_inside(Volume(data, np.eye(4)), like) == 0.4
    shift = np.eye(4)
    shift[0, 3] = 7  # the grid's x = 0 is the mask's x = 7
    assert share_inside(Volume(data, np.eye(4)), like, world=shift) == pytest.approx(0.3)


@pytest.mark.parametrize("gap_mm, expected", [(0, True), (8.9, True), (9.1, False), (500, False)])
def test_overlap_of_grids(gap_mm, expected):
    first, second = grid(), grid(centre=(3 + gap_mm, -2, 7))  # both 9 mm wide in x
    assert grids_overlap(first, second) is expected
    assert grids_overlap(second, first) is expected


def test_a_small_grid_within_a_large_one_overlaps():
    large, small = grid(shape=(101, 101, 101)), grid(spacing=(0.1, 0.1, 0.1), shape=(2, 2, 2), centre=(6.6, 1.3, 2.2))
    assert grids_overlap(large, small) and grids_overlap(small, large)


def test_overlap_after_a_world_transform():
    away = np.eye(4)
    away[0, 3] = 500
    assert not grids_overlap(grid(), grid(), world=away)
    assert grids_overlap(grid(), grid(centre=(-497, -2, 7)), world=away)

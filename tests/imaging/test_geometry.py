"""Matrices, axes, and the ITK file, read back by SimpleITK itself."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.geometry import (
    about,
    apply,
    canonical,
    displacement_mm,
    nearest_rotation,
    random_points,
    read_itk_transform,
    voxel_points,
    write_itk_transform,
)
from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.registration.template import GRID_ORIGIN_MM, GRID_SHAPE, load_template

TURN = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix()


def affine_map() -> np.ndarray:
    matrix = about(TURN, (1, 2, 3), (-4, 5, 6))
    matrix[:3, :3] *= (1.1, 0.9, 1.05)
    return matrix


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PSR", "LAS", "RSP", "AIL"])
def test_canonical_axes_keep_every_voxel_where_it_is(axes):
    code = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"),
                                           nib.orientations.axcodes2ornt(tuple(axes)))
    image = nib.Nifti1Image(np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.diag([1.0, 2, 3, 1]))
    stored = image.as_reoriented(code)
    volume = Volume(np.asarray(stored.dataobj), stored.affine)
    assert volume.orientation == axes
    result = canonical(volume)
    assert result.orientation == "RAS"
    assert np.array_equal(result.data, image.dataobj) and np.allclose(result.affine, image.affine)


def test_an_itk_file_resamples_the_moving_image_onto_the_fixed_one(tmp_path):
    """SimpleITK, reading NIfTI in its own LPS, finds the moving ball where the matrix says."""
    matrix, ball = affine_map(), np.array([6.0, -4.0, 9.0])
    grid = np.diag([1.5, 1.5, 1.5, 1.0])
    grid[:3, 3] = -30
    indices = np.stack(np.meshgrid(*[np.arange(41)] * 3, indexing="ij"), -1)
    data = np.exp(-(np.linalg.norm(apply(grid, indices) - ball, axis=-1) ** 2) / 30).astype(np.float32)
    write_volume(Volume(data, grid), tmp_path / "moving.nii.gz")
    write_itk_transform(matrix, tmp_path / "map.tfm")
    image = sitk.ReadImage(str(tmp_path / "moving.nii.gz"))
    moved = sitk.GetArrayFromImage(sitk.Resample(image, sitk.ReadTransform(str(tmp_path / "map.tfm")))).T
    centre = (moved[..., None] * apply(grid, indices)).sum((0, 1, 2)) / moved.sum()
    assert np.linalg.norm(centre - apply(matrix, ball)) < 0.1


def test_an_itk_file_is_read_back(tmp_path):
    write_itk_transform(affine_map(), tmp_path / "map.tfm")
    assert np.allclose(read_itk_transform(tmp_path / "map.tfm"), affine_map(), atol=1e-9)
    assert [path.name for path in tmp_path.iterdir()] == ["map.tfm"]


def test_about_turns_around_the_centre():
    matrix = about(TURN, (1, 2, 3), (7, 8, 9))
    assert np.allclose(apply(matrix, np.array([1.0, 2, 3])), (7, 8, 9))
    assert np.allclose(matrix[:3, :3], TURN)


def test_the_nearest_rotation_keeps_handedness():
    assert np.allclose(nearest_rotation(TURN * (1.0, 1.001, 0.999)), TURN, atol=2e-3)
    mirrored = TURN @ np.diag([-1, 1, 1])
    assert np.linalg.det(nearest_rotation(mirrored * 1.01)) == pytest.approx(-1)


def test_displacement_and_voxel_points():
    shift = np.eye(4)
    shift[:3, 3] = 3, 0, 4
    data = np.zeros((3, 3, 3), np.uint8)
    data[1, 2, 0] = 1
    points = voxel_points(Volume(data, np.diag([2.0, 1, 1, 1])))
    assert displacement_mm(shift, np.eye(4), np.zeros((2, 3))).tolist() == [5, 5]
    assert points.tolist() == [[2, 2, 0]]
    assert random_points(Volume(data, np.diag([2.0, 1, 1, 1])), 9).tolist() == [[2, 2, 0]]
    some = random_points(Volume(data + 1, np.eye(4)), 5)
    assert np.unique(some, axis=0).shape == (5, 3)


def test_the_template_is_on_fsls_grid_and_symmetric():
    template = load_template()
    assert template.t1.shape == GRID_SHAPE == (182, 218, 182)
    assert template.t1.affine[:3, 3].tolist() == list(GRID_ORIGIN_MM) and template.t1.orientation == "RAS"
    volume_ml = template.brain.data.sum() / 1000
    assert 1700 < volume_ml < 2000
    centre = voxel_points(template.brain).mean(axis=0)
    assert abs(centre[0]) < 1
    white = template.white.data > 0.8
    assert template.t1.data[white].mean() > 1.2 * template.t1.data[template.grey.data > 0.8].mean()

"""Affine maps, and the ITK file, read back by SimpleITK itself."""

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.affine import Affine, displacement_mm, nearest_rotation, rotation_about
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume, write_volume

TURN = Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix()


@pytest.fixture
def affine() -> Affine:
    matrix = rotation_about(TURN, (1, 2, 3), (-4, 5, 6))
    matrix[:3, :3] *= (1.1, 0.9, 1.05)
    return Affine(matrix, "moving", "fixed")


def test_maps_compose_only_where_their_spaces_meet(affine):
    points = np.random.default_rng(0).normal(size=(5, 3))
    back = affine.inverse()
    assert (back.source, back.target) == ("fixed", "moving") and np.allclose(back.apply(affine.apply(points)), points)
    stretch = Affine(np.diag([2.0, 3, 4, 1]), "fixed", "mni")
    both = stretch @ affine
    assert (both.source, both.target) == ("moving", "mni") and stretch.volume_ratio == pytest.approx(24)
    assert np.allclose(both.apply(points), affine.apply(points) * (2, 3, 4))
    assert affine @ Affine.identity("moving") == affine != Affine(affine.matrix, "moving", "mni")
    for first, second in ((stretch, affine), (affine, affine)):
        with pytest.raises(ValueError, match=f"cannot apply moving -> fixed after {first.source} -> {first.target}"):
            second @ first


def test_an_itk_file_resamples_the_moving_image_on_the_fixed_one(tmp_path, affine):
    """SimpleITK, which reads NIfTI in its own LPS, finds a ball at the mapped place."""
    ball = np.array([6.0, -4.0, 9.0])
    grid = Grid((41, 41, 41), np.diag([1.5, 1.5, 1.5, 1.0]))
    grid.affine[:3, 3] = -30
    data = np.exp(-(np.linalg.norm(grid.points() - ball, axis=-1) ** 2) / 30).astype(np.float32)
    write_volume(Volume(data, grid.affine), tmp_path / "moving.nii.gz")
    affine.write_itk(tmp_path / "map.tfm")
    image = sitk.ReadImage(str(tmp_path / "moving.nii.gz"))
    moved = sitk.GetArrayFromImage(sitk.Resample(image, sitk.ReadTransform(str(tmp_path / "map.tfm")))).T
    centre = (moved[..., None] * grid.points()).sum((0, 1, 2)) / moved.sum()
    assert np.linalg.norm(centre - affine.apply(ball)) < 0.1
    again = Affine.read_itk(tmp_path / "map.tfm", "moving", "fixed")
    assert np.allclose(again.matrix, affine.matrix, atol=1e-9) and len(list(tmp_path.iterdir())) == 2


def test_rotations_and_displacements_in_closed_form():
    matrix = Affine(rotation_about(TURN, (1, 2, 3), (7, 8, 9)), "a", "b")
    assert np.allclose(matrix.apply(np.array([1.0, 2, 3])), (7, 8, 9)) and np.allclose(matrix.matrix[:3, :3], TURN)
    assert np.allclose(nearest_rotation(TURN * (1.0, 1.001, 0.999)), TURN, atol=2e-3)
    assert np.linalg.det(nearest_rotation(TURN @ np.diag([-1, 1, 1]) * 1.01)) == pytest.approx(-1)  # a flip stays
    shift = rotation_about(np.eye(3), np.zeros(3), (3, 0, 4))
    assert displacement_mm(shift, np.eye(4), np.zeros((2, 3))).tolist() == [5, 5]

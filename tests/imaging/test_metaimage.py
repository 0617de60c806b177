"""MetaImage: sides by one bright voxel, for all directions, and faulty files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.metaimage import read_metaimage
from nnunet_tv.imaging.volume import read_mask, read_volume
from nnunet_tv.utils.errors import CaseError

#: The bright voxel in ITK's LPS mm: on the patient's left, in front, above.
LEFT_FRONT_TOP_LPS = np.array([30.0, -40.0, 25.0])
SPACING_MM, SIZE = np.array([2.0, 3.0, 4.0]), (12, 10, 8)
DIRECTIONS = {
    "identity": np.eye(3),
    "left and right flipped": np.diag([-1.0, 1, 1]),
    "all flipped": np.diag([-1.0, -1, -1]),
    "sagittal": np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]),
    "coronal, left-handed": np.array([[1.0, 0, 0], [0, 0, 1], [0, 1, 0]]),
    "oblique": Rotation.from_euler("xyz", (20, -15, 35), degrees=True).as_matrix(),
    "oblique, left-handed": Rotation.from_euler("xyz", (-25, 10, 40), degrees=True).as_matrix() @ np.diag([1.0, 1, -1]),
}


def save(path: Path, directions: np.ndarray = DIRECTIONS["identity"], *, dtype=np.float32,
         compressed: bool = False) -> Path:
    """An image written by ITK with the value 7 in voxel (9, 2, 1) at LEFT_FRONT_TOP_LPS."""
    data = np.zeros(SIZE[::-1], dtype)
    data[1, 2, 9] = 7
    image = sitk.GetImageFromArray(data)
    image.SetSpacing(SPACING_MM.tolist())
    image.SetDirection(directions.ravel().tolist())
    image.SetOrigin((LEFT_FRONT_TOP_LPS - directions @ (SPACING_MM * (9, 2, 1))).tolist())
    sitk.WriteImage(image, str(path), useCompression=compressed)
    return path


def raises(match: str, path: Path):
    return pytest.raises(CaseError, match=f"^c-1: {re.escape(str(path))}: .*{match}")


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("compressed", [False, True])
def test_left_front_and_top_are_where_itk_has_them(tmp_path, name, compressed):
    volume = read_volume(save(tmp_path / "a.mha", DIRECTIONS[name], compressed=compressed), case="c-1")
    assert volume.shape == SIZE and volume.data.dtype == np.float32
    (index,) = np.argwhere(volume.data == 7)
    assert index.tolist() == [9, 2, 1]
    place = volume.affine @ [*index, 1]
    assert place[:3] == pytest.approx([-30, 40, 25])  # RAS+: left of the middle is negative, in front positive
    assert volume.spacing_mm == pytest.approx(SPACING_MM)


def test_the_same_image_as_nifti_is_the_same_volume(tmp_path):
    """ITK's own conversion to NIfTI is an independent reference for LPS to RAS."""
    path = save(tmp_path / "a.mha", DIRECTIONS["oblique"])
    sitk.WriteImage(sitk.ReadImage(str(path)), str(tmp_path / "a.nii.gz"))
    ours, theirs = read_volume(path, case="c-1"), read_volume(tmp_path / "a.nii.gz", case="c-1")
    assert np.array_equal(ours.data, theirs.data) and ours.affine == pytest.approx(theirs.affine, abs=1e-4)


def test_a_trailing_axis_of_one_is_dropped(tmp_path):
    image = sitk.JoinSeries([sitk.ReadImage(str(save(tmp_path / "a.mha", DIRECTIONS["sagittal"])))])
    sitk.WriteImage(image, str(tmp_path / "b.mha"))
    one, other = (read_volume(tmp_path / name, case="c-1") for name in ("a.mha", "b.mha"))
    assert other.shape == SIZE and other.affine == pytest.approx(one.affine)


def test_other_dimensions_and_colour(tmp_path):
    three = sitk.ReadImage(str(save(tmp_path / "a.mha")))
    sitk.WriteImage(sitk.JoinSeries([three, three]), str(tmp_path / "b.mha"))
    with raises(r"expected a 3D image, found shape \(12, 10, 8, 2\)", tmp_path / "b.mha"):
        read_volume(tmp_path / "b.mha", case="c-1")
    sitk.WriteImage(three[:, :, 0], str(tmp_path / "c.mha"))
    with raises(r"expected a 3D image, found shape \(12, 10\)", tmp_path / "c.mha"):
        read_volume(tmp_path / "c.mha", case="c-1")
    sitk.WriteImage(sitk.Compose(three, three), str(tmp_path / "d.mha"))
    with raises(r"expected one value a voxel, found 2", tmp_path / "d.mha"):
        read_metaimage(tmp_path / "d.mha", case="c-1")


@pytest.mark.parametrize("compressed, message", [
    (False, r"expected 3840 bytes of voxels \(12 10 8 of MET_FLOAT\), found 3\d\d\d"),
    (True, "its compressed voxels are cut or damaged .*incomplete or truncated stream"),
])
def test_a_truncated_file(tmp_path, compressed, message):
    path = save(tmp_path / "a.mha", compressed=compressed)
    path.write_bytes(path.read_bytes()[:-7])
    with raises(message, path):
        read_volume(path, case="c-1")


def test_a_changed_bit_in_compressed_voxels(tmp_path):
    path = save(tmp_path / "a.mha", compressed=True)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # the checksum's last byte
    path.write_bytes(content)
    with raises("cut or damaged .*incorrect data check", path):
        read_volume(path, case="c-1")


@pytest.mark.parametrize("change, message", [
    ((b"ElementDataFile = LOCAL", b"ElementDataFile = a.raw"), r"its voxels are in another file \(a.raw\)"),
    ((b"DimSize = 12 10 8", b"DimSize = 12 ten 8"), "not a readable MetaImage .ValueError in its header"),
    ((b"ElementType = MET_FLOAT", b"ElementType = MET_STRING"), "not a readable MetaImage .KeyError in its header"),
    ((b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n", b""), r"no scanner coordinates \(TransformMatrix\)"),
    ((b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n", b"TransformMatrix = 1 0 0 0 1 0 0 0 0\n"),
     "not a readable MetaImage .*Bad direction"),
    ((b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n", b"TransformMatrix = 1 0 0 0.3 1 0 0 0 1\n"), "the affine is sheared"),
])
def test_a_faulty_header(tmp_path, change, message):
    path = save(tmp_path / "a.mha")
    assert change[0] in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(*change))
    with raises(message, path):
        read_volume(path, case="c-1")


@pytest.mark.parametrize("content", [b"", b"not an image\n", b"a = b\n" * 20000, b"\x00\x01" * 500])
def test_another_file_with_this_ending(tmp_path, content):
    path = tmp_path / "a.mha"
    path.write_bytes(content)
    with raises("not a readable MetaImage .no ElementDataFile in its header.", path):
        read_volume(path, case="c-1")


def test_a_mask_of_0_and_255(tmp_path):
    image = sitk.ReadImage(str(save(tmp_path / "a.mha", dtype=np.uint8)))
    sitk.WriteImage(image / 7 * 255, str(tmp_path / "b.mha"))
    with raises("found 0, 255: decide which values are lesion", tmp_path / "b.mha"):
        read_mask(tmp_path / "b.mha", case="c-1")
    sitk.WriteImage(sitk.Cast(image / 7, sitk.sitkUInt8), str(tmp_path / "c.mha"))
    assert read_mask(tmp_path / "c.mha", case="c-1").data.sum() == 1

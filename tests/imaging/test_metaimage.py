"""MetaImage: sides by one bright voxel, for all directions, and faulty files."""

import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.volume import read_volume, same_grid
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


def save(path: Path, directions: np.ndarray = DIRECTIONS["identity"], *, compressed: bool = False) -> Path:
    """An image written by ITK with the value 7 in voxel (9, 2, 1) at LEFT_FRONT_TOP_LPS."""
    image = sitk.Image(SIZE, sitk.sitkFloat32)
    image[9, 2, 1] = 7
    image.SetSpacing(SPACING_MM.tolist())
    image.SetDirection(directions.ravel().tolist())
    image.SetOrigin((LEFT_FRONT_TOP_LPS - directions @ (SPACING_MM * (9, 2, 1))).tolist())
    sitk.WriteImage(image, str(path), useCompression=compressed)
    return path


def refused(path: Path, match: str) -> None:
    with pytest.raises(CaseError, match=f"^c-1: {re.escape(str(path))}: .*{match}"):
        read_volume(path, case="c-1")


@pytest.mark.parametrize("name", DIRECTIONS)
@pytest.mark.parametrize("compressed", [False, True])
def test_left_front_and_top_are_where_itk_has_them(tmp_path, name, compressed):
    """By the bright voxel, and by ITK's own conversion to NIfTI, an independent reference for LPS to RAS."""
    volume = read_volume(save(tmp_path / "a.mha", DIRECTIONS[name], compressed=compressed), case="c-1")
    assert volume.shape == SIZE and volume.data.dtype == np.float32 and volume.spacing_mm == pytest.approx(SPACING_MM)
    (index,) = np.argwhere(volume.data == 7)
    assert index.tolist() == [9, 2, 1]
    assert volume.grid.to_mm(index) == pytest.approx([-30, 40, 25])  # RAS+: left of the middle is negative
    sitk.WriteImage(sitk.ReadImage(str(tmp_path / "a.mha")), str(tmp_path / "a.nii.gz"))
    other = read_volume(tmp_path / "a.nii.gz", case="c-1")
    assert np.array_equal(volume.data, other.data) and volume.affine == pytest.approx(other.affine, abs=1e-4)


def test_other_dimensions_and_colour(tmp_path):
    three = sitk.ReadImage(str(save(tmp_path / "a.mha", DIRECTIONS["sagittal"])))
    one = read_volume(tmp_path / "a.mha", case="c-1")
    sitk.WriteImage(sitk.JoinSeries([three]), str(tmp_path / "a.mha"))
    assert same_grid(read_volume(tmp_path / "a.mha", case="c-1"), one)
    for image, message in ((sitk.JoinSeries([three, three]), r"expected a 3D image, found shape \(12, 10, 8, 2\)"),
                           (three[:, :, 0], r"expected a 3D image, found shape \(12, 10\)"),
                           (sitk.Compose(three, three), "expected one value a voxel, found 2")):
        sitk.WriteImage(image, str(tmp_path / "c.mha"))
        refused(tmp_path / "c.mha", message)


MATRIX = b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n"
NO_HEADER = "not a readable MetaImage .no ElementDataFile in its header."


@pytest.mark.parametrize("compressed, change, message", [
    (False, lambda content: content[:-7], r"expected 3840 bytes of voxels \(12 10 8 of MET_FLOAT\), found 3\d\d\d"),
    (True, lambda content: content[:-7], "its compressed voxels are cut or damaged .*incomplete or truncated stream"),
    (True, lambda content: content[:-1] + bytes([content[-1] ^ 1]), "cut or damaged .*incorrect data check"),
    (False, (b"ElementDataFile = LOCAL", b"ElementDataFile = a.raw"), r"its voxels are in another file \(a.raw\)"),
    (False, (b"DimSize = 12 10 8", b"DimSize = 12 ten 8"), "not a readable MetaImage .ValueError in its header"),
    (False, (b"Type = MET_FLOAT", b"Type = MET_STRING"), "not a readable MetaImage .KeyError in its header"),
    (False, (MATRIX, b""), r"no scanner coordinates \(TransformMatrix\)"),
    (False, (MATRIX, MATRIX.replace(b"1\n", b"0\n")), "not a readable MetaImage .*Bad direction"),
    (False, (MATRIX, MATRIX.replace(b"0 1 0", b"0.3 1 0")), "the affine is sheared"),
    *((False, lambda _, content=content: content, NO_HEADER)
      for content in (b"", b"not an image\n", b"a = b\n" * 20000, b"\x00\x01" * 500)),
])
def test_a_faulty_file(tmp_path, compressed, change, message):
    path = save(tmp_path / "a.mha", compressed=compressed)
    before = path.read_bytes()
    path.write_bytes(change(before) if callable(change) else before.replace(*change))
    assert path.read_bytes() != before
    refused(path, message)

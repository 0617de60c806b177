"""Reading with every check, each naming the case and the file; writing as nnU-Net's reader reads."""

import gzip
import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume, canonical, check_file, read_mask, read_volume, write_volume
from nnunet_tv.utils.errors import CaseError

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE, code: int = 1) -> Path:
    image = nib.Nifti1Image(data, None)  # without an affine nibabel leaves the header as it is, broken or not
    image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = affine[:3]
    image.header["sform_code"], image.header["qform_code"] = code, 0
    image.to_filename(path)
    return path


def ramp(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def refused(path: Path, match: str, read=read_volume) -> None:
    with pytest.raises(CaseError, match=f"^sub-1: {re.escape(str(path))}: .*{match}"):
        read(path, case="sub-1")


def test_a_volume_is_read_as_float32_with_its_affine(tmp_path):
    for name, data in (("a.nii.gz", ramp(3, 4, 5).astype(np.int16)), ("b.nii", ramp(3, 4, 5, 1))):
        volume = read_volume(save(tmp_path / name, data), case="sub-1")
        assert volume.data.dtype == np.float32 and np.array_equal(volume.data, ramp(3, 4, 5))
        assert np.array_equal(volume.affine, AFFINE) and volume.grid == Grid((3, 4, 5), AFFINE)


def test_files_without_content(tmp_path, monkeypatch):
    path = tmp_path / "a.nii.gz"
    refused(path, "no such file")
    path.symlink_to("../.git/annex/objects/nothing")
    refused(path, "dangling link.*datalad get", check_file)
    path.unlink()
    path.write_text("/annex/objects/MD5E-s123--abc.nii.gz\n")
    refused(path, "git-annex pointer")
    refused(tmp_path, "found a folder", check_file)

    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    refused(path, "cannot be opened .Permission denied", check_file)


def huge(content: bytes) -> bytes:
    """A header with a size that no machine holds."""
    plain = gzip.decompress(content)
    return gzip.compress(plain[:42] + np.array([30000] * 3, "<i2").tobytes() + plain[48:])


def damaged(content: bytes) -> bytes:
    """A flipped bit in the checksum: nibabel stops before it, and other flipped bits can decompress to another mask."""
    return content[:-6] + bytes([content[-6] ^ 1]) + content[-5:]


@pytest.mark.parametrize("change, message", [
    *((lambda _, content=content: content, "") for content in (b"", b"not an image", b"\x1f\x8b\x08broken")),
    (lambda content: content[:5000], ""), (damaged, ".*CRC check failed"), (huge, ""),
])
def test_an_unreadable_file(tmp_path, change, message):
    path = save(tmp_path / "a.nii.gz", np.random.default_rng(0).random((20, 20, 20)).astype(np.float32))
    path.write_bytes(change(path.read_bytes()))
    refused(path, f"not a readable NIfTI image {message}")


SHEARED = np.eye(4)
SHEARED[0, 1] = 0.1
COLOUR = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])


@pytest.mark.parametrize("data, options, message", [
    (ramp(3, 4, 5, 2), {}, r"expected a 3D image, found shape \("), (ramp(3, 4), {}, "expected a 3D image"),
    (ramp(3, 0, 2), {}, "expected a 3D image"), (COLOUR, {}, "expected real numbers"),
    (ramp(2, 2, 2).astype(np.complex64), {}, "expected real numbers"),
    (np.select([ramp(3, 3, 3) > 25, ramp(3, 3, 3) > 24], [np.nan, np.inf]), {}, "2 voxels are NaN or infinite"),
    (ramp(3, 3, 3), {"affine": np.diag([1.0, 0.0, 1.0, 1.0])}, "the affine is not invertible"),
    (ramp(3, 3, 3), {"affine": np.diag([1.0, np.nan, 1.0, 1.0])}, "the affine is not invertible"),
    (ramp(3, 3, 3), {"code": 0}, "no scanner coordinates"),
    (ramp(3, 3, 3), {"affine": SHEARED}, "the affine is sheared .*0.0995"),
])
def test_unusable_images(tmp_path, data, options, message):
    refused(save(tmp_path / "a.nii.gz", data, **options), message)


@pytest.mark.parametrize("size", [0.0, np.nan])
def test_a_voxel_size_of_zero_is_not_replaced_by_1_mm(tmp_path, size):
    image = nib.Nifti1Image(ramp(3, 3, 3), None)
    image.set_qform(np.eye(4), code=1)
    image.set_sform(None, code=0)
    stored = bytearray(image.to_bytes())
    stored[88:92] = np.array([size], "<f4").tobytes()  # pixdim[3]
    (tmp_path / "a.nii").write_bytes(stored)
    refused(tmp_path / "a.nii", "the affine is not invertible: the header's voxel size is .*mm; repair")


def test_masks_of_0_and_1(tmp_path):
    for data in (np.zeros((4, 4, 4), np.float32), (ramp(4, 4, 4) == 27).astype(np.float32)):
        mask = read_mask(save(tmp_path / "a.nii.gz", data), case="sub-1").data
        assert mask.dtype == np.uint8 and np.array_equal(mask, data)


@pytest.mark.parametrize("values", [(0, 1, 2), (0, 0.5, 1), (1, 2), (-1, 0), (-1, 0, 1), (0, 255), (0, 0.9999)])
def test_masks_of_other_values(tmp_path, values):
    found = ", ".join(f"{np.float32(value):.9g}" for value in values)
    path = save(tmp_path / "a.nii.gz", np.resize(np.array(values, np.float32), (3, 3, 3)))
    refused(path, rf"expected the labels 0 \(background\) and 1 \(lesion\), found {found}: decide", read_mask)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "PSR", "LAS", "RSP", "AIL"])
def test_canonical_axes_keep_every_voxel_where_it_is(axes):
    image = nib.Nifti1Image(ramp(2, 3, 4), AFFINE)
    stored = image.as_reoriented(nib.orientations.ornt_transform(*map(nib.orientations.axcodes2ornt, ("RAS", axes))))
    volume = Volume(np.asarray(stored.dataobj), stored.affine)
    result = canonical(volume)
    assert volume.orientation == axes and result.orientation == "RAS"
    assert np.array_equal(result.data, image.dataobj) and np.allclose(result.affine, image.affine)


@pytest.mark.parametrize("axes", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1)])
def test_sitk_reads_the_geometry_that_was_written(tmp_path, axes):
    affine = np.diag([*np.array(axes) * (1.0, 2.0, 3.0), 1.0])
    affine[:3, 3] = 10, -20, 30
    write_volume(Volume(ramp(3, 4, 5), affine), tmp_path / "a.nii.gz")
    image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    for index in ((0, 0, 0), (2, 3, 4), (1, 0, 3)):
        lps = np.array(image.TransformIndexToPhysicalPoint(index))
        assert np.allclose(lps * (-1, -1, 1), (affine @ (*index, 1))[:3], atol=1e-4)
        assert image[index] == ramp(3, 4, 5)[index]
    (qform, qcode), (sform, scode) = (getattr(nib.load(tmp_path / "a.nii.gz"), f"get_{name}")(coded=True)
                                      for name in ("qform", "sform"))
    assert np.allclose(qform, sform, atol=1e-5) and qcode == scode == 1 and os.listdir(tmp_path) == ["a.nii.gz"]

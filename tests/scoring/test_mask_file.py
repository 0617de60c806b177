"""The fast way and the careful way to read a mask give the same, and faults go to the careful one."""

import gzip

import nibabel as nib
import numpy as np
import pytest

from nnunet_tv.imaging.volume import read_mask
from nnunet_tv.scoring import mask_file
from nnunet_tv.scoring.mask_file import read_mask_hashed
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import sha256

AFFINE = np.array([[0, -1.5, 0, -20], [2, 0, 0, 5], [0, 0, 3, 7], [0, 0, 0, 1.0]])


def mask():
    return (np.random.default_rng(1).random((5, 6, 7)) < 0.3).astype(np.uint8)


def save(path, data=None, *, affine=AFFINE, kind=nib.Nifti1Image, slope=None):
    image = kind(mask() if data is None else data, affine)
    if affine is not None:
        image.set_sform(affine, code=1)
    if slope:
        image.header.set_slope_inter(*slope)
    nib.save(image, path)
    return path


@pytest.fixture
def careful(monkeypatch):
    """Paths that were read the careful way."""
    seen = []
    monkeypatch.setattr(mask_file, "read_mask", lambda path, case: seen.append(path) or read_mask(path, case=case))
    return seen


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, ">i2"])
def test_ordinary_files_are_read_once(tmp_path, careful, dtype):
    path = save(tmp_path / "a.nii.gz", mask().astype(dtype))
    volume, digest = read_mask_hashed(path, case="a")
    assert careful == [] and digest == sha256(path) and volume.data.dtype == np.uint8
    np.testing.assert_array_equal(volume.data, mask())
    np.testing.assert_array_equal(volume.affine, read_mask(path, case="a").affine)


@pytest.mark.parametrize(("name", "options"), [
    ("a.nii", {}), ("a.nii.gz", {"kind": nib.Nifti2Image}), ("a.nii.gz", {"data": mask().astype(np.float32)}),
    ("a.nii.gz", {"data": mask()[..., None]}), ("a.nii.gz", {"data": mask() * 2, "slope": (0.5, 0)}),
])
def test_other_files_are_read_with_care(tmp_path, careful, name, options):
    path = save(tmp_path / name, **options)
    volume, digest = read_mask_hashed(path, case="a")
    assert careful == [path] and digest == sha256(path)
    np.testing.assert_array_equal(volume.data, read_mask(path, case="a").data)


def damage(path, change):
    """Save a mask, then change its bytes."""
    save(path)
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(("write", "message"), [
    (lambda path: save(path, mask() * 3), "found 0, 3"),
    (lambda path: save(path, -mask().astype(np.int16)), "found -1, 0"),
    (lambda path: save(path, np.zeros((4, 5, 6, 2), np.uint8)), "expected a 3D image"),
    (lambda path: save(path, affine=np.eye(4) + np.diag([0.2, 0, 0], 1)), "sheared"),
    (lambda path: damage(path, lambda content: content[:-6]), "not a readable"),
    (lambda path: damage(path, lambda content: content[:-6] + bytes([content[-6] ^ 255]) + content[-5:]),  # checksum
     "not a readable"),
    (lambda path: save(path, affine=None), "no scanner coordinates"),
    (lambda path: path.write_bytes(gzip.compress(b"not an image")), "not a readable"),
    (lambda path: path.mkdir(), "found a folder"), (lambda path: None, "no such file"),
])
def test_faults_are_named(tmp_path, write, message):
    write(tmp_path / "a.nii.gz")
    with pytest.raises(CaseError, match=f"^sub-7: .*a.nii.gz: .*{message}"):
        read_mask_hashed(tmp_path / "a.nii.gz", case="sub-7")

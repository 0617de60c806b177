"""Masks read fast: most of the time of scoring many volumes would go into reading each file three times."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.volume import SHEAR_TOLERANCE, Volume, check_file, read_mask
from nnunet_tv.utils.files import sha256


def read_mask_hashed(path: str | Path, *, case: str) -> tuple[Volume, str]:
    """:func:`nnunet_tv.imaging.volume.read_mask` and the file's SHA-256.

    A file such as nnU-Net writes (``.nii.gz``, NIfTI-1, integers without scaling, an sform) is read and unpacked
    once, to its checksum. Every other file, and every file with a fault, goes through ``read_mask``, which knows
    what to say.
    """
    path = check_file(path, case)
    try:
        plain = _read_plain(path)
    except Exception:  # whatever it is, the careful way names it
        plain = None
    return plain or (read_mask(path, case=case), sha256(path))


def _read_plain(path: Path) -> tuple[Volume, str] | None:
    if not path.name.endswith(".nii.gz"):
        return None
    packed = path.read_bytes()
    image = nib.Nifti1Image.from_bytes(gzip.decompress(packed))
    header = image.header
    scaled = (image.dataobj.slope, image.dataobj.inter) != (1, 0)
    if header.get_data_dtype().kind not in "iu" or len(image.shape) != 3 or scaled or header["sform_code"] <= 0:
        return None
    data = np.asarray(image.dataobj)
    if (data.size and (data.min() < 0 or data.max() > 1)) or not _right_angles(image.affine):
        return None
    return Volume(data.astype(np.uint8, copy=False), image.affine), hashlib.sha256(packed).hexdigest()


def _right_angles(affine: np.ndarray) -> bool:
    axes = affine[:3, :3]
    sizes = np.linalg.norm(axes, axis=0)
    if not np.isfinite(affine).all() or not sizes.min() > 1e-3:
        return False
    return bool(np.abs((axes / sizes).T @ (axes / sizes) - np.eye(3)).max() <= SHEAR_TOLERANCE)

"""Lesion probabilities beside segmentations: nnU-Net's ``CASE.npz``, and NIfTI."""

import zipfile
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import read_json

#: Rounding error allowed beyond 0 and 1.
_ROUNDING = 1e-3
#: Least median within the mask: one half, less the blur of averaging over mirrors and of resampling.
_LEAST_MEDIAN = 0.4


def read_npz(path: str | Path, grid: Grid, *, case: str, name: str, advice: str) -> Volume:
    """Lesion probability from nnU-Net's ``.npz``, float32 on `grid`.

    Its axes are (class, z, y, x) of the image as oriented by nnU-Net's reader, which ``plans.json`` beside it names;
    `grid` is that of the image that was predicted from. A :class:`CaseError` with `name` (of the grid) and `advice` for
    a file that is unreadable, not of one foreground class, not finite, or of another shape.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as content:
            probabilities = content["probabilities"]
    except (OSError, ValueError, KeyError, EOFError, IndexError, zlib.error, zipfile.BadZipFile) as error:
        raise CaseError(case, f"not nnU-Net's probabilities ({error}): predict the case again with "
                        "--save_probabilities", path) from error
    if probabilities.ndim != 4 or len(probabilities) > 2 or not np.isfinite(probabilities).all():
        raise CaseError(case, "expected finite probabilities of background and one lesion class, shape (2, z, y, x), "
                        f"found shape {probabilities.shape}: predict with a model of one foreground class", path)
    data = probabilities[-1].transpose(2, 1, 0)
    if _reader(path.parent) == "NibabelIOWithReorient":  # its images and probabilities are RAS
        turn = nib.orientations.ornt_transform(nib.orientations.axcodes2ornt("RAS"), nib.io_orientation(grid.affine))
        data = nib.apply_orientation(data, turn)
    if data.shape != grid.shape:
        raise CaseError(case, f"expected the {name}'s {grid.shape} voxels, found {data.shape}: {advice}", path)
    return Volume(np.ascontiguousarray(data, np.float32), grid.affine)


def check_probability(volume: Volume, mask: Volume, *, case: str, path: str | Path) -> None:
    """Raise a :class:`CaseError` for values outside of 0 to 1, or low values within `mask` (on the same grid)."""
    if volume.data.min() < -_ROUNDING or volume.data.max() > 1 + _ROUNDING:
        raise CaseError(case, f"expected probabilities from 0 to 1, found {volume.data.min():g} to "
                        f"{volume.data.max():g}: predict the case again", path)
    inside = volume.data[mask.data > 0]
    if inside.size and np.median(inside) < _LEAST_MEDIAN:
        raise CaseError(case, f"the probability is below one half where the mask is (median {np.median(inside):.2g}): "
                        "the two are not of one prediction; predict the case again with --save_probabilities", path)


def _reader(folder: Path) -> str:
    """Name of the reader in nnU-Net's ``plans.json`` beside its predictions; empty where there is none."""
    try:
        return str(read_json(folder / "plans.json").get("image_reader_writer", ""))
    except (OSError, ValueError, AttributeError):
        return ""

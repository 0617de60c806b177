"""Images on their grids: checked reading, and writing that nnU-Net reads with the same geometry."""

import gzip
import logging
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError

from nnunet_tv.imaging.grid import GRID_TOLERANCE, Grid
from nnunet_tv.imaging.metaimage import ENDING as METAIMAGE
from nnunet_tv.imaging.metaimage import read_metaimage
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import atomic

#: Largest deviation of |cos| between grid axes from 0: ITK, with which nnU-Net reads, supports no shear.
SHEAR_TOLERANCE = 1e-3
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)  # its messages name no file
_GET = "the file's content was never downloaded; run `datalad get` (or `git annex get`) on it"


@dataclass(frozen=True)
class Volume:
    """One 3D image on a grid; see :class:`~nnunet_tv.imaging.grid.Grid` for its properties."""

    data: np.ndarray  #: voxel values, shape (X, Y, Z)
    affine: np.ndarray  #: voxel indices to scanner coordinates in mm, RAS+; shape (4, 4), float64

    @property
    def grid(self) -> Grid:
        return Grid(self.data.shape, self.affine)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        return self.grid.spacing_mm

    @property
    def orientation(self) -> str:
        return self.grid.orientation


def same_grid(first: Volume | Grid, second: Volume | Grid, tolerance: float = GRID_TOLERANCE) -> bool:
    """:meth:`Grid.matches` for volumes or grids."""
    first, second = (one.grid if isinstance(one, Volume) else one for one in (first, second))
    return first.matches(second, tolerance)


def canonical(volume: Volume) -> Volume:
    """The same voxels with the axes permuted and reversed to point as nearly as possible right, front and up.

    No value changes, and left stays left. The result shares its memory with `volume`.
    """
    image = nib.as_closest_canonical(nib.Nifti1Image(volume.data, volume.affine))
    # a view: two scans of 28 million voxels held twice were 0.25 of a case's 1.53 GB
    return Volume(np.asarray(image.dataobj), np.asarray(image.affine, float))


def check_file(path: str | Path, case: str) -> Path:
    """`path` if it is a file with content; raises a :class:`CaseError` with advice otherwise."""
    path = Path(path)
    try:
        if not path.exists():
            raise CaseError(case, f"dangling link: {_GET}" if path.is_symlink() else
                            "no such file: download it, or take the case out of the list", path)
        if path.is_dir():
            raise CaseError(case, "expected a NIfTI file, found a folder", path)
        with path.open("rb") as file:
            if b"/annex/objects/" in file.read(200):
                raise CaseError(case, f"git-annex pointer: {_GET}", path)
    except OSError as error:
        raise CaseError(case, f"the file cannot be opened ({error.strerror}): check its permissions", path) from error
    return path


def read_volume(path: str | Path, *, case: str) -> Volume:
    """Read a 3D NIfTI or MetaImage (``.mha``) image as float32; trailing axes of length one are dropped.

    Raises
    ------
    CaseError
        With `case`: missing, not downloaded, unreadable, not 3D, NaN or infinite voxels, no or a singular or
        sheared affine.
    """
    path = check_file(path, case)
    data, affine = read_metaimage(path, case=case) if path.suffix == METAIMAGE else _read_nifti(path, case)
    while data.ndim > 3 and data.shape[-1] == 1:
        data = data[..., 0]
    if data.ndim != 3:
        raise CaseError(case, f"expected a 3D image, found shape {data.shape}: choose one volume of the series", path)
    if data.dtype.names or np.iscomplexobj(data):
        raise CaseError(case, f"expected real numbers, found {data.dtype} (colour or complex): export a plain image",
                        path)
    data = data.astype(np.float32)
    if bad := int(data.size - np.isfinite(data).sum()):
        raise CaseError(case, f"{bad} voxels are NaN or infinite: export the image again", path)
    return Volume(data, _checked_affine(affine, case, path))


def _read_nifti(path: Path, case: str) -> tuple[np.ndarray, np.ndarray]:
    """Voxels as stored, and the affine."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as stream:  # to the checksum at its end, which nibabel does not reach
                while stream.read(1 << 22):
                    pass
        image = nib.load(path)
        data = np.asarray(image.dataobj)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error, MemoryError,
            OverflowError) as error:
        raise CaseError(case, f"not a readable NIfTI image ({error}): download or export it again", path) from error
    _check_stored_voxel_size(image, case, path)
    header = image.header
    if isinstance(header, nib.Nifti1Header) and not header["sform_code"] and not header["qform_code"]:
        raise CaseError(case, "the header holds no scanner coordinates (sform_code and qform_code are 0), so left "
                        "and right are unknown: convert the scan from DICOM again", path)
    return data, np.asarray(image.affine, float)


def _check_stored_voxel_size(image, case: str, path: Path) -> None:
    """Refuse a voxel size of 0 on which the affine depends: nibabel silently replaces it by 1 mm."""
    if not isinstance(image.header, nib.Nifti1Header) or image.header["sform_code"]:
        return
    with ImageOpener(path) as file:
        stored = type(image.header).from_fileobj(file, check=False)["pixdim"][1:4]
    if not (np.isfinite(stored).all() and (stored > 0).all()):
        raise CaseError(case, f"the affine is not invertible: the header's voxel size is {stored.tolist()} mm; repair "
                        "the header or convert the scan from DICOM again", path)


def _checked_affine(affine: np.ndarray, case: str, path: Path) -> np.ndarray:
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise CaseError(case, f"the affine is not invertible: {affine.tolist()}; repair the header", path)
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    shear = np.abs(axes.T @ axes - np.eye(3)).max()
    if shear > SHEAR_TOLERANCE:
        raise CaseError(case, f"the affine is sheared (axes deviate from right angles, cosine {shear:.3g}), which "
                        "nnU-Net's reader cannot hold: resample the scan to a grid with right angles", path)
    return affine


def read_mask(path: str | Path, *, case: str) -> Volume:
    """Read a lesion mask or a segmentation with the labels 0 and 1; uint8.

    Raises as :func:`read_volume`, and for any value that is not exactly 0 or 1 (255, 0.9999, several labels): only the
    person who drew it can decide which voxels are lesion.
    """
    volume = read_volume(path, case=case)
    values = np.unique(volume.data)
    if not np.isin(values, (0.0, 1.0)).all():
        shown = ", ".join(f"{value:.9g}" for value in values[:6]) + (", …" if values.size > 6 else "")
        raise CaseError(case, f"expected the labels 0 (background) and 1 (lesion), found {shown}: decide which values "
                        "are lesion and save them as 1, everything else as 0", Path(path))
    return Volume(volume.data.astype(np.uint8), volume.affine)


def write_volume(volume: Volume, path: str | Path, *, description: str = "") -> None:
    """Write `volume` as NIfTI, atomically; sform and qform agree (code 1, scanner).

    `description` is the header's ``descrip``, of at most 79 characters.
    """
    image = nib.Nifti1Image(volume.data, volume.affine)
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = description
    with atomic(path) as temporary:
        nib.save(image, temporary)

"""MetaImage files (``.mha``): read whole and written, with the geometry in RAS+.

ITK stores directions and the origin in LPS millimetres; here both are turned to RAS+, as NIfTI has them.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np

from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import atomic

ENDING = ".mha"
#: Bytes of a voxel's component, by ``ElementType``.
BYTES = {"MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
         "MET_LONG": 4, "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8}
#: Names that a header may use for its directions.
_DIRECTIONS = ("TransformMatrix", "Rotation", "Orientation")
_LAST, _LONGEST_HEADER = "ElementDataFile", 1 << 16
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_metaimage(path: Path, *, case: str) -> tuple[np.ndarray, np.ndarray]:
    """Voxels and affine of a MetaImage file.

    Parameters
    ----------
    path : Path
        File with its voxels inside (``ElementDataFile = LOCAL``).
    case : str
        Case identifier for messages.

    Returns
    -------
    data : ndarray, shape (X, Y, Z) or as many axes as the file has
        Values as stored.
    affine : ndarray, shape (4, 4), float64
        Voxel indices to scanner mm, RAS+. Of an image with fewer than three axes the identity.

    Raises
    ------
    CaseError
        Not a MetaImage file; voxels in another file; cut or damaged voxels; no directions; colour.
    """
    header, begin = _header(path, case)
    _check_voxels(path, case, header, begin)
    if not any(name in header for name in _DIRECTIONS):
        raise CaseError(case, "the header holds no scanner coordinates (TransformMatrix), so left and right are "
                        "unknown: convert the scan from DICOM again", path)
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = " ".join(str(error).rpartition("ERROR:")[2].split())
        raise CaseError(case, f"not a readable MetaImage ({reason}): download or export it again", path) from error
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise CaseError(case, f"expected one value a voxel, found {image.GetNumberOfComponentsPerPixel()} (colour or "
                        "vectors): export a plain image", path)
    affine = np.eye(4)
    axes = image.GetDimension()
    if axes >= 3:
        affine[:3, :3] = np.array(image.GetDirection()).reshape(axes, axes)[:3, :3] * image.GetSpacing()[:3]
        affine[:3, 3] = image.GetOrigin()[:3]
    return sitk.GetArrayFromImage(image).T, _LPS_TO_RAS @ affine


def write_metaimage(data: np.ndarray, affine: np.ndarray, path: str | Path, *, compressed: bool = True) -> None:
    """Write voxels of shape (X, Y, Z) and their affine (RAS+ mm) as a MetaImage file, atomically."""
    import SimpleITK as sitk

    affine = _LPS_TO_RAS @ affine  # its own inverse
    spacing_mm = np.linalg.norm(affine[:3, :3], axis=0)
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing(spacing_mm.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((affine[:3, :3] / spacing_mm).ravel().tolist())
    with atomic(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=compressed)


def _header(path: Path, case: str) -> tuple[dict[str, str], int]:
    """Fields of the header, and where the voxels begin."""
    with path.open("rb") as file:
        start = file.read(_LONGEST_HEADER)
    header: dict[str, str] = {}
    position = 0
    while _LAST not in header:
        end = start.find(b"\n", position)
        name, equals, value = start[position:end].decode("latin-1").partition("=")
        if end < 0 or not equals:
            raise CaseError(case, f"not a readable MetaImage (no {_LAST} in its header): download or export it again",
                            path)
        header[name.strip()] = value.strip()
        position = end + 1
    return header, position


def _check_voxels(path: Path, case: str, header: dict[str, str], begin: int) -> None:
    """Compare the voxels with what the header promises; compressed ones are read to their checksum."""
    if header[_LAST].upper() != "LOCAL":
        raise CaseError(case, f"its voxels are in another file ({header[_LAST]}): save it as one .mha file", path)
    try:
        count = math.prod(int(side) for side in header["DimSize"].split()) * int(
            header.get("ElementNumberOfChannels", 1))
        expected = count * BYTES[header["ElementType"]]
    except (KeyError, ValueError) as error:
        raise CaseError(case, f"not a readable MetaImage ({type(error).__name__} in its header: {error}): download or "
                        "export it again", path) from error
    with path.open("rb") as file:
        file.seek(begin)
        stored = file.read()
    if header.get("CompressedData", "False").lower() in ("true", "1"):
        try:
            stored = zlib.decompress(stored)
        except zlib.error as error:
            raise CaseError(case, f"its compressed voxels are cut or damaged ({error}): download or export it again",
                            path) from error
    if len(stored) != expected:
        raise CaseError(case, f"expected {expected} bytes of voxels ({header['DimSize']} of {header['ElementType']}), "
                        f"found {len(stored)}: download or export it again", path)

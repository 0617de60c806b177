"""MetaImage files (``.mha``), with the geometry converted from ITK's LPS millimetres to RAS+."""

import math
import zlib
from pathlib import Path

import numpy as np

from nnunet_tv.utils.errors import CaseError

ENDING = ".mha"
#: Bytes of a voxel's component, by ``ElementType``.
_BYTES = {"MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
          "MET_LONG": 4, "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8}
_LAST, _LONGEST_HEADER = "ElementDataFile", 1 << 16
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_AGAIN = "download or export it again"


def read_metaimage(path: Path, *, case: str) -> tuple[np.ndarray, np.ndarray]:
    """Voxels as stored, with as many axes as the file has, and affine of a MetaImage file that contains its voxels.

    The affine, shape (4, 4), float64, maps voxel indices to scanner mm, RAS+; it has no meaning with fewer than three
    axes. A :class:`CaseError` for other files, truncated or damaged voxels, no directions, and colour.
    """
    _check(path.read_bytes(), path, case)
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = " ".join(str(error).rpartition("ERROR:")[2].split())
        raise CaseError(case, f"not a readable MetaImage ({reason}): {_AGAIN}", path) from error
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise CaseError(case, f"expected one value a voxel, found {image.GetNumberOfComponentsPerPixel()} (colour or "
                        "vectors): export a plain image", path)
    affine, axes = np.eye(4), image.GetDimension()
    if axes >= 3:
        affine[:3, :3] = np.array(image.GetDirection()).reshape(axes, axes)[:3, :3] * image.GetSpacing()[:3]
        affine[:3, 3] = image.GetOrigin()[:3]
    return sitk.GetArrayFromImage(image).T, _LPS_TO_RAS @ affine


def _check(content: bytes, path: Path, case: str) -> None:
    """Raise unless header and voxels agree; compressed voxels are read to their checksum, which ITK ignores."""
    header: dict[str, str] = {}
    position = 0
    while _LAST not in header:
        end = content.find(b"\n", position, _LONGEST_HEADER)
        name, equals, value = content[position:end].decode("latin-1").partition("=")
        if end < 0 or not equals:
            raise CaseError(case, f"not a readable MetaImage (no {_LAST} in its header): {_AGAIN}", path)
        header[name.strip()] = value.strip()
        position = end + 1
    if header[_LAST].upper() != "LOCAL":
        raise CaseError(case, f"its voxels are in another file ({header[_LAST]}): save it as one .mha file", path)
    try:
        expected = _BYTES[header["ElementType"]] * int(header.get("ElementNumberOfChannels", 1)) * math.prod(
            int(side) for side in header["DimSize"].split())
    except (KeyError, ValueError) as error:
        raise CaseError(case, f"not a readable MetaImage ({type(error).__name__} in its header: {error}): {_AGAIN}",
                        path) from error
    stored = content[position:]
    if header.get("CompressedData", "False").lower() in ("true", "1"):
        try:
            stored = zlib.decompress(stored)
        except zlib.error as error:
            raise CaseError(case, f"its compressed voxels are cut or damaged ({error}): {_AGAIN}", path) from error
    if len(stored) != expected:
        raise CaseError(case, f"expected {expected} bytes of voxels ({header['DimSize']} of {header['ElementType']}), "
                        f"found {len(stored)}: {_AGAIN}", path)
    if not header.keys() & {"TransformMatrix", "Rotation", "Orientation"}:
        raise CaseError(case, "the header holds no scanner coordinates (TransformMatrix), so left and right are "
                        "unknown: convert the scan from DICOM again", path)

"""What is known of a scan without reading its voxels, in one form for NIfTI with sidecars and for DICOM."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENDINGS = (".nii.gz", ".nii")
_BIDS = re.compile(r"sub-[A-Za-z0-9]+(?:_ses-[A-Za-z0-9]+)?_((?:[a-z]+-[A-Za-z0-9]+_)*)([A-Za-z0-9]+)")


@dataclass(frozen=True)
class SeriesMetadata:
    """What the recogniser sees.

    Attributes
    ----------
    texts : tuple of str
        Names given to the scan itself, the most telling first: file name, series description, sequence.
    folders : tuple of str
        Folders below the case's that hold it, the nearest first.
    echo_ms, repetition_ms, inversion_ms : float, optional
        Timing in ms; None where nothing says.
    acquisition : str
        ``2D``, ``3D`` or empty.
    image_type : tuple of str
        DICOM's ImageType in capitals.
    contrast_agent : str
        As the header names it; empty for none.
    modality : str
        DICOM's Modality; empty where nothing says.
    shape : tuple of int
        Voxels (for DICOM: rows, columns, slices); empty where unknown.
    spacing_mm : tuple of float
        Voxel size; empty where unknown.
    orientations : int
        Different slice directions within the series.
    """

    texts: tuple[str, ...]
    folders: tuple[str, ...] = ()
    echo_ms: float | None = None
    repetition_ms: float | None = None
    inversion_ms: float | None = None
    acquisition: str = ""
    image_type: tuple[str, ...] = ()
    contrast_agent: str = ""
    modality: str = ""
    shape: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    orientations: int = 1

    def summary(self) -> str:
        """One line for a person who must choose."""
        timing = [f"{name} {value:g} ms" for name, value in
                  (("TE", self.echo_ms), ("TR", self.repetition_ms), ("TI", self.inversion_ms)) if value is not None]
        size = ["x".join(map(str, self.shape))] if self.shape else []
        return ", ".join([*([self.acquisition] if self.acquisition else []), *size, *timing])


@dataclass(frozen=True)
class Series:
    """A scan that might be wanted.

    Attributes
    ----------
    label : str
        How messages name it and how it is pinned: a path below the input folder, or ``series-5``.
    metadata : SeriesMetadata
    files : tuple of Path
        One NIfTI file, or the DICOM files of a series.
    uid_hash : str
        Hash of the SeriesInstanceUID; empty for NIfTI.
    """

    label: str
    metadata: SeriesMetadata
    files: tuple[Path, ...]
    uid_hash: str = ""

    @property
    def is_dicom(self) -> bool:
        """Whether it must be converted first."""
        return bool(self.uid_hash)


def stem(path: Path) -> str:
    """File name without its NIfTI ending."""
    for ending in ENDINGS:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.stem


def nifti_series(path: Path, *, label: str, case: str = "", folders: tuple[str, ...] = ()) -> Series:
    """SeriesMetadata of a NIfTI file from its name, its header and the JSON sidecar beside it.

    The part of its name that is the case's says nothing of the scan: `case`, and BIDS' ``sub-`` and ``ses-``.
    A file or sidecar that cannot be read is judged by its name: reading its voxels will tell what is wrong.
    """
    sidecar = _sidecar(path)
    described = [sidecar.get(key) for key in ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName")]
    names = [*_own_names(path, case), *described]
    shape, spacing = _geometry(path)
    image_type = sidecar.get("ImageType")
    return Series(label, SeriesMetadata(
        tuple(name for name in names if isinstance(name, str) and name), folders,
        echo_ms=_milliseconds(sidecar.get("EchoTime")), repetition_ms=_milliseconds(sidecar.get("RepetitionTime")),
        inversion_ms=_milliseconds(sidecar.get("InversionTime")),
        acquisition=str(sidecar.get("MRAcquisitionType") or ""),
        image_type=tuple(str(word).upper() for word in image_type) if isinstance(image_type, list) else (),
        contrast_agent=agent(sidecar.get("ContrastBolusAgent") or sidecar.get("ContrastBolusIngredient")),
        modality=str(sidecar.get("Modality") or ""), shape=shape, spacing_mm=spacing), (path,))


def _own_names(path: Path, case: str) -> tuple[str, ...]:
    name = stem(path)
    bids = _BIDS.fullmatch(name)
    if bids:
        return bids[2], bids[1]  # the suffix decides, the entities may exclude
    return (name.removeprefix(case) if len(name) > len(case) else name,)


def agent(value: Any) -> str:
    """Name of a contrast agent; empty for the many ways to write that there was none."""
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in ("", "no", "none", "n/a", "na", "no contrast", "without", "0", "-", "[]") else text


def number(value: Any) -> float | None:
    """`value` as a finite float above 0, or None."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) and result > 0 else None


def _milliseconds(value: Any) -> float | None:
    """BIDS times are in seconds; what is above 25 s cannot be, and was written in ms."""
    seconds = number(value)
    return None if seconds is None else round(seconds if seconds > 25 else seconds * 1000, 4)


def _sidecar(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads((path.parent / f"{stem(path)}.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _geometry(path: Path) -> tuple[tuple[int, ...], tuple[float, ...]]:
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error):
        return (), ()
    shape = tuple(int(size) for size in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape, tuple(round(float(size), 3) for size in image.header.get_zooms()[:3])

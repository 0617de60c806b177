"""Metadata of a scan, read without its voxels, in one form for NIfTI files with sidecars and for DICOM series."""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ENDINGS = (".nii.gz", ".nii")
#: Elements of DICOM headers and BIDS sidecars that name a series, the most specific first.
NAMES = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName")
#: Sequence names of echo-planar imaging: ``*ep_b1000``, ``*epfid2d1_64``, ``SEEPI2D``, ``epi2``, ``epi_dti``.
_EPI = re.compile(r"epi(?!lep)|(?<![a-z])ep(?:_b|fid|se|ir|2d|3d|b\d)|echo.?planar")
_BIDS = re.compile(r"sub-[A-Za-z0-9]+(?:_ses-[A-Za-z0-9]+)?_((?:[a-z]+-[A-Za-z0-9]+_)*)([A-Za-z0-9]+)")
#: Times in the description of a NIfTI header: ``TE=2.98;Time=…`` (dcm2niix), ``TR=2300ms/TE=2.98ms/TI=900ms`` (SPM).
_TIMES = re.compile(r"\b(TE|TR|TI)=(\d+(?:\.\d*)?)")
_DESCRIBED = {"TE": "EchoTime", "TR": "RepetitionTime", "TI": "InversionTime"}
_NO_AGENT = ("", "no", "n", "none", "null", "nein", "non", "n/a", "na", "no contrast", "without", "without contrast",
             "nativ", "native", "unknown", "0", "-", "[]")


@dataclass(frozen=True)
class SeriesMetadata:
    """Names, sequence, timing and geometry of a scan; what is unknown is None or empty."""

    names: tuple[str, ...]  #: file name, series description, sequence name: the most specific first
    folders: tuple[str, ...] = ()  #: folders of the case that contain the scan, the innermost first
    header_names: tuple[str, ...] = ()  #: those of `names` that are from a header or a sidecar, not from the file name
    protocol: str = ""  #: DICOM's ProtocolName, which is one of `header_names`
    echo_ms: float | None = None
    repetition_ms: float | None = None
    inversion_ms: float | None = None
    flip_deg: float | None = None
    acquisition: str = ""  #: ``2D`` or ``3D``
    sequence: frozenset[str] = frozenset()  #: DICOM's ScanningSequence: SE, IR, GR, EP, RM
    variant: frozenset[str] = frozenset()  #: DICOM's SequenceVariant: SK, MTC, SS, SP, MP, OSP
    acquisition_contrast: str = ""  #: DICOM's AcquisitionContrast, such as ``FLUID_ATTENUATED``
    echo_planar: bool = False
    diffusion: bool = False  #: a b-value above 0
    flow: bool = False  #: time of flight or phase contrast
    image_type: tuple[str, ...] = ()  #: DICOM's ImageType in capitals
    contrast_agent: str = ""
    modality: str = ""
    shape: tuple[int, ...] = ()  #: voxels; for DICOM rows, columns, slices, and volumes where there are several
    spacing_mm: tuple[float, ...] = ()
    orientations: int = 1  #: number of slice directions within the series
    echoes: int = 1  #: number of echo times within the series
    fault: str = ""  #: why the slices cannot be placed
    acquired: str = ""  #: date and time, to compare series of a study; never written

    @classmethod
    def from_header(
        cls, header: Mapping[str, Any], names: tuple[str, ...], *, milliseconds: Callable[[Any], float | None], **others
    ) -> SeriesMetadata:
        """Metadata from DICOM's keywords, which BIDS sidecars share; `milliseconds` converts their times."""
        protocol = str(header.get("ProtocolName") or "")
        sequence = _codes(header.get("ScanningSequence"))
        image_type = "\\".join(map(str, _as_list(header.get("ImageType")))).upper().split("\\")
        flow = (str(header.get("AngioFlag")).upper() == "Y" or str(header.get("TimeOfFlightContrast")).upper() == "YES"
                or str(header.get("PhaseContrast") or "NO").upper() != "NO")
        sequence_names = " ".join(str(header.get(name) or "") for name in (*NAMES[2:], "PulseSequenceType"))
        return cls(**{
            "names": names, "header_names": names, "protocol": protocol if protocol in names else "",
            "echo_ms": milliseconds(header.get("EchoTime")),
            "repetition_ms": milliseconds(header.get("RepetitionTime")),
            "inversion_ms": milliseconds(header.get("InversionTime")), "flip_deg": number(header.get("FlipAngle")),
            "acquisition": str(header.get("MRAcquisitionType") or ""), "modality": str(header.get("Modality") or ""),
            "sequence": sequence, "variant": _codes(header.get("SequenceVariant")), "flow": flow,
            "acquisition_contrast": str(header.get("AcquisitionContrast") or "").upper(),
            "echo_planar": "EP" in sequence or str(header.get("EchoPlanarPulseSequence")).upper() == "YES"
            or _EPI.search(sequence_names.lower()) is not None,
            "diffusion": bool(number(header.get("DiffusionBValue"))),
            "image_type": tuple(filter(None, image_type)),
            "contrast_agent": _agent(header.get("ContrastBolusAgent")), **others})

    @property
    def file_names(self) -> tuple[str, ...]:
        """Those of `names` that are from the file name."""
        return self.names[:len(self.names) - len(self.header_names)]

    def summary(self) -> str:
        """Acquisition, size and timing in one line."""
        timing = [f"{name} {value:g} ms" for name, value in
                  (("TE", self.echo_ms), ("TR", self.repetition_ms), ("TI", self.inversion_ms)) if value is not None]
        return ", ".join(filter(None, [self.acquisition, "x".join(map(str, self.shape)), *timing]))


@dataclass(frozen=True)
class Series:
    """A scan: a NIfTI file or a DICOM series."""

    label: str  #: name in messages: a path below the input folder, or ``series-5``, ``case-0002/series-5``
    metadata: SeriesMetadata
    files: tuple[Path, ...]  #: one NIfTI file, or the DICOM files of a series
    uid_hash: str = ""  #: hash of the SeriesInstanceUID; empty for NIfTI
    study: str = ""  #: hash of the StudyInstanceUID; empty for NIfTI
    number: int = 0  #: DICOM's SeriesNumber

    @property
    def is_dicom(self) -> bool:
        """Whether it must be converted first."""
        return bool(self.uid_hash)


def without_exam_names(scans: Sequence[Series]) -> list[Series]:
    """The scans of a case, without a ProtocolName that scans share of which one has twice another's echo time.

    With GE it is the name of the whole exam, and may contain the words of other contrasts.
    """
    echoes: dict[str, set[float]] = {}
    for scan in scans:
        if scan.metadata.protocol and scan.metadata.echo_ms:
            echoes.setdefault(scan.metadata.protocol, set()).add(scan.metadata.echo_ms)
    exam = {name for name, times in echoes.items() if max(times) > 2 * min(times)}
    return [replace(scan, metadata=_without_protocol(scan.metadata)) if scan.metadata.protocol in exam else scan
            for scan in scans]


def _without_protocol(metadata: SeriesMetadata) -> SeriesMetadata:
    kept = list(metadata.header_names)
    del kept[len(kept) - 1 - kept[::-1].index(metadata.protocol)]  # not a SeriesDescription of the same words
    return replace(metadata, names=(*metadata.file_names, *kept), header_names=tuple(kept), protocol="")


def stem(path: Path) -> str:
    """File name without its NIfTI ending."""
    for ending in ENDINGS:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.stem


def nifti_series(path: Path, *, label: str, case: str = "", folders: tuple[str, ...] = ()) -> Series:
    """A NIfTI file with the metadata of its name, its header and the JSON sidecar beside it.

    The part of the file name that names the case (`case`; BIDS' ``sub-`` and ``ses-``) is left out. An unreadable
    header or sidecar counts as empty: the error is raised when the voxels are read.
    """
    sidecar, name = _sidecar(path), stem(path)
    bids = _BIDS.fullmatch(name)  # the suffix decides, the entities may exclude
    own = (bids[2], bids[1]) if bids else (_without(case, name),)
    header_names = tuple(text for key in NAMES if isinstance(text := sidecar.get(key), str) and text)
    shape, spacing, times = _nifti_header(path)
    sidecar = {**times, **sidecar, "DiffusionBValue": _largest_b_value(path)}
    sidecar["ContrastBolusAgent"] = sidecar.get("ContrastBolusAgent") or sidecar.get("ContrastBolusIngredient")
    return Series(label, SeriesMetadata.from_header(
        sidecar, (*(text for text in own if text), *header_names), milliseconds=_milliseconds, folders=folders,
        header_names=header_names, shape=shape, spacing_mm=spacing,
        acquired=str(sidecar.get("AcquisitionDateTime") or sidecar.get("AcquisitionTime") or "")), (path,))


def _without(case: str, name: str) -> str:
    """A file name without the case's, which may be a word of a sequence (a surname such as Press)."""
    if not case or name.startswith(case):
        return name.removeprefix(case) or name
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(case)}(?![A-Za-z0-9])", "", name) or name


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)


def _codes(value: Any) -> frozenset[str]:
    """Codes of an element such as ScanningSequence, which sidecars contain as one text (``GR\\IR``, ``SE_EP``)."""
    return frozenset(filter(None, re.split(r"[^A-Z]+", " ".join(map(str, _as_list(value))).upper())))


def _agent(value: Any) -> str:
    """Name of a contrast agent; empty for the many ways to write that there was none."""
    text = "" if value is None else str(value).strip()
    return "" if text.lower() in _NO_AGENT else text


def number(value: Any) -> float | None:
    """`value` as a finite float above 0, or None."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) and result > 0 else None


def _milliseconds(value: Any) -> float | None:
    """BIDS times are in seconds; a value above 25 cannot be, and was written in ms."""
    seconds = number(value)
    return None if seconds is None else round(seconds if seconds > 25 else seconds * 1000, 4)


def _sidecar(path: Path) -> dict[str, Any]:
    try:
        content = json.loads((path.parent / f"{stem(path)}.json").read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _largest_b_value(path: Path) -> float:
    """Of the ``.bval`` file beside a scan; 0 without one."""
    try:
        text = (path.parent / f"{stem(path)}.bval").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    return max((number(word) or 0.0 for word in text.split()), default=0.0)


def _nifti_header(path: Path) -> tuple[tuple[int, ...], tuple[float, ...], dict[str, float]]:
    """Shape, voxel size in mm, and times in seconds by DICOM's keyword, as far as converters wrote them."""
    import nibabel as nib
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError

    try:
        image = nib.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error):
        return (), (), {}
    shape = tuple(int(size) for size in image.shape)
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    text = bytes(image.header["descrip"]).decode("ascii", "replace") if "descrip" in image.header else ""
    times = {_DESCRIBED[name]: value / (1000 if value > 1 else 1)  # milliseconds, rarely seconds
             for name, digits in _TIMES.findall(text) if (value := number(digits))}
    return shape, tuple(round(float(size), 3) for size in image.header.get_zooms()[:3]), times

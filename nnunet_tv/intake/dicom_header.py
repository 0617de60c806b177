"""Headers of single DICOM files: whether a file is one, its elements, and the place of each of its frames."""

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_tv.intake.privacy import IDENTIFYING
from nnunet_tv.intake.series_metadata import NAMES, number

log = logging.getLogger(__name__)
_DIRECTORY = "1.2.840.10008.1.3.10"  # DICOMDIR
_ELEMENTS = (*NAMES, *IDENTIFYING, "PatientSex", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID",
             "SeriesNumber", "Modality", "ImageType", "FrameType", "ScanningSequence", "SequenceVariant", "AngioFlag",
             "EchoTime", "EffectiveEchoTime", "RepetitionTime", "InversionTime", "InversionTimes", "FlipAngle",
             "MRAcquisitionType", "AcquisitionContrast", "EchoPlanarPulseSequence", "EchoPulseSequence",
             "InversionRecovery", "TimeOfFlightContrast", "PhaseContrast", "ContrastBolusAgent", "ContrastBolusVolume",
             "ContrastBolusTotalDose", "ContrastBolusAgentAdministered", "AcquisitionDateTime",
             "FrameAcquisitionDateTime", "AcquisitionDate", "AcquisitionTime", "StudyDate", "Rows", "Columns",
             "PixelSpacing", "SliceThickness", "SpacingBetweenSlices")
#: Endings of DICOM files, which may then lack the preamble; also no ending, or numbers (``IM.0001``, UIDs as names).
_ENDINGS = re.compile(r"|\.(?:dcm|dicom|dic|ima|img|mr|acr|\d+)", re.IGNORECASE)
#: Groups with which files without preamble start, little endian.
_FIRST_GROUPS = (b"\x02\x00", b"\x08\x00")
_UID = re.compile(r"[0-9.]{5,64}")


@dataclass(frozen=True)
class Frame:
    """Place and timing of one slice; empty or None where the header has none."""

    position: tuple[float, ...] = ()  #: mm, of the first voxel's centre
    orientation: tuple[float, ...] = ()  #: direction of rows and of columns
    echo_ms: float | None = None
    b_value: float = 0.0  #: s/mm²


@dataclass(frozen=True)
class Header:
    """Elements of a file by keyword, and its frames."""

    elements: Mapping[str, Any] = field(default_factory=dict)
    frames: tuple[Frame, ...] = ()

    def get(self, name: str) -> Any:
        """Value of an element, or None."""
        return self.elements.get(name)


def is_dicom(path: Path) -> bool:
    """Whether the content is DICOM: the preamble and ``DICM``, or without them the elements of an image.

    Files without preamble are accepted with usual endings (:data:`_ENDINGS`); an ``.img`` beside an ``.hdr`` is the
    other half of an Analyze or NIfTI pair.
    """
    with suppress(OSError), path.open("rb") as file:
        start = file.read(132)
        if start[128:] == b"DICM":
            return True
        return (start[:2] in _FIRST_GROUPS and _ENDINGS.fullmatch(path.suffix) is not None and not _is_analyze(path)
                and _has_uids(path))
    return False


def _is_analyze(path: Path) -> bool:
    return path.suffix.lower() == ".img" and any(path.with_suffix(ending).exists() for ending in (".hdr", ".HDR"))


def _has_uids(path: Path) -> bool:
    names = ["SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID"]
    with suppress(Exception), quiet_pydicom() as pydicom:
        dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=names)
        return all(_UID.fullmatch(str(dataset.get(name) or "")) for name in names)
    return False


@contextmanager
def quiet_pydicom() -> Iterator[Any]:
    """Yield pydicom without its messages and warnings: they contain paths and values, which may be names."""
    import pydicom  # resets its logger's level

    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield pydicom


def read_header(path: Path) -> Header | None:
    """Header of a file, also of enhanced (multi-frame) images; empty for a DICOMDIR, None if unreadable."""
    try:
        with quiet_pydicom() as pydicom:
            dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
            if str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY:
                return Header()
            if not len(dataset):
                return None
            levels = reversed(list(_levels(dataset)))  # values of the first level count
            elements = {name: level.get(name) for level in levels for name in _ELEMENTS if _has_value(level, name)}
            elements["ContrastBolusAgent"] = _agent(dataset, elements)
            return Header(elements, tuple(_frames(dataset)))
    except Exception as error:  # pydicom raises anything on damaged files
        log.debug("unreadable DICOM header: %s", type(error).__name__)
        return None


def _agent(dataset: Any, elements: Mapping[str, Any]) -> str:
    """Contrast agent, also where only its code or its dose is given; empty where it was not yet administered."""
    if str(elements.get("ContrastBolusAgentAdministered") or "").upper() == "NO":
        return ""
    codes = [str(item.get("CodeMeaning") or "an agent") for item in dataset.get("ContrastBolusAgentSequence") or []]
    dose = number(elements.get("ContrastBolusVolume")) or number(elements.get("ContrastBolusTotalDose"))
    return str(elements.get("ContrastBolusAgent") or next(iter(codes), f"{dose:g} ml" if dose else ""))


def _has_value(level: Any, name: str) -> bool:
    with suppress(ValueError, TypeError, NotImplementedError):  # text where a number belongs
        return level.get(name) not in (None, "")
    return False


def _levels(dataset: Any) -> Iterator[Any]:
    """The header, and for enhanced images the items of its shared and first frame's functional groups."""
    yield dataset
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in list(dataset.get(groups) or [])[:1]:
            yield from _items(group)


def _items(group: Any) -> Iterator[Any]:
    for element in group:
        if element.VR == "SQ":
            yield from list(element.value)[:1]


def _frames(dataset: Any) -> Iterator[Frame]:
    """The file itself, or the frames of an enhanced image."""
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    shared = [item for group in list(dataset.get("SharedFunctionalGroupsSequence") or [])[:1]
              for item in _items(group)]
    if groups:
        for group in groups:
            yield _frame([dataset, *shared, *_items(group)])
    else:  # frames of a file without functional groups have no place
        count = int(number(dataset.get("NumberOfFrames")) or 1)
        yield from [_frame([dataset, *shared])] if count == 1 else [Frame()] * count


def _frame(levels: list[Any]) -> Frame:
    def value(*names: str) -> Any:
        return next((level.get(name) for name in names for level in reversed(levels) if _has_value(level, name)), None)

    return Frame(_numbers(value("ImagePositionPatient"), 3), _numbers(value("ImageOrientationPatient"), 6),
                 number(value("EchoTime", "EffectiveEchoTime")), number(value("DiffusionBValue")) or 0.0)


def _numbers(value: Any, count: int) -> tuple[float, ...]:
    with suppress(TypeError, ValueError):
        numbers = tuple(float(one) for one in value or ())
        return numbers if len(numbers) == count and all(abs(one) < 1e6 for one in numbers) else ()
    return ()

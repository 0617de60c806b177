"""Studies and series of DICOM files, from their headers alone.

Unless ids are to be kept, nothing that identifies a person leaves this module: series are labelled by number,
descriptions are redacted, and paths are not reported (folders are often named after patients).
"""

import hashlib
import logging
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnunet_tv.intake.privacy import IDENTIFYING, secrets_of
from nnunet_tv.intake.series_metadata import NAMES, Series, SeriesMetadata, number
from nnunet_tv.utils.redaction import redact

log = logging.getLogger(__name__)
_DIRECTORY = "1.2.840.10008.1.3.10"  # DICOMDIR
_ELEMENTS = (*NAMES, *IDENTIFYING, "SeriesInstanceUID", "StudyInstanceUID", "SeriesNumber", "Modality", "ImageType",
             "EchoTime", "EffectiveEchoTime", "RepetitionTime", "InversionTime", "InversionTimes", "MRAcquisitionType",
             "ContrastBolusAgent", "Rows", "Columns", "NumberOfFrames", "PixelSpacing", "SliceThickness",
             "SpacingBetweenSlices", "ImageOrientationPatient")
_Header = Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """One examination of one patient."""

    key: str  #: hash of the StudyInstanceUID
    patient_id: str  #: as in the header; for ``--keep-ids`` only
    secrets: frozenset[str]  #: texts that identify the patient and must not be written
    series: tuple[Series, ...]  #: in the order of their numbers

    @property
    def case(self) -> str:
        """Case name for ``--keep-ids``: the patient's id, or the study's key if there is none."""
        return re.sub(r"[^A-Za-z0-9-]+", "-", self.patient_id).strip("-") or f"study-{self.key[:8]}"


def is_dicom(path: Path) -> bool:
    """Whether the file starts as DICOM files do (a preamble, then ``DICM``)."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
    return False


def read_studies(files: Iterable[Path], *, keep_ids: bool = False) -> tuple[list[Study], int]:
    """Studies of `files`, sorted by key (`keep_ids`: names stay in descriptions); the number of unreadable files."""
    studies: dict[str, dict[str, list[tuple[Path, _Header]]]] = {}
    unreadable = 0
    for path in files:
        header = _read_header(path)
        if header is None:
            unreadable += 1
        elif header.get("SeriesInstanceUID") and header.get("StudyInstanceUID"):
            series = studies.setdefault(_hash(header["StudyInstanceUID"]), {})
            series.setdefault(_hash(header["SeriesInstanceUID"]), []).append((path, header))
    return [_study(key, series, keep_ids) for key, series in sorted(studies.items())], unreadable


def _study(key: str, series: dict[str, list[tuple[Path, _Header]]], keep_ids: bool) -> Study:
    headers = {uid: files[0][1] for uid, files in series.items()}
    secrets = frozenset().union(*map(secrets_of, headers.values()))
    numbers = {uid: number(header.get("SeriesNumber")) or 0 for uid, header in headers.items()}
    scans = []
    for uid in sorted(series, key=lambda uid: (numbers[uid], uid)):
        unique = [int(value) for value in numbers.values()].count(int(numbers[uid])) == 1
        metadata = _metadata([header for _, header in series[uid]], frozenset() if keep_ids else secrets)
        scans.append(Series(f"series-{int(numbers[uid])}{'' if unique else f'-{uid[:6]}'}", metadata,
                            tuple(path for path, _ in series[uid]), uid_hash=uid))
    first = next(iter(headers.values()))
    return Study(key, str(first.get("PatientID") or "").strip(), secrets, tuple(scans))


def _hash(uid: Any) -> str:
    return hashlib.sha256(str(uid).encode()).hexdigest()[:16]


@contextmanager
def quiet_pydicom() -> Iterator[Any]:
    """Yield pydicom without its messages and warnings: they contain paths and values, which may be names."""
    import pydicom  # resets its logger's level

    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield pydicom


def _read_header(path: Path) -> _Header | None:
    """Values of :data:`_ELEMENTS`, also of enhanced (multi-frame) images; empty for a DICOMDIR, None if unreadable."""
    try:
        with quiet_pydicom() as pydicom:
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            if str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY:
                return {}
            levels = reversed(list(_levels(dataset)))  # values of the first level count
            return {name: level.get(name) for level in levels for name in _ELEMENTS if _has_value(level, name)}
    except Exception as error:  # pydicom raises anything on damaged files
        log.debug("unreadable DICOM header: %s", type(error).__name__)
        return None


def _has_value(level: Any, name: str) -> bool:
    with suppress(ValueError, TypeError, NotImplementedError):  # text where a number belongs
        return level.get(name) not in (None, "")
    return False


def _levels(dataset: Any) -> Iterator[Any]:
    """The header, and for enhanced images the items of its shared and first frame's functional groups."""
    yield dataset
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in list(dataset.get(groups) or [])[:1]:
            for element in group:
                if element.VR == "SQ":
                    yield from list(element.value)[:1]


def _metadata(headers: list[_Header], secrets: frozenset[str]) -> SeriesMetadata:
    """Metadata of a series from the headers of its files."""
    first = dict(headers[0])
    first["EchoTime"] = number(first.get("EchoTime")) or first.get("EffectiveEchoTime")
    first["InversionTime"] = next(iter(_as_list(first.get("InversionTime") or first.get("InversionTimes"))), None)
    first["ImageType"] = _as_list(first.get("ImageType"))
    names = tuple(redact(str(first[name]), secrets) for name in NAMES if first.get(name))
    spacing = [number(size) for size in list(first.get("PixelSpacing") or [])[:2]]
    spacing += filter(None, [number(first.get("SpacingBetweenSlices")) or number(first.get("SliceThickness"))])
    rows, columns = number(first.get("Rows")), number(first.get("Columns"))
    slices = max(int(number(first.get("NumberOfFrames")) or 1), len(headers))
    metadata = SeriesMetadata.from_header(
        first, names, milliseconds=number, shape=(int(rows), int(columns), slices) if rows and columns else (),
        spacing_mm=tuple(spacing) if all(spacing) else (),
        orientations=len({_orientation(header) for header in headers} - {()}) or 1)
    return replace(metadata, contrast_agent=redact(metadata.contrast_agent, secrets))


def _orientation(header: _Header) -> tuple[float, ...]:
    with suppress(TypeError, ValueError):
        return tuple(round(float(value), 2) + 0.0 for value in header.get("ImageOrientationPatient") or ())
    return ()


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str) or not hasattr(value, "__len__") else list(value)

"""DICOM files -> studies and their series, by headers alone; pixels stay unread.

Nothing that names a person leaves this module, unless it is asked to keep it: series are labelled by their
number, descriptions are searched for the patient's name, id and birth date, and paths are not told (folders
are often named for patients).
"""

from __future__ import annotations

import hashlib
import logging
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_tv.intake.privacy import redact, secrets_of
from nnunet_tv.intake.series_metadata import Series, SeriesMetadata, agent, number

log = logging.getLogger(__name__)
_PREAMBLE = 132
#: Elements that the recogniser needs.
_TEXTS = ("SeriesDescription", "ProtocolName", "SequenceName", "PulseSequenceName", "ScanningSequence")
_DIRECTORY = "1.2.840.10008.1.3.10"  # DICOMDIR


@dataclass(frozen=True)
class Study:
    """One examination of one patient.

    Attributes
    ----------
    key : str
        Hash of the StudyInstanceUID.
    patient_id : str
        As in the header; for ``--keep-ids`` alone.
    secrets : frozenset of str
        What must not be told of this patient.
    series : tuple of Series
        In the order of their numbers.
    """

    key: str
    patient_id: str
    secrets: frozenset[str]
    series: tuple[Series, ...]


def is_dicom(path: Path) -> bool:
    """Whether the file starts as DICOM files do (a preamble, then ``DICM``)."""
    try:
        with path.open("rb") as file:
            return file.read(_PREAMBLE)[128:] == b"DICM"
    except OSError:
        return False


def read_studies(files: Iterable[Path], *, keep_ids: bool = False) -> tuple[list[Study], int]:
    """Studies of DICOM `files`, sorted by key, and how many files could not be read.

    Parameters
    ----------
    files : iterable of Path
        DICOM files; a DICOMDIR among them is passed over.
    keep_ids : bool
        Leave names in descriptions.
    """
    studies: dict[str, dict[str, list[tuple[Path, Any]]]] = {}
    unreadable = 0
    for path in files:
        header = _header(path)
        if header is None:
            unreadable += 1
        elif header.get("SeriesInstanceUID") and header.get("StudyInstanceUID"):
            series = studies.setdefault(_hash(header.StudyInstanceUID), {})
            series.setdefault(_hash(header.SeriesInstanceUID), []).append((path, header))
    return [_study(key, series, keep_ids) for key, series in sorted(studies.items())], unreadable


def _study(key: str, series: dict[str, list[tuple[Path, Any]]], keep_ids: bool) -> Study:
    headers = [files[0][1] for files in series.values()]
    secrets = frozenset().union(*(secrets_of(header) for header in headers))
    ordered = sorted(series.items(), key=lambda item: (number(item[1][0][1].get("SeriesNumber")) or 0, item[0]))
    numbers = [_label(files[0][1]) for _, files in ordered]
    candidates = []
    for (uid, files), label in zip(ordered, numbers, strict=True):
        label = label if numbers.count(label) == 1 else f"{label}-{uid[:6]}"
        facts = _facts([header for _, header in files], frozenset() if keep_ids else secrets)
        candidates.append(Series(label, facts, tuple(path for path, _ in files), uid_hash=uid))
    return Study(key, str(headers[0].get("PatientID") or "").strip(), secrets, tuple(candidates))


def _label(header: Any) -> str:
    found = number(header.get("SeriesNumber"))
    return "series-0" if found is None else f"series-{int(found)}"


def _hash(uid: Any) -> str:
    return hashlib.sha256(str(uid).encode()).hexdigest()[:16]


def _header(path: Path) -> Any:
    import pydicom

    try:
        with warnings.catch_warnings():  # they quote values, which may be names
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True)
            if str(header.file_meta.get("MediaStorageSOPClassUID", "")) == _DIRECTORY:
                return {}
            return _Loaded(header)
    except Exception as error:  # pydicom raises anything on damaged files
        log.debug("unreadable DICOM header: %s", type(error).__name__)
        return None


class _Loaded:
    """The few elements of a header that are used, as plain values, also of enhanced (multi-frame) images."""

    _NAMES = (*_TEXTS, "SeriesInstanceUID", "StudyInstanceUID", "SeriesNumber", "Modality", "ImageType", "EchoTime",
              "EffectiveEchoTime", "RepetitionTime", "InversionTime", "InversionTimes", "MRAcquisitionType",
              "ContrastBolusAgent", "Rows", "Columns", "NumberOfFrames", "PixelSpacing", "SliceThickness",
              "SpacingBetweenSlices", "ImageOrientationPatient", "PatientName", "PatientID", "PatientBirthDate",
              "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "AccessionNumber",
              "StudyID", "PatientAddress", "PatientTelephoneNumbers")

    def __init__(self, dataset: Any):
        self._values = {}
        for level in _levels(dataset):
            for name in self._NAMES:
                if name not in self._values and _has_value(level, name):
                    self._values[name] = level.get(name)

    def get(self, name: str, default: Any = None) -> Any:
        return self._values.get(name, default)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(name) from None


def _has_value(level: Any, name: str) -> bool:
    try:
        return level.get(name) not in (None, "")
    except (ValueError, TypeError, NotImplementedError):  # a number that is none
        return False


def _levels(dataset: Any) -> Iterator[Any]:
    """The header, and for enhanced images the items of its shared and first frame's functional groups."""
    yield dataset
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in list(dataset.get(groups) or [])[:1]:
            for element in group:
                if element.VR == "SQ":
                    yield from list(element.value)[:1]


def _facts(headers: list[Any], secrets: frozenset[str]) -> SeriesMetadata:
    first = headers[0]
    texts = tuple(redact(str(first.get(name)), secrets) for name in _TEXTS[:4] if first.get(name))
    frames = int(number(first.get("NumberOfFrames")) or 1)
    spacing = [number(size) for size in list(first.get("PixelSpacing") or [])[:2]]
    gap = number(first.get("SpacingBetweenSlices")) or number(first.get("SliceThickness"))
    echo = number(first.get("EchoTime")) or number(first.get("EffectiveEchoTime"))
    inversion = first.get("InversionTime") or first.get("InversionTimes")
    rows, columns = number(first.get("Rows")), number(first.get("Columns"))
    return SeriesMetadata(
        texts, echo_ms=echo, repetition_ms=number(first.get("RepetitionTime")), inversion_ms=number(_single(inversion)),
        acquisition=str(first.get("MRAcquisitionType") or ""),
        image_type=tuple(str(word).upper() for word in _several(first.get("ImageType"))),
        contrast_agent=redact(agent(first.get("ContrastBolusAgent")), secrets),
        modality=str(first.get("Modality") or ""),
        shape=(int(rows), int(columns), max(frames, len(headers))) if rows and columns else (),
        spacing_mm=tuple(spacing) + ((gap,) if gap else ()) if all(spacing) else (),
        orientations=len({_orientation(header) for header in headers} - {()}) or 1)


def _orientation(header: Any) -> tuple[float, ...]:
    try:
        return tuple(round(float(value), 2) + 0.0 for value in header.get("ImageOrientationPatient") or ())
    except (TypeError, ValueError):
        return ()


def _several(value: Any) -> list[Any]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _single(value: Any) -> Any:
    if isinstance(value, str) or not hasattr(value, "__len__"):
        return value
    return value[0] if len(value) else None


def patient_case(study: Study) -> str:
    """Case name of a study for ``--keep-ids``: the patient's id; the study's key where there is none."""
    return re.sub(r"[^A-Za-z0-9-]+", "-", study.patient_id).strip("-") or f"study-{study.key[:8]}"

"""Studies and series of DICOM files, from their headers alone.

Unless ids are to be kept, nothing that identifies a person leaves this module: series are labelled by number,
descriptions are redacted, and paths are not reported (folders are often named after patients).
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnunet_tv.intake.dicom_header import Header, read_header
from nnunet_tv.intake.privacy import Patient, secrets_of
from nnunet_tv.intake.series_metadata import NAMES, Series, SeriesMetadata, number
from nnunet_tv.intake.stack import Stack
from nnunet_tv.utils.redaction import redact

_Files = list[tuple[Path, Header]]


@dataclass(frozen=True)
class Study:
    """One examination of one patient."""

    key: str  #: hash of the StudyInstanceUID
    patient: Patient  #: as in the header; its id is written with ``--keep-ids`` only
    secrets: frozenset[str]  #: texts that identify the patient and must not be written
    series: tuple[Series, ...]  #: in the order of their numbers

    @property
    def case(self) -> str:
        """Case name for ``--keep-ids``: the patient's id, or the study's key where the id identifies nobody."""
        patient_id = re.sub(r"[^A-Za-z0-9-]+", "-", self.patient.patient_id).strip("-")
        return patient_id if patient_id and self.patient.identified else f"study-{self.key[:8]}"


@dataclass(frozen=True)
class Studies:
    """What :func:`read_studies` found."""

    studies: tuple[Study, ...]  #: sorted by key
    unreadable: int  #: files without a readable header
    unassigned: int  #: files without StudyInstanceUID or SeriesInstanceUID


def read_studies(files: Iterable[Path], *, keep_ids: bool = False) -> Studies:
    """Studies of `files`; `keep_ids`: names stay in descriptions. Of copies of one image, the first counts."""
    studies: dict[str, dict[str, _Files]] = {}
    unreadable = unassigned = 0
    seen = set()
    for path in files:
        header = read_header(path)
        if header is None:
            unreadable += 1
        elif header.get("SeriesInstanceUID") and header.get("StudyInstanceUID"):
            study, uid = _hash(header.get("StudyInstanceUID")), _hash(header.get("SeriesInstanceUID"))
            image = (study, uid, str(header.get("SOPInstanceUID")), header.frames)
            if header.get("SOPInstanceUID") is None or image not in seen:
                seen.add(image)
                studies.setdefault(study, {}).setdefault(uid, []).append((path, header))
        elif header.elements:
            unassigned += 1
    parts = {name: part for key, series in studies.items() for name, part in _by_patient(key, series)}
    found = tuple(_study(key, series, keep_ids) for key, series in sorted(parts.items()))
    return Studies(found, unreadable, unassigned)


def _by_patient(key: str, series: dict[str, _Files]) -> Iterator[tuple[str, dict[str, _Files]]]:
    """Key and series of each patient of a study: some de-identification gives all exams one StudyInstanceUID."""
    parts: list[tuple[Patient, dict[str, _Files]]] = []
    for uid, files in sorted(series.items()):
        patient = Patient.from_header(files[0][1].elements)
        part = next((part for other, part in parts if patient.same_as(other) is not False), None)
        if part is None:
            parts.append((patient, {uid: files}))
        else:
            part[uid] = files
    for _, part in parts:
        yield key if len(parts) == 1 else _hash(f"{key} {min(part)}"), part


def _study(key: str, series: dict[str, _Files], keep_ids: bool) -> Study:
    headers = {uid: files[0][1] for uid, files in series.items()}
    secrets = frozenset().union(*(secrets_of(header.elements) for header in headers.values()))
    numbers = {uid: int(number(header.get("SeriesNumber")) or 0) for uid, header in headers.items()}
    scans = []
    for uid in sorted(series, key=lambda uid: (numbers[uid], uid)):
        unique = [*numbers.values()].count(numbers[uid]) == 1
        metadata = _metadata([header for _, header in series[uid]], frozenset() if keep_ids else secrets)
        scans.append(Series(f"series-{numbers[uid]}{'' if unique else f'-{uid[:6]}'}", metadata,
                            tuple(path for path, _ in series[uid]), uid_hash=uid, study=key, number=numbers[uid]))
    patient = Patient.from_header(next(iter(headers.values())).elements)
    return Study(key, patient, secrets, tuple(scans))


def _hash(uid: Any) -> str:
    return hashlib.sha256(str(uid).encode()).hexdigest()[:16]


def _metadata(headers: list[Header], secrets: frozenset[str]) -> SeriesMetadata:
    """Metadata of a series from the headers of its files."""
    first = dict(headers[0].elements)
    first["EchoTime"] = number(first.get("EchoTime")) or first.get("EffectiveEchoTime")
    inversions = first.get("InversionTime") or first.get("InversionTimes")
    first["InversionTime"] = next(iter(_values(inversions)), None)
    if not first.get("ScanningSequence"):  # enhanced images have these instead
        first["ScanningSequence"] = [
            {"GRADIENT": "GR", "SPIN": "SE", "BOTH": "SE GR"}.get(str(first.get("EchoPulseSequence")), ""),
            "IR" if first.get("InversionRecovery") == "YES" else ""]
    frames = [frame for header in headers for frame in header.frames]
    first["DiffusionBValue"] = max((frame.b_value for frame in frames), default=0)
    first["ImageType"] = [*_values(first.get("ImageType")), *_values(first.get("FrameType"))]
    first |= {name: redact(str(first[name]), secrets) for name in NAMES if first.get(name)}
    names = tuple(first[name] for name in NAMES if first.get(name))
    spacing = [number(size) for size in list(first.get("PixelSpacing") or [])[:2]]
    fault = "" if spacing else "the slices have no pixel spacing (PixelSpacing)"
    spacing += filter(None, [number(first.get("SpacingBetweenSlices")) or number(first.get("SliceThickness"))])
    rows, columns, stack = number(first.get("Rows")), number(first.get("Columns")), Stack.of(frames)
    shape = (int(rows), int(columns), stack.slices, *([stack.volumes] if stack.volumes > 1 else [])
             ) if rows and columns else ()
    metadata = SeriesMetadata.from_header(
        first, names, milliseconds=number, shape=shape, spacing_mm=tuple(spacing) if all(spacing) else (),
        orientations=stack.directions, echoes=len({frame.echo_ms for frame in frames}), fault=stack.fault or fault,
        acquired=min(map(_acquired, headers)))
    return replace(metadata, contrast_agent=redact(metadata.contrast_agent, secrets))


def _acquired(header: Header) -> str:
    """Date and time of acquisition, as sorted text; empty where no time is known."""
    if whole := header.get("AcquisitionDateTime") or header.get("FrameAcquisitionDateTime"):
        return str(whole)
    date, time = header.get("AcquisitionDate") or header.get("StudyDate"), header.get("AcquisitionTime")
    return f"{date or ''}{time}" if time else ""


def _values(value: Any) -> list[Any]:
    """Values of an element that may have none, one or several."""
    if value is None:
        return []
    return [value] if isinstance(value, str) or not hasattr(value, "__len__") else list(value)

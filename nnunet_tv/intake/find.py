"""The cases in a folder of scans: which T1w and FLAIR each has and why, or what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnunet_tv.intake.dicom import Study, is_dicom, read_studies
from nnunet_tv.intake.layout import case_name, nifti_cases, walk
from nnunet_tv.intake.manual_pairs import ManualPair, find_manual_pair
from nnunet_tv.intake.scan_pair import ScanPair, choose_pair
from nnunet_tv.intake.series_metadata import ENDINGS, Series
from nnunet_tv.utils.errors import CaseError, NnunetTVError

_OTHER_FORMATS = (".nrrd", ".nhdr", ".mgz", ".mgh", ".mha", ".mhd", ".img", ".mnc", ".zip", ".tar", ".tgz", ".7z")


@dataclass(frozen=True)
class FoundCase:
    """One case: its pair of scans, or the problem."""

    case: str  #: valid as part of a file name
    pair: ScanPair | None = None
    problem: str = ""
    study: str = ""  #: hash of the StudyInstanceUID; empty for NIfTI
    secrets: frozenset[str] = field(default=frozenset(), repr=False)  #: texts that identify the patient


@dataclass(frozen=True)
class Found:
    """The cases below a folder, by name."""

    cases: tuple[FoundCase, ...]
    remarks: tuple[str, ...] = ()  #: on the folder as a whole
    studies: Mapping[str, str] = field(default_factory=dict)  #: case names of DICOM studies, for the next `names`


def find_cases(
    folder: str | Path, *, manual_pairs: Mapping[str, ManualPair] | None = None, keep_ids: bool = False,
    names: Mapping[str, str] | None = None, exclude: Path | None = None,
) -> Found:
    """Cases below `folder`: a BIDS tree, folders of patients, NIfTI files, DICOM, or a mixture.

    With `keep_ids` DICOM cases are named by PatientID, and names stay in descriptions; otherwise they are ``case-0001``
    …, where studies keep the `names` given to them before. `exclude` is a folder to skip (the output).

    Raises
    ------
    NnunetTVError
        No such folder, or nothing in it that could be a scan.
    """
    folder = Path(folder)
    niftis, dicoms, others = _sort_files(folder, exclude)
    studies, unreadable = read_studies(dicoms, keep_ids=keep_ids)
    remarks = _remarks(folder, niftis, dicoms, others, studies, unreadable)
    study_names = _study_names(studies, names or {}, keep_ids)
    by_case = {study_names[study.key]: study for study in studies}
    groups, clashes = _groups(folder, niftis, by_case)

    results: list[tuple[str, ScanPair | CaseError]] = []
    elsewhere = {f"{name}/{series.label}": series for name, study in by_case.items() for series in study.series}
    for name, manual in (manual_pairs or {}).items():
        clashes.pop(name, None)
        results.append((case_name(name), _attempt(_manual_pair, manual, groups.pop(name, []), folder, elsewhere,
                                                  by_case)))
    used = {path for _, pair in results if isinstance(pair, ScanPair) for scan in pair.scans.values()
            for path in scan.files}
    results += clashes.items()
    for name, group in groups.items():
        left = [series for series in group if not used & set(series.files)]
        if name in by_case and len(left) < len(group):
            remarks.append(f"{name}: no case of its own, since a pair takes a scan of it")
        elif left:  # else pairs of other names use all of it
            results.append((name, _attempt(_automatic_pair, name, left, by_case)))
    cases = [_case(name, result, by_case) for name, result in sorted(results, key=lambda named: named[0])]
    return Found(tuple(cases), tuple(remarks), dict(study_names))


def _attempt(function: Callable[..., ScanPair], *arguments: Any) -> ScanPair | CaseError:
    try:
        return function(*arguments)
    except CaseError as error:
        return error


def _sort_files(folder: Path, exclude: Path | None) -> tuple[list[Path], list[Path], list[Path]]:
    """NIfTI files, DICOM files, and files of formats that are not read."""
    if not folder.exists():
        raise NnunetTVError(f"{folder}: no such folder (-i)")
    if not folder.is_dir():
        raise NnunetTVError(f"{folder}: expected a folder of scans (-i), found a file: give the folder that holds it")
    niftis, dicoms, others = [], [], []
    for path in walk(folder):
        if exclude is not None and path.resolve().is_relative_to(exclude.resolve()):
            continue
        name = path.name.lower()
        if name.endswith(ENDINGS):
            niftis.append(path)
        elif name.endswith(_OTHER_FORMATS):
            others.append(path)
        elif is_dicom(path):
            dicoms.append(path)
    return niftis, dicoms, others


def _remarks(folder: Path, niftis: list[Path], dicoms: list[Path], others: list[Path], studies: Sequence[Study],
             unreadable: int) -> list[str]:
    """Remarks on the folder as a whole; an error without any scan."""
    rest = f"{len(others)} files of other formats ({', '.join(sorted({path.suffix for path in others}))})"
    if not niftis and not studies:
        found = (f"; of {len(dicoms)} DICOM files none has a readable header: export them again" if dicoms else
                 f"; it holds {rest}: convert or unpack them" if others else "")
        raise NnunetTVError(f"{folder}: expected NIfTI files (.nii, .nii.gz) or DICOM, in a BIDS tree, in a folder for "
                            f"each patient or all in one folder, found none{found}")
    remarks = {
        f"{len(niftis)} NIfTI files and {len(studies)} DICOM studies: both are used; where they are the same scans, "
        "give -i one of them": niftis and studies,
        f"{unreadable} DICOM files have no readable header and were left out": unreadable,
        f"{rest} were left out": others}
    return [remark for remark, holds in remarks.items() if holds]


def _study_names(studies: Sequence[Study], names: Mapping[str, str], keep_ids: bool) -> dict[str, str]:
    """Case names by study key; names given before are kept, also of studies that are not here now."""
    if keep_ids:
        ids = [study.case for study in studies]
        return {study.key: study.case if ids.count(study.case) == 1 else f"{study.case}_study-{study.key[:6]}"
                for study in studies}
    given, number = dict(names), 1
    for study in studies:
        while f"case-{number:04d}" in given.values():
            number += 1
        given.setdefault(study.key, f"case-{number:04d}")
    return given


def _groups(
    folder: Path, niftis: list[Path], studies: Mapping[str, Study]
) -> tuple[dict[str, list[Series]], dict[str, CaseError]]:
    """Scans by case name, and an error for each name that two groups share."""
    groups: dict[str, list[Series]] = {}
    origin: dict[str, str] = {}
    clashes: dict[str, CaseError] = {}
    for found, scans in nifti_cases(folder, niftis).items() if niftis else ():
        name = case_name(found)
        if origin.setdefault(name, found) != found:
            clashes[name] = CaseError(name, f"{origin[name]!r} and {found!r} would both be called {name}: rename one")
        groups[name] = scans
    for name, study in studies.items():
        if name in groups:
            clashes[name] = CaseError(name, "a NIfTI case and a DICOM study have this name: give -i one of them")
        groups[name] = list(study.series)
    return {name: scans for name, scans in groups.items() if name not in clashes}, clashes


def _manual_pair(
    pair: ManualPair, scans: Sequence[Series], folder: Path, elsewhere: Mapping[str, Series],
    studies: Mapping[str, Study],
) -> ScanPair:
    """The scans of a pair chosen by hand, all of one patient."""
    if case_name(pair.case) != pair.case:
        raise CaseError(pair.case, f"the pair's case {pair.case!r} is not a valid file name: use letters, digits, - "
                        "and _")
    found = find_manual_pair(pair, scans, folder, elsewhere=elsewhere)
    if len({study.patient_id for study in _studies_of(found, studies)}) > 1:
        raise CaseError(pair.case, "the pair takes its scans from studies with different patient ids: name two scans "
                        "of one patient; if the ids are of one person, make them equal, or convert the series to NIfTI")
    return found


def _automatic_pair(name: str, scans: Sequence[Series], studies: Mapping[str, Study]) -> ScanPair:
    """The pair that the metadata determine; the problem names other studies of the same patient."""
    try:
        return choose_pair(name, scans)
    except CaseError as error:
        patient_id = studies[name].patient_id if name in studies else ""
        others = [other for other, study in studies.items() if study.patient_id == patient_id and other != name]
        if not (patient_id and others):
            raise
        raise CaseError(name, f"{error.problem}\n    The same patient has {', '.join(others)} too: a scan of another "
                        f"study is given as {others[0]}/series-N") from error


def _studies_of(pair: ScanPair, studies: Mapping[str, Study]) -> list[Study]:
    """Studies that contain a scan of `pair`, the T1w's first."""
    return [study for scan in pair.scans.values() for study in studies.values() if scan in study.series]


def _case(name: str, result: ScanPair | CaseError, studies: Mapping[str, Study]) -> FoundCase:
    """A case with the key and the secrets of the studies that it belongs to."""
    pair, problem = (None, result.problem) if isinstance(result, CaseError) else (result, "")
    involved = [*([studies[name]] if name in studies else []), *(_studies_of(pair, studies) if pair else [])]
    return FoundCase(name, pair, problem, involved[0].key if involved else "",
                     frozenset().union(*(study.secrets for study in involved)))

"""The cases in a folder of scans: which T1w and FLAIR each has and why, or what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
    folder: str | Path,
    *,
    manual_pairs: Mapping[str, ManualPair] | None = None,
    keep_ids: bool = False,
    names: Mapping[str, str] | None = None,
    exclude: Path | None = None,
) -> Found:
    """Cases below `folder`: a BIDS tree, folders of patients, NIfTI files, DICOM, or a mixture.

    Parameters
    ----------
    folder : Path
        Where the scans are.
    manual_pairs : dict of str to ManualPair, optional
        Pairs chosen by hand.
    keep_ids : bool
        Name DICOM cases by PatientID, and leave names in descriptions. Otherwise they are ``case-0001`` …
    names : dict of str to str, optional
        Names given to DICOM studies before; new studies get the next numbers.
    exclude : Path, optional
        A folder to skip (the output).

    Raises
    ------
    NnunetTVError
        No such folder, or nothing in it that could be a scan.
    """
    folder = Path(folder)
    niftis, dicoms, others = _sort_files(folder, exclude)
    studies, unreadable = read_studies(dicoms, keep_ids=keep_ids)
    if not niftis and not studies:
        raise NnunetTVError(_nothing_found(folder, len(dicoms), others))
    study_names = _study_names(studies, names or {}, keep_ids)
    by_case = {study_names[study.key]: study for study in studies}
    groups, clashes = _groups(folder, niftis, by_case)
    remarks = _remarks(len(niftis), len(studies), unreadable, others)

    cases, used = [], set()
    elsewhere = {f"{name}/{series.label}": series for name, study in by_case.items() for series in study.series}
    for name, manual in (manual_pairs or {}).items():
        clashes.pop(name, "")
        case = _manual_case(manual, groups.pop(name, []), folder, elsewhere, by_case)
        cases.append(case)
        used |= set(_files(case.pair))
    cases += [_with_study(name, by_case, problem=problem) for name, problem in clashes.items()]
    for name, group in groups.items():
        left = [series for series in group if not used & set(series.files)]
        if name in by_case and len(left) < len(group):
            remarks.append(f"{name}: no case of its own, since a pair takes a scan of it")
        elif left:  # else pairs of other names use all of it
            cases.append(_automatic_case(name, left, by_case))
    return Found(tuple(sorted(cases, key=lambda case: case.case)), tuple(remarks), dict(study_names))


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


def _nothing_found(folder: Path, n_dicom: int, others: Sequence[Path]) -> str:
    found = ""
    if n_dicom:
        found = f"; of {n_dicom} DICOM files none has a readable header: export them again"
    elif others:
        found = f"; it holds {_count_others(others)}: convert or unpack them"
    return (f"{folder}: expected NIfTI files (.nii, .nii.gz) or DICOM, in a BIDS tree, in a folder for each patient or "
            f"all in one folder, found none{found}")


def _count_others(others: Sequence[Path]) -> str:
    return f"{len(others)} files of other formats ({', '.join(sorted({path.suffix for path in others}))})"


def _remarks(n_niftis: int, n_studies: int, unreadable: int, others: Sequence[Path]) -> list[str]:
    lines = []
    if n_niftis and n_studies:
        lines.append(f"{n_niftis} NIfTI files and {n_studies} DICOM studies: both are used; where they are the same "
                     "scans, give -i one of them")
    if unreadable:
        lines.append(f"{unreadable} DICOM files have no readable header and were left out")
    if others:
        lines.append(f"{_count_others(others)} were left out")
    return lines


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
) -> tuple[dict[str, list[Series]], dict[str, str]]:
    """Scans by case name; problems by case name where two groups have one name."""
    groups: dict[str, list[Series]] = {}
    origin: dict[str, str] = {}
    clashes: dict[str, str] = {}
    for found, scans in nifti_cases(folder, niftis).items() if niftis else ():
        name = case_name(found)
        if origin.setdefault(name, found) != found:
            clashes[name] = f"{origin[name]!r} and {found!r} would both be called {name}: rename one"
        groups[name] = scans
    for name, study in studies.items():
        if name in groups:
            clashes[name] = "a NIfTI case and a DICOM study have this name: give -i one of them"
        groups[name] = list(study.series)
    return {name: scans for name, scans in groups.items() if name not in clashes}, clashes


def _manual_case(
    pair: ManualPair, scans: Sequence[Series], folder: Path, elsewhere: Mapping[str, Series],
    studies: Mapping[str, Study],
) -> FoundCase:
    """The case of a pair chosen by hand."""
    name = pair.case
    if case_name(name) != name:
        return _with_study(case_name(name), studies, problem=(
            f"the pair's case {name!r} is not a valid file name: use letters, digits, - and _"))
    try:
        found = find_manual_pair(pair, scans, folder, elsewhere=elsewhere)
    except CaseError as error:
        return _with_study(name, studies, problem=error.problem)
    if len({study.patient_id for study in _studies_of(found, studies)}) > 1:
        return _with_study(name, studies, problem=(
            "the pair takes its scans from studies with different patient ids: name two scans of one patient; if the "
            "ids are of one person, make them equal, or convert the series to NIfTI"))
    return _with_study(name, studies, pair=found)


def _automatic_case(name: str, scans: Sequence[Series], studies: Mapping[str, Study]) -> FoundCase:
    """The case of a pair that the metadata decide; its problem names other studies of the same patient."""
    try:
        return _with_study(name, studies, pair=choose_pair(name, scans))
    except CaseError as error:
        problem = error.problem
    patient_id = studies[name].patient_id if name in studies else ""
    others = [other for other, study in studies.items() if patient_id == study.patient_id and other != name]
    if patient_id and others:
        problem += (f"\n    The same patient has {', '.join(others)} too: a scan of another study is given as "
                    f"{others[0]}/series-N")
    return _with_study(name, studies, problem=problem)


def _files(pair: ScanPair | None) -> Iterable[Path]:
    return (path for scan in (pair.scans.values() if pair else ()) for path in scan.files)


def _studies_of(pair: ScanPair | None, studies: Mapping[str, Study]) -> list[Study]:
    """Studies that contain a scan of `pair`, the T1w's first."""
    scans = pair.scans.values() if pair else ()
    return [study for scan in scans for study in studies.values() if scan in study.series]


def _with_study(name: str, studies: Mapping[str, Study], *, pair: ScanPair | None = None,
                problem: str = "") -> FoundCase:
    """A case with the key and the secrets of the studies that it belongs to."""
    involved = [*([studies[name]] if name in studies else []), *_studies_of(pair, studies)]
    return FoundCase(name, pair, problem, involved[0].key if involved else "",
                     frozenset().union(*(study.secrets for study in involved)))

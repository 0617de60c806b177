"""A folder as somebody keeps it -> cases: which scans, why these, or what is wrong with a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunet_tv.intake import dicom
from nnunet_tv.intake.layout import case_name, nifti_cases, walk
from nnunet_tv.intake.manual_pairs import ManualPair, choose_manual_pair
from nnunet_tv.intake.scan_pair import ScanPair, choose_pair
from nnunet_tv.intake.series_metadata import ENDINGS, Series
from nnunet_tv.utils.errors import CaseError, NnunetTVError

_OTHER_FORMATS = (".nrrd", ".nhdr", ".mgz", ".mgh", ".mha", ".mhd", ".img", ".mnc", ".zip", ".tar", ".tgz", ".7z")


@dataclass(frozen=True)
class FoundCase:
    """One case.

    Attributes
    ----------
    case : str
        Name, fit for a file's.
    pair : ScanPair, optional
        The pair; None if there is none.
    problem : str
        Why there is none; empty if there is one.
    study : str
        Hash of the StudyInstanceUID for DICOM, else empty.
    secrets : frozenset of str
        What must not be told of this patient; empty for NIfTI.
    """

    case: str
    pair: ScanPair | None = None
    problem: str = ""
    study: str = ""
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class Found:
    """Everything below the input folder.

    Attributes
    ----------
    cases : tuple of FoundCase
        By name.
    remarks : tuple of str
        On the folder as a whole.
    studies : dict of str to str
        Case names of DICOM studies by their key, to be given as `names` the next time.
    """

    cases: tuple[FoundCase, ...]
    remarks: tuple[str, ...] = ()
    studies: Mapping[str, str] = field(default_factory=dict)


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
        Pairs that a person named.
    keep_ids : bool
        Name DICOM cases by PatientID, and leave names in descriptions. Otherwise they are ``case-0001`` …
    names : dict of str to str, optional
        Names given to DICOM studies before: they keep them, new ones get the next numbers.
    exclude : Path, optional
        A folder that is not looked into (the output).

    Raises
    ------
    NnunetTVError
        No such folder, nothing in it that could be a scan.
    """
    folder, manual_pairs = Path(folder), dict(manual_pairs or {})
    niftis, dicoms, others = _sort_files(folder, exclude)
    studies, unreadable = dicom.read_studies(dicoms, keep_ids=keep_ids)
    if not niftis and not studies:
        raise NnunetTVError(_nothing(folder, len(dicoms), others))
    study_names = _study_names(studies, names or {}, keep_ids)
    groups = _groups(folder, niftis)
    hidden = {study_names[study.key]: study for study in studies}
    for name, study in hidden.items():
        if name in groups:
            groups[name] = CaseError(name, "a NIfTI case and a DICOM study have this name: give -i one of them")
        else:
            groups[name] = list(study.series)
    cases, merged = _pinned(folder, groups, manual_pairs, hidden)
    cases = tuple(_with_studies(case, hidden) for case in sorted(cases, key=lambda one: one.case))
    return Found(cases, (*_remarks(niftis, studies, unreadable, others), *merged), dict(study_names))


def _sort_files(folder: Path, exclude: Path | None) -> tuple[list[Path], list[Path], list[Path]]:
    if not folder.exists():
        raise NnunetTVError(f"{folder}: no such folder (-i)")
    if not folder.is_dir():
        raise NnunetTVError(f"{folder}: expected a folder of scans (-i), found a file: give the folder that holds it")
    exclude = None if exclude is None else exclude.resolve()
    niftis, dicoms, others = [], [], []
    for path in walk(folder):
        if exclude is not None and path.resolve().is_relative_to(exclude):
            continue
        name = path.name.lower()
        if name.endswith(ENDINGS):
            niftis.append(path)
        elif name.endswith(_OTHER_FORMATS):
            others.append(path)
        elif dicom.is_dicom(path):
            dicoms.append(path)
    return niftis, dicoms, others


def _nothing(folder: Path, n_dicom: int, others: Sequence[Path]) -> str:
    found = ""
    if others:
        endings = ", ".join(sorted({path.suffix for path in others}))
        found = f"; it holds {len(others)} files of other formats ({endings}): convert or unpack them"
    if n_dicom:
        found = f"; of {n_dicom} DICOM files none has a readable header: export them again"
    return (f"{folder}: expected NIfTI files (.nii, .nii.gz) or DICOM, in a BIDS tree, in a folder for each patient or "
            f"all in one folder, found none{found}")


def _study_names(studies: Sequence[dicom.Study], names: Mapping[str, str], keep_ids: bool) -> dict[str, str]:
    """A name for each study; those given before stay with their study, also of studies that are not here now."""
    if keep_ids:
        ids = [dicom.patient_case(study) for study in studies]
        return {study.key: name if ids.count(name) == 1 else f"{name}_study-{study.key[:6]}"
                for study, name in zip(studies, ids, strict=True)}
    given, number = dict(names), 1
    for study in studies:
        while f"case-{number:04d}" in given.values():
            number += 1
        given.setdefault(study.key, f"case-{number:04d}")
    return given


def _groups(folder: Path, niftis: list[Path]) -> dict[str, list[Series] | CaseError]:
    """Candidates by final case name; an error where two names fall together."""
    groups: dict[str, list[Series] | CaseError] = {}
    origin: dict[str, str] = {}
    for found, candidates in nifti_cases(folder, niftis).items() if niftis else ():
        name = case_name(found)
        if name in groups:
            groups[name] = CaseError(name, f"{origin[name]!r} and {found!r} would both be called {name}: rename one")
        else:
            groups[name], origin[name] = candidates, found
    return groups


def _pinned(
    folder: Path, groups: dict[str, list[Series] | CaseError], manual_pairs: Mapping[str, ManualPair],
    hidden: Mapping[str, dicom.Study],
) -> tuple[list[FoundCase], list[str]]:
    """Cases, the pinned ones first, and what was not made a case of its own."""
    cases, taken = [], set()
    elsewhere = {f"{name}/{series.label}": series for name, study in hidden.items() for series in study.series}
    for name, pin in manual_pairs.items():
        if case_name(name) != name:
            cases.append(FoundCase(case_name(name), problem=f"the pair's case {name!r} cannot be a file's name: use "
                                                            "letters, digits, - and _"))
            continue
        group = groups.pop(name, [])
        found = [] if isinstance(group, CaseError) else group
        try:
            choice = choose_manual_pair(pin, found, folder, elsewhere=elsewhere)
            _check_one_patient(name, choice, hidden)
        except CaseError as error:
            cases.append(FoundCase(name, problem=error.problem))
        else:
            cases.append(FoundCase(name, choice))
            taken |= {path for scan in choice.scans.values() for path in scan.files}
    merged = []
    for name, group in groups.items():
        if isinstance(group, CaseError):
            cases.append(FoundCase(name, problem=group.problem))
            continue
        left = [candidate for candidate in group if not taken & set(candidate.files)]
        if name in hidden and len(left) < len(group):
            merged.append(f"{name}: no case of its own, since a pair takes a scan of it")
        elif left:  # else a pair of a new name took all of it
            case = _chosen(name, left)
            cases.append(replace(case, problem=case.problem + _other_studies(name, hidden)) if case.problem else case)
    return cases, merged


def _other_studies(case: str, hidden: Mapping[str, dicom.Study]) -> str:
    """Where else to look for the scan that a DICOM case lacks: other studies of the same patient."""
    own = hidden.get(case)
    others = [name for name, study in hidden.items()
              if own and own.patient_id and name != case and study.patient_id == own.patient_id]
    if not others:
        return ""
    return (f"\n    The same patient has {', '.join(others)} too: a scan of another study is pinned as "
            f"{others[0]}/series-N")


def _check_one_patient(case: str, choice: ScanPair, hidden: Mapping[str, dicom.Study]) -> None:
    ids = {study.patient_id for study in _studies_of(choice, hidden)}
    if len(ids) > 1:
        raise CaseError(case, "the pair takes its scans from studies with different patient ids: name two scans of one "
                        "patient; if the ids are of one person, make them equal, or convert the series to NIfTI")


def _studies_of(choice: ScanPair, hidden: Mapping[str, dicom.Study]) -> list[dicom.Study]:
    """Studies that hold a scan of `choice`, the T1w's first."""
    found = [study for scan in choice.scans.values() for study in hidden.values()
             if any(series.files == scan.files for series in study.series)]
    return list({study.key: study for study in found}.values())


def _chosen(name: str, candidates: Sequence[Series]) -> FoundCase:
    try:
        return FoundCase(name, choose_pair(name, candidates))
    except CaseError as error:
        return FoundCase(name, problem=error.problem)


def _with_studies(case: FoundCase, hidden: Mapping[str, dicom.Study]) -> FoundCase:
    studies = _studies_of(case.pair, hidden) if case.pair else []
    if case.case in hidden:
        studies = [hidden[case.case], *studies]
    if not studies:
        return case
    return replace(case, study=studies[0].key, secrets=frozenset().union(*(study.secrets for study in studies)))


def _remarks(niftis: list[Path], studies: Sequence[dicom.Study], unreadable: int, others: Sequence[Path]) -> list[str]:
    lines = []
    if niftis and studies:
        lines.append(f"{len(niftis)} NIfTI files and {len(studies)} DICOM studies: both are taken; where they are the "
                     "same scans, give -i one of them")
    if unreadable:
        lines.append(f"{unreadable} DICOM files have no readable header and were left out")
    if others:
        endings = ", ".join(sorted({path.suffix for path in others}))
        lines.append(f"{len(others)} files of other formats ({endings}) were left out")
    return lines

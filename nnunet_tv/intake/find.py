"""The cases in a folder of scans: which T1w and FLAIR each has and why, or what is wrong with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from nnunet_tv.intake.catalogue import Catalogue, read_catalogue
from nnunet_tv.intake.dicom import Study
from nnunet_tv.intake.layout import case_name
from nnunet_tv.intake.manual_pairs import ManualPair
from nnunet_tv.intake.scan_pair import CHANNELS, ScanPair, after_contrast_agent, check_pair, choose_pair
from nnunet_tv.intake.series_metadata import Series
from nnunet_tv.utils.errors import CaseError


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
    manual_pairs = manual_pairs or {}
    catalogue = read_catalogue(Path(folder), keep_ids=keep_ids, names=names, pairs=list(manual_pairs.values()),
                               exclude=exclude)
    remarks = list(catalogue.remarks)
    results: list[tuple[str, ScanPair | CaseError]] = [
        (case_name(pair.case), _attempt(_manual_pair, pair, catalogue)) for pair in manual_pairs.values()]
    used = {path for _, pair in results if isinstance(pair, ScanPair) for scan in pair.scans.values()
            for path in scan.files}
    for name, scans in catalogue.cases.items():
        left = [scan for scan in scans if not used & set(scan.files)]
        if name in catalogue.clashes and left:
            if name in manual_pairs:
                remarks.append(f"{name}: {', '.join(scan.label for scan in left)} are in no case, since two folders "
                               "would have this name: rename one")
            else:
                results.append((name, catalogue.clashes[name]))
        elif name in manual_pairs:
            continue
        elif name in catalogue.studies and len(left) < len(scans):
            remarks.append(f"{name}: no case of its own, since a pair takes a scan of it")
        elif left:  # else pairs of other names use all of it
            results.append((name, _attempt(_automatic_pair, name, left, catalogue)))
    cases = [_case(name, result, catalogue) for name, result in sorted(results, key=lambda named: named[0])]
    return Found(tuple(cases), tuple(remarks), dict(catalogue.names))


def _attempt(function: Callable[..., ScanPair], *arguments: Any) -> ScanPair | CaseError:
    try:
        return function(*arguments)
    except CaseError as error:
        return error


def _manual_pair(pair: ManualPair, catalogue: Catalogue) -> ScanPair:
    """The scans of a pair chosen by hand, all of one patient."""
    if case_name(pair.case) != pair.case:
        raise CaseError(pair.case, f"the pair's case {pair.case!r} is not a valid file name: use letters, digits, - "
                        "and _")
    scans = {kind: catalogue.find(pair, name) for kind, name in zip(CHANNELS, (pair.t1, pair.flair), strict=True)}
    found = check_pair(pair.case, scans)
    t1w = scans[CHANNELS[0]]
    beside = next((others for others in catalogue.cases.values() if any(one.files == t1w.files for one in others)), [])
    found = replace(found, flags=(*found.flags, *after_contrast_agent(t1w, beside)))
    owners = [name for scan in scans.values() for name, others in catalogue.cases.items()
              if any(other.files == scan.files for other in others)]
    taken = pair.case in catalogue.cases or pair.case in catalogue.names.values()
    if taken and len(owners) == len(scans) and pair.case not in owners:
        raise CaseError(pair.case, f"the pair is called {pair.case}, but both of its scans are of "
                        f"{' and '.join(dict.fromkeys(owners))}, so that {pair.case} would no longer be the study of "
                        "that name: give the pair the name of the case that has its scans, or a new one")
    return replace(found, flags=(*found.flags, *_doubts_about_patient(pair.case, _studies_of(found, catalogue))))


def _doubts_about_patient(case: str, studies: Sequence[Study]) -> list[str]:
    """A flag where nothing confirms that studies are of one patient; a :class:`CaseError` where they are not."""
    same = [one.patient.same_as(other.patient) for one, other in pairwise(studies) if one.key != other.key]
    if False in same:
        raise CaseError(case, "the pair takes its scans from studies of two patients (different patient ids, dates of "
                        "birth or sexes): name two scans of one patient; if they are of one person, make these "
                        "elements equal, or convert the series to NIfTI")
    return ["the pair takes its scans from two studies, and no patient id confirms that they are of one person (the "
            "ids are empty or placeholders): check it"] if None in same else []


def _automatic_pair(name: str, scans: Sequence[Series], catalogue: Catalogue) -> ScanPair:
    """The pair that the metadata determine; the problem names other studies of the same patient."""
    try:
        return choose_pair(name, scans)
    except CaseError as error:
        study = catalogue.studies.get(name)
        others = [other for other, one in catalogue.studies.items()
                  if study and other != name and study.patient.same_as(one.patient)]
        if not others:
            raise
        raise CaseError(name, f"{error.problem}\n    The same patient has {', '.join(others)} too: a scan of another "
                        f"study is given as {others[0]}/series-N") from error


def _studies_of(pair: ScanPair, catalogue: Catalogue) -> list[Study]:
    """Studies that contain a scan of `pair`, the T1w's first."""
    return [study for scan in pair.scans.values() for study in catalogue.studies.values()
            if scan.study and scan.study == study.key]


def _case(name: str, result: ScanPair | CaseError, catalogue: Catalogue) -> FoundCase:
    """A case with the key and the secrets of the studies that it belongs to."""
    own = [catalogue.studies[name]] if name in catalogue.studies else []
    if isinstance(result, CaseError):
        pair, problem, involved = None, result.problem, own
    else:
        names = {channel: catalogue.written(scan) for channel, scan in result.scans.items()}
        pair, problem, involved = replace(result, names=names), "", [*own, *_studies_of(result, catalogue)]
    return FoundCase(name, pair, problem, involved[0].key if involved else "",
                     frozenset().union(*(study.secrets for study in involved)))

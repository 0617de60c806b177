"""A table of the cases in a folder of one's own, for ``nnunet-tv-convert pairs``.

The table is made once, read by a person, and kept: it holds the decision which patients are tested.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunet_tv.conversion.lesion_mask import LesionMask, check_lesion_mask
from nnunet_tv.conversion.source import SELECTION, TEST, TRAIN
from nnunet_tv.conversion.splits import expanded, split_paper
from nnunet_tv.intake.catalogue import Catalogue, read_catalogue
from nnunet_tv.intake.exclusions import is_lesion_mask
from nnunet_tv.intake.folder_files import sort_files
from nnunet_tv.intake.layout import case_name, nifti_cases
from nnunet_tv.intake.scan_pair import CHANNELS, choose_pair
from nnunet_tv.intake.series_metadata import Series
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.tables import write_tsv

COLUMNS = ("case", *CHANNELS, "label", "split", "patient", "side")
NO_LESION = "none"
_TO_NIFTI = "convert its series to NIfTI first (dcm2niix): masks are drawn on NIfTI files here"


@dataclass(frozen=True)
class TableCase:
    """A row of the table."""

    case: str
    scans: Mapping[str, Path] = field(default_factory=dict)  #: by channel; empty if they could not be determined
    label: Path | None = None  #: lesion mask; None if there is none, or none that can be used
    control: bool = False
    mask: LesionMask | None = None  #: what the mask contains
    problem: str = ""  #: why a cell is empty; empty if the row is complete
    notes: tuple[str, ...] = ()
    split: str = ""

    @property
    def patient(self) -> str:
        """The person: BIDS' subject of a session, else the case."""
        return self.case.split("_ses-")[0] if self.case.startswith("sub-") else self.case

    @property
    def drawn_on(self) -> tuple[str, ...]:
        """Channels on whose grid the mask is."""
        return self.mask.drawn_on if self.mask else ()


@dataclass(frozen=True)
class CaseTable:
    """The rows that were written."""

    cases: Mapping[str, TableCase]
    unused: Mapping[str, str] = field(default_factory=dict)  #: masks of no case, by the name that they would have
    remarks: tuple[str, ...] = ()  #: on the folder as a whole

    @property
    def problems(self) -> dict[str, str]:
        """Why cells are empty, by case, and masks of no case."""
        return {**{case.case: case.problem for case in self.cases.values() if case.problem}, **self.unused}

    def label_on(self) -> tuple[str, str]:
        """Channel on which most masks were drawn, and the masks that are on another one's grid, in words."""
        on = {name: [case.case for case in self.cases.values() if name in case.drawn_on] for name in CHANNELS}
        most = max(reversed(CHANNELS), key=lambda name: len(on[name]))
        others = [f"{len(cases)} on the {name}'s ({', '.join(cases)})" for name in CHANNELS if name != most
                  and (cases := [case for case in on[name] if case not in on[most]])]
        own = [case.case for case in self.cases.values() if case.mask and not case.drawn_on]
        others += [f"{len(own)} on a grid of their own ({', '.join(own)})"] if own else []
        return most, f"{len(on[most])} masks are on the {most}'s grid, {', '.join(others)}" if others else ""


def write_case_table(
    folder: str | Path, table: str | Path, *, controls: str | Path | None = None, masks: str | Path | None = None,
    mask_name: str = "",
) -> CaseTable:
    """Find T1w, FLAIR and lesion mask of every patient, draw the split, and write `table`.

    A case with a problem has a row with an empty cell, which ``nnunet-tv-convert pairs`` refuses until it is filled.

    Parameters
    ----------
    folder : Path
        NIfTI files: a BIDS tree, a folder for each patient, or all files in one folder.
    table : Path
        Tab-separated; paths are relative to its folder if they are below it. It must not exist.
    controls : Path, optional
        Such a folder of people without a lesion.
    masks : Path, optional
        Folder with the masks, named as their cases; by default they are beside the scans.
    mask_name : str
        Part of the names of the masks, in whatever case; by default they contain lesion, mask, roi, label or seg.

    Raises
    ------
    NnunetTVError
        The table exists; no such folder; no scans in it.
    """
    table = Path(table)
    if table.exists():
        raise NnunetTVError(f"{table}: exists, and holds the split that was decided on: add rows to it by hand, or "
                            "give another -o")
    catalogue = read_catalogue(Path(folder))
    candidates, strangers = _candidates(catalogue, Path(masks) if masks else None, mask_name)
    cases = {name: _patient(name, scans, catalogue, candidates.get(name, [])) for name, scans in
             catalogue.cases.items() if not strangers.get(name) == "mask"}
    remarks = [*catalogue.remarks]
    if controls is not None:
        healthy = read_catalogue(Path(controls))
        remarks += healthy.remarks
        for name, scans in healthy.cases.items():
            control = _control(name, scans, healthy)
            if name in cases:
                control = replace(cases[name], problem=f"{name} is in {folder} and in {controls} (controls): rename "
                                  "one, or take it out")
            cases[name] = control
    unused = {name: why for name, why in strangers.items() if why != "mask"}
    result = CaseTable(_with_split(cases), unused, tuple(remarks))
    write_tsv(COLUMNS, (_row(case, table.parent) for case in result.cases.values()), table)
    return result


def _candidates(catalogue: Catalogue, masks: Path | None, mask_name: str) -> tuple[dict[str, list[Path]],
                                                                                   dict[str, str]]:
    """Files that may be the mask of each case.

    Also names that are no cases: ``mask`` for files whose name without `mask_name` is a case's, else what is wrong.
    """
    named = re.compile(re.escape(mask_name), re.IGNORECASE)
    found: dict[str, list[Path]] = {}
    strangers: dict[str, str] = {}

    def case_of(name: str) -> str:
        return name if name in catalogue.cases or not mask_name else case_name(named.sub("", name))

    if masks is not None:
        for name, scans in nifti_cases(masks, sort_files(masks, None).niftis).items():
            case, files = case_of(case_name(name)), [scan.files[0] for scan in scans if named.search(scan.label)]
            if case in catalogue.cases:
                found.setdefault(case, []).extend(files)
            elif files:
                strangers[case] = (f"{', '.join(map(str, files))}: there are no scans of this name: a mask is named as "
                                   "its case")
        return found, strangers
    for name, scans in catalogue.cases.items():
        files = [scan.files[0] for scan in scans if not scan.is_dicom and
                 (named.search(Path(scan.label).name) if mask_name else is_lesion_mask(scan.metadata))]
        found.setdefault(case_of(name), []).extend(files)
    if mask_name:  # pat01_FCD.nii.gz beside pat01_T1w.nii.gz
        for name, scans in catalogue.cases.items():
            other = case_name(named.sub("", name))
            files = [scan.files[0] for scan in scans]
            if other != name and other in catalogue.cases and all(named.search(path.name) for path in files):
                found[other] = [*found.get(other, []), *files]
                strangers[name] = "mask"
    return found, strangers


def _scans(name: str, scans: list[Series], catalogue: Catalogue) -> tuple[dict[str, Path], str, tuple[str, ...]]:
    """T1w and FLAIR of a case, or the problem; notes."""
    try:
        if name in catalogue.clashes:
            raise catalogue.clashes[name]
        pair = choose_pair(name, scans)
        if any(scan.is_dicom for scan in pair.scans.values()):
            raise CaseError(name, _TO_NIFTI)
    except CaseError as error:
        problem = error.problem.partition("\n    To choose")[0]
        return {}, f"{problem}\n    Write the two files into the table", ()
    return {channel: scan.files[0] for channel, scan in pair.scans.items()}, "", (*pair.notes, *pair.flags)


def _patient(name: str, scans: list[Series], catalogue: Catalogue, candidates: list[Path]) -> TableCase:
    found, problem, notes = _scans(name, scans, catalogue)
    case = TableCase(name, found, notes=notes, problem=problem)
    listed = ", ".join(str(path.relative_to(catalogue.folder)) if path.is_relative_to(catalogue.folder) else str(path)
                       for path in candidates)
    if len(candidates) > 1:
        wrong = (f"{len(candidates)} files that may be its lesion mask ({listed}): leave one, or give a part of the "
                 "right one's name (--mask-name)")
    elif not candidates:
        wrong = ("no lesion mask: expected one whose name contains lesion, mask, roi, label or seg (or --mask-name); "
                 "masks in another folder are given by --masks, people without a lesion by --controls")
    else:
        try:
            return replace(case, label=candidates[0], mask=check_lesion_mask(name, candidates[0], found))
        except CaseError as error:
            wrong = str(error).removeprefix(f"{name}: ")
    return replace(case, problem="\n    ".join(filter(None, [problem, wrong])))


def _control(name: str, scans: list[Series], catalogue: Catalogue) -> TableCase:
    found, problem, notes = _scans(name, scans, catalogue)
    masks = [scan.label for scan in scans if is_lesion_mask(scan.metadata)]
    if masks:
        problem = "\n    ".join(filter(None, [problem, f"a control with a lesion mask ({', '.join(masks)}): is this a "
                                              "patient?"]))
    return TableCase(name, found, control=not masks, notes=notes, problem=problem)


def _with_split(cases: Mapping[str, TableCase]) -> dict[str, TableCase]:
    """`cases` by name; patients have a side of the split, drawn over persons."""
    persons: dict[str, list[str]] = {}
    for case in cases.values():
        if not case.control:
            persons.setdefault(case.patient, []).append(case.case)
    split = expanded(split_paper(persons, repeats=1), persons)
    sides = {TRAIN: split.folds[0]["train"], SELECTION: split.folds[0]["selection"], TEST: split.test}
    side_of = {name: side for side, names in sides.items() for name in names}
    return {name: replace(cases[name], split=side_of.get(name, "")) for name in sorted(cases)}


def _row(case: TableCase, folder: Path) -> tuple[str, ...]:
    def cell(path: Path | None) -> str:
        if path is None:
            return ""
        absolute, root = Path(os.path.abspath(path)), Path(os.path.abspath(folder))
        return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else str(absolute)

    label = NO_LESION if case.control else cell(case.label)
    return (case.case, *(cell(case.scans.get(name)) for name in CHANNELS), label, case.split, case.patient, "")

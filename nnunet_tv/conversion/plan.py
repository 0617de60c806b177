"""What is to be converted: every case with its role, before a voxel is read.

The draw is made over all patients the data set lists, those with a problem too: a case that fails today
and is repaired tomorrow moves nobody else between training and test.

Controls have no lesion. With ``test`` they go to imagesTs with an empty label (false positives of healthy
people); with ``train`` to imagesTr with an empty label, and are trained on in every fold, whatever the
split, but never scored or used for selection: Sens and DC say nothing about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from nnunet_tv.conversion.source import CONTROL, PATIENT, SELECTION, TEST, TRAIN, SourceCase, SourceDataset
from nnunet_tv.conversion.splits import (
    DEFAULT_REPEATS,
    Fold,
    Split,
    expanded,
    split_cv5,
    split_official,
    split_paper,
)
from nnunet_tv.imaging.volume import check_file
from nnunet_tv.preparation.alignment import RegistrationOptions
from nnunet_tv.utils.errors import CaseError, NnunetTVError

CONTROLS = ("none", "test", "train")
#: Splits and how they come about. ``paper`` and ``seeded`` are one draw: it is the paper's only where its data are.
DRAWN, ASSIGNED, FOLDED = "drawn", "assigned", "folded"
SPLITS = {"paper": DRAWN, "seeded": DRAWN, "official": ASSIGNED, "table": ASSIGNED, "cv5": FOLDED}
#: What can be registered: channels, and how.
REGISTRABLE = {("T1w", "FLAIR"): ("t1", "mni"), ("T1c", "FLAIR"): ("t1",)}


@dataclass(frozen=True)
class ConversionOptions:
    """What a person chooses.

    Attributes
    ----------
    split : str
        A key of :data:`SPLITS`.
    repeats : int, optional
        Number of runs on one split; 10 if left out. ``cv5`` takes none.
    controls : str
        ``none``, ``test`` or ``train``.
    space : str
        A key of :data:`nnunet_tv.preparation.chain.REGISTRATIONS`.
    registration : RegistrationOptions
        Registration backend and brain mask method.
    """

    split: str = "paper"
    repeats: int | None = None
    controls: str = "none"
    space: str = "none"
    registration: RegistrationOptions = field(default_factory=RegistrationOptions)


@dataclass(frozen=True)
class PlannedCase:
    """A case with its role.

    Attributes
    ----------
    source : SourceCase
        Its files; ``source.problem`` is set when it cannot be converted.
    split : str
        For the table: ``train``, ``selection``, ``test``, ``fold 0`` … ``fold 4`` (the fold that scores it),
        or empty when unknown.
    training : bool
        Whether it goes to imagesTr (else imagesTs).
    """

    source: SourceCase
    split: str
    training: bool


@dataclass(frozen=True)
class Plan:
    """All cases, the folds, and the choices that led to them."""

    dataset: SourceDataset
    options: ConversionOptions
    cases: tuple[PlannedCase, ...]
    folds: tuple[Fold, ...]
    left_out: int


def make_plan(dataset: SourceDataset, options: ConversionOptions) -> Plan:
    """Give every case of `dataset` its role.

    Raises
    ------
    ValueError
        A setting that does not exist.
    NnunetTVError
        No patients; a split that the data set must assign and does not; too few patients for ``cv5``;
        `repeats` with ``cv5``; a registration for which the channels are not made.
    """
    if options.controls not in CONTROLS:
        raise ValueError(f"controls is one of {', '.join(CONTROLS)}, not {options.controls!r}")
    if options.split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}, not {options.split!r}")
    _check_space(dataset, options.space)
    cases = dataset.cases
    if SPLITS[options.split] == ASSIGNED:
        cases = tuple(_with_assignment(case, options.split) for case in cases)
        cases = _on_one_side(cases)
    patients = [case for case in cases if case.group == PATIENT]
    if not patients:
        raise NnunetTVError(f"{dataset.folder}: expected patients, found none among {len(cases)} cases")
    split = _split(patients, options)
    roles = _roles(split, options)
    controls = _strangers([case for case in cases if case.group == CONTROL], patients)
    folds = split.folds
    if options.controls == "train":
        folds = tuple({**fold, "train": sorted([*fold["train"], *(case.case for case in controls)])} for fold in folds)
    planned = []
    if options.controls != "none":
        planned += [PlannedCase(case, options.controls, options.controls == TRAIN) for case in controls]
    for case in cases:
        if case.group != CONTROL:
            role = roles.get(case.case, "")
            planned.append(PlannedCase(case, role, role != TEST))
    planned.sort(key=lambda planned: planned.source.case)
    left_out = len(controls) if options.controls == "none" else 0
    return Plan(dataset, options, tuple(planned), folds, left_out)


def _check_space(dataset: SourceDataset, space: str) -> None:
    """Raise for a space that needs other channels."""
    possible = REGISTRABLE.get(tuple(dataset.channels), ())
    if space not in possible and any(space in names for names in REGISTRABLE.values()):
        known = "; ".join(f"{' or '.join(names)} for {' and '.join(takes)}" for takes, names in REGISTRABLE.items())
        raise NnunetTVError(f"--register {space} is not for the channels {', '.join(dataset.channels)} (there "
                            f"is {known}, in this order): use --register none")


def _with_assignment(case: SourceCase, split: str) -> SourceCase:
    if case.group != PATIENT or case.problem or case.assigned in (TRAIN, SELECTION, TEST):
        return case
    return replace(case, problem=f"--split {split} needs train or test for it in the data set's list, found "
                                 f"{case.assigned!r}: repair the list, or use another --split")


def _person(case: SourceCase) -> str:
    return case.person or case.case


def _on_one_side(cases: tuple[SourceCase, ...]) -> tuple[SourceCase, ...]:
    """Cases with a problem where one person's are assigned to different sides: the test would not be one."""
    sides: dict[str, set[str]] = {}
    for case in cases:
        if case.group == PATIENT and case.assigned:
            sides.setdefault(_person(case), set()).add(case.assigned)
    result = []
    for case in cases:
        found = sorted(sides.get(_person(case), ()))
        if case.group == PATIENT and not case.problem and len(found) > 1:
            case = replace(case, problem=f"the cases of {_person(case)} are assigned to {' and '.join(found)}: one "
                                         "person's cases belong to one side; leave those of one side")
        result.append(case)
    return tuple(result)


def _strangers(controls: list[SourceCase], patients: list[SourceCase]) -> list[SourceCase]:
    """Controls with a problem where they are scans of a patient: they would be on another side than the patient's."""
    ill = {_person(case) for case in patients}
    return [replace(case, problem=f"it has no lesion, but {_person(case)} has other cases with one: a control is "
                                  "another person; take it out of the list")
            if not case.problem and _person(case) in ill else case for case in controls]


def _split(patients: list[SourceCase], options: ConversionOptions) -> Split:
    """The draw, over persons: whoever has several cases has them on one side."""
    persons: dict[str, list[str]] = {}
    for case in patients:
        persons.setdefault(_person(case), []).append(case.case)
    return expanded(_draw(persons, patients, options), persons)


def _draw(persons: dict[str, list[str]], patients: list[SourceCase], options: ConversionOptions) -> Split:
    way = SPLITS[options.split]
    if way == FOLDED:
        if options.repeats is not None:
            raise NnunetTVError(f"repeats are not for --split {options.split}, which has five folds: leave them out")
        return split_cv5(persons)
    repeats = DEFAULT_REPEATS if options.repeats is None else options.repeats
    if repeats < 1:
        raise NnunetTVError(f"expected at least one repeat, found {repeats}")
    if way == DRAWN:
        return split_paper(persons, repeats=repeats)
    sides: dict[str, set[str]] = {}
    for case in patients:
        if case.assigned in (TRAIN, SELECTION, TEST):
            sides.setdefault(_person(case), set()).add(case.assigned)
    if not sides:
        raise NnunetTVError(f"--split {options.split}: the data set assigns no patient to train or test; use another "
                            "--split")
    return split_official({person: next(iter(roles)) for person, roles in sides.items() if len(roles) == 1},
                          repeats=repeats)


def _roles(split: Split, options: ConversionOptions) -> dict[str, str]:
    roles = {case: TEST for case in split.test}
    if SPLITS[options.split] == FOLDED:
        return roles | {case: f"fold {number}" for number, fold in enumerate(split.folds) for case in fold["val"]}
    return roles | {case: TRAIN for case in split.folds[0]["train"]} | {
        case: SELECTION for case in split.folds[0]["selection"]}


def missing_content(source: SourceCase) -> list[str]:
    """What a conversion would miss now: one line per file without content (link, pointer, empty, absent)."""
    lines = []
    for name, path in source.files.items():
        try:
            if check_file(path, source.case).stat().st_size == 0:
                lines.append(f"{name} {path.name}: the file is empty")
        except CaseError as error:
            lines.append(f"{name} {path.name}: {error.problem.split(':')[0]}")
    return lines

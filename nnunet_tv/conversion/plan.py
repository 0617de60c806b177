"""What is to be converted: every case with its role, before a voxel is read.

The draw is made over all patients the data set lists, those with a problem too: a case that fails today
and is repaired tomorrow moves nobody else between training and test.

Controls have no lesion. With ``test`` they go to imagesTs with an empty label (false positives of healthy
people); with ``train`` to imagesTr with an empty label, and are trained on in every fold, whatever the
split, but never scored or used for selection: Sens and DC say nothing about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from nnunet_tv.conversion.source import CONTROL, PATIENT, TEST, TRAIN, SourceCase, SourceDataset
from nnunet_tv.conversion.splits import DEFAULT_REPEATS, Fold, Split, split_cv5, split_official, split_paper
from nnunet_tv.errors import CaseError, NnunetTVError
from nnunet_tv.preparation.alignment import Choices
from nnunet_tv.volume import check_file

CONTROLS = ("none", "test", "train")


@dataclass(frozen=True)
class Settings:
    """What a person chooses.

    Attributes
    ----------
    split : str
        ``paper``, ``official`` or ``cv5``.
    repeats : int, optional
        Number of runs on one split; 10 if left out. ``cv5`` takes none.
    controls : str
        ``none``, ``test`` or ``train``.
    registration : str
        A key of :data:`nnunet_tv.preparation.chain.REGISTRATIONS`.
    choices : Choices
        Backends of the registration and the brain mask.
    """

    split: str = "paper"
    repeats: int | None = None
    controls: str = "none"
    registration: str = "none"
    choices: Choices = field(default_factory=Choices)


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
    settings: Settings
    cases: tuple[PlannedCase, ...]
    folds: tuple[Fold, ...]
    left_out: int


def make_plan(dataset: SourceDataset, settings: Settings) -> Plan:
    """Give every case of `dataset` its role.

    Raises
    ------
    ValueError
        A setting that does not exist.
    NnunetTVError
        No patients; ``official`` without an assignment in the data set; too few patients for ``cv5``;
        `repeats` with ``cv5``.
    """
    if settings.controls not in CONTROLS:
        raise ValueError(f"controls is one of {', '.join(CONTROLS)}, not {settings.controls!r}")
    cases = dataset.cases
    if settings.split == "official":
        cases = tuple(_with_assignment(case) for case in cases)
    patients = [case for case in cases if case.group == PATIENT]
    if not patients:
        raise NnunetTVError(f"{dataset.folder}: expected patients, found none among {len(cases)} cases")
    split = _split(patients, settings)
    roles = _roles(split, settings)
    controls = [case.case for case in cases if case.group == CONTROL]
    folds = split.folds
    if settings.controls == "train":
        folds = tuple({**fold, "train": sorted([*fold["train"], *controls])} for fold in folds)
    planned = []
    for case in sorted(cases, key=lambda case: case.case):
        if case.group == CONTROL:
            if settings.controls != "none":
                planned.append(PlannedCase(case, settings.controls, settings.controls == "train"))
        else:
            role = roles.get(case.case, "")
            planned.append(PlannedCase(case, role, role != TEST))
    left_out = len(controls) if settings.controls == "none" else 0
    return Plan(dataset, settings, tuple(planned), folds, left_out)


def _with_assignment(case: SourceCase) -> SourceCase:
    if case.group != PATIENT or case.problem or case.assigned in (TRAIN, TEST):
        return case
    return replace(case, problem="--split official needs train or test for it in the data set's list, found "
                                 f"{case.assigned!r}: repair the list, or use --split paper or cv5")


def _split(patients: list[SourceCase], settings: Settings) -> Split:
    names = [case.case for case in patients]
    if settings.split == "cv5":
        if settings.repeats is not None:
            raise NnunetTVError("repeats are for --split paper and official; cv5 has five folds: leave them out")
        return split_cv5(names)
    repeats = DEFAULT_REPEATS if settings.repeats is None else settings.repeats
    if repeats < 1:
        raise NnunetTVError(f"expected at least one repeat, found {repeats}")
    if settings.split == "paper":
        return split_paper(names, repeats=repeats)
    if settings.split == "official":
        assigned = {case.case: case.assigned for case in patients if case.assigned in (TRAIN, TEST)}
        if not assigned:
            raise NnunetTVError("--split official: the data set assigns no patient to train or test; "
                                "use --split paper or cv5")
        return split_official(assigned, repeats=repeats)
    raise ValueError(f"split is one of paper, official, cv5, not {settings.split!r}")


def _roles(split: Split, settings: Settings) -> dict[str, str]:
    roles = {case: TEST for case in split.test}
    if settings.split == "cv5":
        return roles | {case: f"fold {number}" for number, fold in enumerate(split.folds) for case in fold["val"]}
    return roles | {case: TRAIN for case in split.folds[0]["train"]} | {
        case: "selection" for case in split.folds[0]["selection"]}


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

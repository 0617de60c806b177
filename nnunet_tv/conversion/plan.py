"""The role of every case (training, selection, test), before a voxel is read.

The draw is over all patients of the data set, including those with a problem: a case that fails today and is repaired
tomorrow moves no other case between training and test.

Controls have no lesion. With ``test`` they go to imagesTs with an empty label (false positives of healthy people); with
``train`` they go to imagesTr with an empty label and are trained on in every fold, but are never scored or used for
selection, since sensitivity and Dice are not defined for them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from nnunet_tv.conversion.description import Origin, read_origin
from nnunet_tv.conversion.source import CONTROL, PATIENT, SELECTION, TEST, TRAIN, SourceCase, SourceDataset
from nnunet_tv.conversion.splits import DEFAULT_REPEATS, Fold, Split, expanded, split_cv5, split_official, split_paper
from nnunet_tv.imaging.volume import check_file
from nnunet_tv.preparation.alignment import RegistrationOptions
from nnunet_tv.utils.errors import CaseError, NnunetTVError

CONTROLS = ("none", "test", "train")
#: Splits and their kinds. ``paper`` and ``seeded`` are the same draw, named for the paper on the paper's data only.
DRAWN, ASSIGNED, FOLDED = "drawn", "assigned", "folded"
SPLITS = {"paper": DRAWN, "seeded": DRAWN, "official": ASSIGNED, "table": ASSIGNED, "cv5": FOLDED}
#: Channels that can be registered, and the spaces for them.
REGISTRABLE: dict[tuple[str, ...], tuple[str, ...]] = {("T1w", "FLAIR"): ("t1", "mni"), ("T1c", "FLAIR"): ("t1",)}


@dataclass(frozen=True)
class ConversionOptions:
    """Options of a conversion."""

    split: str = "paper"  #: a key of :data:`SPLITS`
    repeats: int | None = None  #: number of runs on one split, 10 if None; must be None for ``cv5``
    controls: str = "none"  #: one of :data:`CONTROLS`
    space: str = "none"  #: a key of :data:`nnunet_tv.preparation.alignment.SPACES`
    registration: RegistrationOptions = field(default_factory=RegistrationOptions)


@dataclass(frozen=True)
class PlannedCase:
    """A case with its role."""

    source: SourceCase
    split: str  #: ``train``, ``selection``, ``test``, ``fold 0`` … (the fold that scores it), or empty where unknown
    training: bool  #: whether it goes to imagesTr (else imagesTs)


@dataclass(frozen=True)
class Plan:
    """All cases, the folds, and the options that led to them."""

    dataset: SourceDataset
    options: ConversionOptions
    cases: tuple[PlannedCase, ...]
    folds: tuple[Fold, ...]
    left_out: int  #: number of controls
    origin: Origin  #: of the scans, as the source states it


def make_plan(dataset: SourceDataset, options: ConversionOptions) -> Plan:
    """Give every case of `dataset` its role.

    Raises
    ------
    ValueError
        An option that does not exist.
    NnunetTVError
        No patients; a description of the data set that cannot be read; a split that the data set does not assign; too
        few patients for ``cv5``; `repeats` with ``cv5``; a space for which the channels cannot be registered.
    """
    if options.controls not in CONTROLS:
        raise ValueError(f"controls is one of {', '.join(CONTROLS)}, not {options.controls!r}")
    if options.split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}, not {options.split!r}")
    space = options.space
    if any(space in names for names in REGISTRABLE.values()) and space not in REGISTRABLE.get(dataset.channels, ()):
        known = "; ".join(f"{' or '.join(names)} for {' and '.join(takes)}" for takes, names in REGISTRABLE.items())
        raise NnunetTVError(f"--space {space} is not for the channels {', '.join(dataset.channels)} (there "
                            f"is {known}, in this order): use --space none")
    cases = _checked(dataset.cases, options.split)
    patients = [case for case in cases if case.group == PATIENT]
    controls = [case for case in cases if case.group == CONTROL]
    if not patients:
        raise NnunetTVError(f"{dataset.folder}: expected patients, found none among {len(cases)} cases")
    split = _draw(patients, options)
    roles, folds = _roles(split, options), split.folds
    left_out = len(controls) if options.controls == "none" else 0
    if options.controls != "none":
        roles.update((case.case, options.controls) for case in controls)
    if options.controls == "train":
        folds = tuple({**fold, "train": sorted([*fold["train"], *(case.case for case in controls)])} for fold in folds)
    planned = (PlannedCase(case, roles.get(case.case, ""), roles.get(case.case) != TEST)
               for case in sorted(cases, key=lambda case: case.case) if case.group != CONTROL or not left_out)
    return Plan(dataset, options, tuple(planned), folds, left_out, read_origin(dataset))


def _checked(cases: Sequence[SourceCase], split: str) -> list[SourceCase]:
    """`cases`, with a problem for those whose role would be unknown or would put one person on two sides."""
    sides: dict[str, set[str]] = {}
    for case in cases:
        if case.group == PATIENT:
            sides.setdefault(case.subject, set()).update([case.assigned] if case.assigned else [])
    return [replace(case, problem=case.problem or _problem(case, split, sides)) for case in cases]


def _problem(case: SourceCase, split: str, sides: Mapping[str, set[str]]) -> str:
    if case.group == CONTROL and case.subject in sides:
        return (f"it has no lesion, but {case.subject} has other cases with one: a control is another person; take it "
                "out of the list")
    if case.group == PATIENT and SPLITS[split] == ASSIGNED:
        if case.assigned not in (TRAIN, SELECTION, TEST):
            return (f"--split {split} needs train or test for it in the data set's list, found {case.assigned!r}: "
                    "repair the list, or use another --split")
        if len(sides[case.subject]) > 1:
            return (f"the cases of {case.subject} are assigned to {' and '.join(sorted(sides[case.subject]))}: one "
                    "person's cases belong to one side; leave those of one side")
    return ""


def _draw(patients: Sequence[SourceCase], options: ConversionOptions) -> Split:
    """The draw, over persons: all cases of a person are on one side."""
    kind = SPLITS[options.split]
    persons: dict[str, list[str]] = {}
    sides: dict[str, set[str]] = {}
    for case in patients:
        persons.setdefault(case.subject, []).append(case.case)
        if case.assigned in (TRAIN, SELECTION, TEST):
            sides.setdefault(case.subject, set()).add(case.assigned)
    repeats = DEFAULT_REPEATS if options.repeats is None else options.repeats
    if kind == FOLDED and options.repeats is not None:
        raise NnunetTVError(f"repeats are not for --split {options.split}, which has five folds: leave them out")
    if repeats < 1:
        raise NnunetTVError(f"expected at least one repeat, found {repeats}")
    if kind == FOLDED:
        return expanded(split_cv5(persons), persons)
    if kind == DRAWN:
        return expanded(split_paper(persons, repeats=repeats), persons)
    if not sides:
        raise NnunetTVError(f"--split {options.split}: the data set assigns no patient to train or test; use another "
                            "--split")
    assigned = {person: next(iter(roles)) for person, roles in sides.items() if len(roles) == 1}
    return expanded(split_official(assigned, repeats=repeats), persons)


def _roles(split: Split, options: ConversionOptions) -> dict[str, str]:
    if SPLITS[options.split] == FOLDED:
        return {case: f"fold {number}" for number, fold in enumerate(split.folds) for case in fold["val"]}
    roles = {TRAIN: split.folds[0]["train"], SELECTION: split.folds[0]["selection"], TEST: split.test}
    return {case: role for role, cases in roles.items() for case in cases}


def missing_content(source: SourceCase) -> list[str]:
    """One line per file that has no content (link, pointer, empty, absent)."""
    lines = []
    for name, path in source.files.items():
        try:
            if check_file(path, source.case).stat().st_size == 0:
                lines.append(f"{name} {path.name}: the file is empty")
        except CaseError as error:
            lines.append(f"{name} {path.name}: {error.problem.split(':')[0]}")
    return lines

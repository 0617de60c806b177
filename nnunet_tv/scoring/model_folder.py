"""nnU-Net's model folder as runs to score: the validation of its folds, each with the filtered twin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from nnunet_tv.scoring.runs import MissingRun, Run, segmentations
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json
from nnunet_tv.utils.nnunet_paths import folder as nnunet_folder

REPEATS, CROSSVAL = "repeats", "crossval"
SPLITS, REFERENCES = "splits_final.json", "gt_segmentations"
_VALIDATION, _FILTERED = "validation", "validation_filtered"
#: An entry of ``splits_final.json``.
Split = Mapping[str, Any]


@dataclass(frozen=True)
class ModelRuns:
    """Runs of a model folder."""

    group: str  #: name: given, or the trainer's without ``nnUNetTrainer``
    kind: str  #: ``repeats`` (equal folds are runs) or ``crossval`` (disjoint folds are one pooled run)
    runs: tuple[Run, ...]
    cases: tuple[str, ...]  #: which of the references, sorted
    reference: Path
    note: str  #: description of the cases, to be written over the table
    warnings: tuple[str, ...] = ()


def model_runs(
    model: str | Path, *, group: str | None = None, reference: str | Path | None = None,
    splits: str | Path | None = None, missing: Sequence[MissingRun] = (),
) -> ModelRuns:
    """Runs of ``RESULTS/DATASET/TRAINER__PLANS__CONFIGURATION``.

    Filtered twins (``validation_filtered``) are used where every fold has them, probabilities (``.npz``) where every
    case of a fold has them.

    `reference` (a folder) and `splits` (a file) are by default those of the preprocessed data set. Folds of `missing`
    are left out, whatever is in their folders: those of this group or, of a cross-validation, of any group, so that all
    groups are scored on the same cases.

    Raises
    ------
    NnunetTVError
        Not a model folder; no fold was validated; no (readable) split, or one without a fold that was; folds
        that overlap without being equal, which are neither runs nor a cross-validation.
    """
    model = Path(model)
    trainer, *others = model.name.split("__")
    if not model.is_dir() or len(others) != 2:
        raise NnunetTVError(f"{model}: expected a model folder, RESULTS/DATASET/TRAINER__PLANS__CONFIGURATION")
    splits = Path(splits) if splits is not None else _preprocessed(model) / SPLITS
    reference = Path(reference) if reference is not None else _preprocessed(model) / REFERENCES
    group = group or trainer.removeprefix("nnUNetTrainer") or trainer
    folds, warnings = _validated(model)
    entries = _entries(splits, folds)
    kind = _kind(entries, splits)
    without = {one.run for one in missing if kind == CROSSVAL or one.group == group}
    done = {fold: entries[fold] for fold in folds if fold not in without}
    if not done:
        raise NnunetTVError(f"{model}: every validated fold is named as missing: nothing is left to score")
    note = _note(kind, list(done.values()))
    twins = [(model / f"fold_{fold}" / _FILTERED).is_dir() for fold in done]
    if any(twins) and not all(twins):
        warnings.append(f"{model}: not every fold has {_FILTERED}; the filter is applied in memory for all")
    runs = tuple(_run(group, model / f"fold_{fold}", fold, entry["val"], all(twins), warnings)
                 for fold, entry in done.items())
    if kind == CROSSVAL:
        if lacking := [str(fold) for fold in range(len(entries)) if fold not in done]:
            left_out = " or left out as missing" if without else ""
            text = (f"fold{'s' if len(lacking) > 1 else ''} {', '.join(lacking)} of the split's {len(entries)} not "
                    f"validated{left_out}, so that their cases are in no figure")
            warnings.append(f"{model}: {text}")
            note = f"{note} Incomplete: {text}."
        owner = {case: run for run, entry in zip(runs, done.values(), strict=True) for case in entry["val"]}
        runs = (Run(group, 0, model, parts=owner),)
    cases = tuple(sorted({case for entry in done.values() for case in entry["val"]}))
    return ModelRuns(group, kind, runs, cases, reference, note, tuple(warnings))


def check_comparable(models: Sequence[ModelRuns]) -> None:
    """Raise unless all models were validated on the same cases, in the same way: else no row compares."""
    first = models[0]
    for other in models[1:]:
        if (other.kind, other.cases) != (first.kind, first.cases):
            raise NnunetTVError(
                f"{first.group} ({first.kind}, {len(first.cases)} cases) and {other.group} ({other.kind}, "
                f"{len(other.cases)} cases) were not validated on the same cases: give them one report each")
        if other.reference.resolve() != first.reference.resolve():
            raise NnunetTVError(f"{first.group} has its references in {first.reference}, {other.group} in "
                                f"{other.reference}: name one folder with --ref")


def numbered_as(models: Sequence[ModelRuns], controls: Sequence[Run]) -> list[Run]:
    """`controls`, the i-th of a model's group with the number of the model's i-th run, which is its fold.

    Raises
    ------
    NnunetTVError
        A group has more of them than its model has runs.
    """
    folds = {model.group: [run.run for run in model.runs] for model in models if model.kind == REPEATS}
    result = []
    for run in controls:
        numbers = folds.get(run.group)
        if numbers is not None and run.run >= len(numbers):
            raise NnunetTVError(f"{run.group}: expected at most {len(numbers)} folders of controls, one for each "
                                f"validated fold ({', '.join(map(str, numbers))}), found more")
        result.append(run if numbers is None else replace(run, run=numbers[run.run]))
    return result


def _preprocessed(model: Path) -> Path:
    return nnunet_folder("nnUNet_preprocessed") / model.resolve().parent.name


def _validated(model: Path) -> tuple[list[int], list[str]]:
    """Folds with segmentations in ``validation``, and warnings on the others."""
    folds, warnings = [], []
    for path in sorted(model.glob("fold_*")):
        number = path.name.removeprefix("fold_")
        if not number.isdecimal():
            warnings.append(f"{path}: trained on all cases, so none are left to score; left out")
        elif segmentations(path / _VALIDATION):
            folds.append(int(number))
        else:
            warnings.append(f"{path}: no segmentations in {_VALIDATION}; left out. Validate it with nnUNetv2_train … "
                            f"{number} --val")
    if not folds:
        raise NnunetTVError(f"{model}: no fold has segmentations in fold_k/{_VALIDATION}: finish the training, or "
                            "validate with nnUNetv2_train … --val")
    return sorted(folds), warnings


def _entries(splits: Path, folds: Sequence[int]) -> list[Split]:
    if not splits.is_file():
        raise NnunetTVError(f"{splits}: no such file; it lists the cases on which each fold was validated")
    try:
        entries = read_json(splits)
        usable = all(entry["val"] and isinstance(entry["val"], list) for entry in entries)
    except (ValueError, KeyError, TypeError) as error:
        raise NnunetTVError(f"{splits}: not a list of folds with their cases under 'val' ({error!r})") from error
    if not usable:
        raise NnunetTVError(f"{splits}: a fold has no cases under 'val'")
    if folds[-1] >= len(entries):
        raise NnunetTVError(f"{splits}: {len(entries)} folds, but fold_{folds[-1]} was trained: nnU-Net drew a split "
                            "of its own for it, which is not recorded; move that folder away")
    return entries


def _kind(entries: Sequence[Split], splits: Path) -> str:
    sets = [set(entry["val"]) for entry in entries]
    if all(each == sets[0] for each in sets):
        return REPEATS
    for (i, first), (j, second) in combinations(enumerate(sets), 2):
        if shared := first & second:
            raise NnunetTVError(
                f"{splits}: folds {i} and {j} share {len(shared)} of {len(first)} and {len(second)} cases: neither "
                "equal (runs of one split) nor disjoint (a cross-validation); score their folders one by one with "
                "--pred")
    return CROSSVAL


def _run(group: str, fold: Path, number: int, cases: Sequence[str], filtered: bool, warnings: list[str]) -> Run:
    folder = fold / _VALIDATION
    present = [case for case in cases if (folder / f"{case}.npz").exists()]
    if present and len(present) < len(cases):
        warnings.append(f"{folder}: probabilities of {len(present)} of {len(cases)} cases only; not used. Validate "
                        "with --val --npz")
    if extra := sorted(set(segmentations(folder)) - set(cases)):
        warnings.append(f"{folder}: {len(extra)} segmentations of cases that the split does not give to this fold, not "
                        f"scored: {', '.join(extra)}")
    return Run(group, number, folder, fold / _FILTERED if filtered else None,
               folder if len(present) == len(cases) else None)


def _note(kind: str, folds: Sequence[Split]) -> str:
    selecting = any(set(entry.get("selection", entry["val"])) & set(entry["val"]) for entry in folds)
    if kind == REPEATS:
        return ("Selection set, not test: the cases on which training stopped and its weights were chosen."
                if selecting else "Validation cases of one split, not used for the choice of weights.")
    return f"Cross-validation: {len(folds)} disjoint folds pooled as one run" + (
        "; where the split has no selection set of its own, a trainer that stops early chose its weights on the cases "
        "scored here." if selecting else ", each scored by the model that did not see it.")

"""``accuracy.json``: what the pages of a model may quote from its report.

Copied into the model folder, it is found by ``nnunet-tv-predict``, which compares the digest of the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_tv.inference.model_folder import Accuracy, Model, find_model
from nnunet_tv.inference.trained_on import TrainedOn
from nnunet_tv.metrics.registry import DETECTED, FALSE_CLUSTERS
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.record import Record
from nnunet_tv.scoring.model_folder import SPLITS
from nnunet_tv.scoring.rows import FILTERED
from nnunet_tv.scoring.runs import Run, segmentations
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json
from nnunet_tv.utils.nnunet_paths import folder as nnunet_folder

#: Files that nnUNetv2_predict copies from the model folder beside its predictions.
_COPIED = ("dataset.json", "plans.json")


@dataclass(frozen=True)
class TestedModel:
    """A run and the model that predicted it."""

    run: Run
    model: Model


def tested_models(reference: Path, runs: Sequence[Run]) -> list[TestedModel]:
    """Models of the runs that have one.

    Raises
    ------
    NnunetTVError
        Not a usable model; predictions of other plans or another data set; post-processed files, whose filter is not
        recorded; cases of `reference` that were used in the training.
    """
    found = []
    for run in runs:
        if run.predicted_by is not None:
            tested = TestedModel(run, _model(run.predicted_by))
            _check_predictions(tested)
            _check_unseen(tested, segmentations(reference))
            found.append(tested)
    return found


def accuracies(record: Record, tested: Sequence[TestedModel], reference: Path) -> list[Accuracy]:
    """Figures of each tested model, of its own run alone; a NnunetTVError if no subject has a lesion."""
    origin = TrainedOn.of_folder(reference.resolve().parent) or TrainedOn()
    settings, result = record.settings, []
    for one in tested:
        rows = [row for row in record.rows if (row.group, row.run) == (one.run.group, one.run.run)]
        group, = (group for group in gather(rows) if group.stage == FILTERED)
        found, false = (group.interval(measure, seed=settings["seed"]) for measure in (DETECTED, FALSE_CLUSTERS))
        if found.value is None or found.low is None or found.high is None or false.value is None:
            raise NnunetTVError(f"--predicted-by {one.run.group}: expected subjects with a lesion, found none: its "
                                "accuracy is not defined")
        result.append(Accuracy(
            sha256=one.model.fingerprint(), model=one.model.name,
            tested_on=origin.data_set or "a data set that is not recorded", synthetic=origin.synthetic,
            subjects=len(group.scores), with_lesion=found.n, detected=round(found.value * found.n),
            hit_rule=settings["hits"][0], sensitivity=(found.low, found.high),
            false_clusters=false.value,
            false_clusters_interval=None if false.low is None or false.high is None else (false.low, false.high),
            filter="; ".join(settings["filter_steps"]), created=record.meta["created"]))
    return result


def _model(folder: Path) -> Model:
    folder = folder.resolve()  # of which the name is used
    one_fold = folder.name.startswith("fold_")
    return find_model(folder.parent if one_fold else folder, folds=[folder.name[5:]] if one_fold else None)


def _check_predictions(tested: TestedModel) -> None:
    run, folder = tested.run, tested.model.folder
    if run.filtered is not None:
        raise NnunetTVError(f"{run.filtered}: the filter of post-processed files is not recorded, and --predicted-by "
                            f"needs the one that is applied here: leave out --pred-pp of {run.group}")
    for name in _COPIED:
        if not _same(run.raw / name, folder / name):
            raise NnunetTVError(f"{run.raw / name}: expected the same as in {folder}, as nnUNetv2_predict copies it, "
                                "found another or none: give the model that made these predictions")


def _same(first: Path, second: Path) -> bool:
    try:
        contents: list[Any] = [read_json(path) for path in (first, second)]
    except (OSError, ValueError):
        return False
    return contents[0] == contents[1]


def _check_unseen(tested: TestedModel, cases: Sequence[str]) -> None:
    model = tested.model
    path = nnunet_folder("nnUNet_preprocessed") / model.folder.resolve().parent.name / SPLITS
    try:
        entries = read_json(path)
        used = entries if "all" in model.folds else [entries[int(fold)] for fold in model.folds]
        seen = {case for entry in used for case in (*entry["train"], *entry.get("selection", entry["val"]))}
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise NnunetTVError(f"{path}: expected the split of {model.name}, to check that it was not trained on the "
                            f"cases that are scored ({type(error).__name__}: {error})") from error
    if both := sorted(seen.intersection(cases)):
        raise NnunetTVError(f"{model.folder}: {len(both)} of {len(cases)} cases were used in its training, the first "
                            f"{both[0]}: --predicted-by is for a test on cases that the model has not seen")

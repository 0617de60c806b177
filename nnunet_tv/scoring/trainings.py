"""The training behind each run of predictions: its ``run.json``, and whether model and predictions agree with it.

It is looked for, in this order,

- in the fold that holds the predictions (``fold_k/validation``),
- where the caller states it (``--run-json``, or the model of ``--predicted-by``),
- beside the predictions, as a copy,
- in the model that ``predict_from_raw_data_args.json`` of an early nnU-Net v2 names.

nnU-Net 2.8 does not write beside its predictions by which trainer and fold they were made; this is not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_tv.scoring.prediction_settings import ARGUMENTS, CHECKPOINT
from nnunet_tv.scoring.runs import Run
from nnunet_tv.training.record.digests import json_sha256
from nnunet_tv.training.record.run_record import RUN_JSON, RunRecord, read_run_record
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, sha256

#: Names the checkpoint that a fold's validation was made with; written by the trainers of the recipe.
_VALIDATED = "validation.json"


@dataclass(frozen=True)
class Training:
    """A training whose model predicted a run of the report, or one fold of it."""

    group: str
    run: int
    record: RunRecord | None  #: None if there is none
    problem: str = ""  #: why there is none, where a file was there
    part: bool = False  #: of a pooled cross-validation or an ensemble, whose folds differ in their cases
    checkpoint: bool | None = None  #: whether the model's checkpoint is the one recorded; None if it is not there
    plan: bool | None = None  #: whether the predictions' plans.json is the plan of the training; None without one

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Training:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        record = content["record"]
        return cls(**{**content, "record": None if record is None else RunRecord.from_dict(record)})


def find_trainings(runs: Sequence[Run]) -> list[Training]:
    """Trainings of all runs, in their order: one for each fold of a pooled cross-validation or an ensemble.

    NnunetTVError where a run names a ``run.json`` that cannot be read.
    """
    return [training for run in runs for fold in run.folds() for training in _of(run, fold)]


def _of(run: Run, fold: Run) -> list[Training]:
    predictions = fold.raw.resolve()
    validation = predictions.name == "validation" and predictions.parent.name.startswith("fold_")
    plan = _plan_sha256(predictions.parent.parent if validation else predictions)
    found = []
    places = _places(fold, predictions, validation=validation)
    part = bool(run.parts) or len(places) > 1
    for path in places:
        try:
            record, problem = read_run_record(path), ""
        except NnunetTVError as error:
            if fold.run_json is not None:
                raise
            record, problem = None, str(error) if path.is_file() else ""
        found.append(Training(
            run.group, run.run, record, problem, part,
            checkpoint=None if record is None else _same_checkpoint(path.parent, record, validation=validation),
            plan=None if record is None or plan is None else plan == record.plan_sha256))
    return found or [Training(run.group, run.run, None, part=part)]


def _places(run: Run, predictions: Path, *, validation: bool) -> list[Path]:
    """Files that the record of a run is in, if there is one; several for an ensemble."""
    if run.run_json is not None:
        return [run.run_json / RUN_JSON if run.run_json.is_dir() else run.run_json]
    if validation:
        return [predictions.parent / RUN_JSON]
    if run.predicted_by is not None:
        model = run.predicted_by.resolve()
        return [fold / RUN_JSON for fold in ([model] if model.name.startswith("fold_") else _folds(model))]
    if (predictions / RUN_JSON).is_file():
        return [predictions / RUN_JSON]
    try:
        content = read_json(predictions / ARGUMENTS)
        return [Path(content["model_training_output_dir"], f"fold_{fold}", RUN_JSON) for fold in content["use_folds"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _folds(model: Path) -> list[Path]:
    """Folds of a model that are used together; fold ``all`` only if it is the only one."""
    folds = sorted(path.parent for path in model.glob(f"fold_*/{CHECKPOINT}"))
    return [fold for fold in folds if fold.name != "fold_all"] or folds


def _plan_sha256(folder: Path) -> str | None:
    try:
        return json_sha256(read_json(folder / "plans.json"))
    except (OSError, ValueError):
        return None


def _same_checkpoint(fold: Path, record: RunRecord, *, validation: bool) -> bool | None:
    """Whether the final checkpoint, and the one that the validation was made with, are as recorded."""
    recorded, digests = record.checkpoints.get(CHECKPOINT), []
    if (fold / CHECKPOINT).is_file():
        digests.append(sha256(fold / CHECKPOINT))
    if validation and (fold / _VALIDATED).is_file():
        try:
            digests.append(read_json(fold / _VALIDATED)[CHECKPOINT])
        except (OSError, ValueError, KeyError, TypeError):
            pass
    return all(digest == recorded for digest in digests) if digests else None

"""How predictions were made, as far as nnU-Net leaves a record: mirroring, step of the window, checkpoint, folds.

Three places have some of it:

- ``fold_k/validation`` of a model folder is written by nnU-Net's trainer, which mirrors over the axes that the
  checkpoint names, with a step of 0.5.
- ``predict_from_raw_data_args.json`` beside predictions has all of it if it is of an early nnU-Net v2, whose prediction
  was one function. The file of this name of nnU-Net 2.8 has the arguments of ``predict_from_files`` and none of it.
- The model that was given for a run (``--predicted-by``) has the axes over which its predictions may be mirrored.

What is in none of them is not guessed from nnU-Net's defaults.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.files import read_json

ARGUMENTS = "predict_from_raw_data_args.json"
CHECKPOINT = "checkpoint_final.pth"
VALIDATION_STEP = 0.5  # in nnUNetTrainer.perform_actual_validation
_VAL_BEST = f"{CHECKPOINT} unless validated with --val_best"


@dataclass(frozen=True)
class PredictionSettings:
    """Settings of a prediction; None or empty where they are not recorded."""

    mirroring: bool | None = None  #: whether mirrored versions of the input were averaged
    versions: int | None = None  #: how many there are with mirroring, 1 if the model allows none
    step: float | None = None  #: of the sliding window, as a share of the patch
    checkpoint: str = ""
    folds: tuple[str, ...] = ()  #: several are an ensemble

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> PredictionSettings:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        return cls(**{**content, "folds": tuple(content["folds"])})

    def __str__(self) -> str:
        """All but the folds, in words."""
        step = "overlap not recorded" if self.step is None else f"overlap {1 - self.step:g} (step {self.step:g})"
        return f"{self._mirroring()}, {step}, {self.checkpoint or 'checkpoint not recorded'}"

    def _mirroring(self) -> str:
        if self.mirroring is False:
            return "mirroring off"
        if self.versions == 1:
            return "no mirroring (the model allows none)"
        if self.mirroring:
            return f"mirroring on ({'axes not recorded' if self.versions is None else f'{self.versions} versions'})"
        return "mirroring not recorded" + ("" if self.versions is None else
                                           f" (the model allows {self.versions} versions)")


def prediction_settings(run: Run) -> tuple[PredictionSettings, ...]:
    """Settings of a run; several if the folds of a pooled cross-validation differ, none if nothing is recorded."""
    found: dict[PredictionSettings, tuple[str, ...]] = {}
    for fold in run.folds():
        settings = _of_folder(fold.raw.resolve(), None if run.predicted_by is None else run.predicted_by.resolve())
        if settings is not None:
            folds = found.setdefault(replace(settings, folds=()), ())
            found[replace(settings, folds=())] = (*folds, *settings.folds)
    return tuple(replace(settings, folds=folds) for settings, folds in found.items())


def _of_folder(folder: Path, model: Path | None) -> PredictionSettings | None:
    fold = folder.parent
    if folder.name == "validation" and fold.name.startswith("fold_"):
        return PredictionSettings(True, _versions(fold, CHECKPOINT), VALIDATION_STEP, _VAL_BEST, (fold.name[5:],))
    arguments = _arguments(folder)
    stated = None if model is None else _of_model(model)
    if arguments is None or stated is None:
        return arguments or stated
    versions = stated.versions if arguments.versions is None else arguments.versions
    return replace(arguments, versions=versions, folds=arguments.folds or stated.folds)


def _arguments(folder: Path) -> PredictionSettings | None:
    """From the arguments that nnU-Net wrote beside its predictions; None if none of the settings is among them."""
    try:
        content = read_json(folder / ARGUMENTS)
        mirroring, step, folds = (content.get(name) for name in ("use_mirroring", "tile_step_size", "use_folds"))
        checkpoint, model = (str(content.get(name) or "") for name in ("checkpoint_name", "model_training_output_dir"))
    except (OSError, ValueError, AttributeError):
        return None
    mirroring = mirroring if isinstance(mirroring, bool) else None
    step = step if isinstance(step, float) and 0 < step <= 1 else None
    if mirroring is None and step is None and not checkpoint:
        return None
    folds = tuple(map(str, folds)) if isinstance(folds, list) else ()
    versions = _versions(Path(model, f"fold_{folds[0]}"), checkpoint or CHECKPOINT) if model and folds else None
    return PredictionSettings(mirroring, versions, step, checkpoint, folds)


def _of_model(model: Path) -> PredictionSettings:
    """What the model that is given for a run shows: the fold, and the axes over which it may be mirrored."""
    folds = [model] if model.name.startswith("fold_") else sorted(
        path.parent for path in model.glob(f"fold_*/{CHECKPOINT}"))
    versions = {_versions(fold, CHECKPOINT) for fold in folds}
    return PredictionSettings(versions=versions.pop() if len(versions) == 1 else None,
                              checkpoint=f"{CHECKPOINT} as stated with --predicted-by",
                              folds=tuple(fold.name[5:] for fold in folds))


def _versions(fold: Path, checkpoint: str) -> int | None:
    """Versions of the input that nnU-Net averages with mirroring: two for each axis of the checkpoint."""
    try:
        axes = read_plain(fold / checkpoint)["inference_allowed_mirroring_axes"]
        return 1 if axes is None else int(2 ** len(axes)) if all(axis in (0, 1, 2) for axis in axes) else None
    except (OSError, KeyError, TypeError):
        return None


def read_plain(path: Path) -> Mapping[str, Any]:
    """The plain values of a checkpoint, without its tensors; empty for another file.

    Nothing in the file is run, unlike by ``torch.load`` without ``weights_only``: whatever is not a plain value is an
    :class:`_Other`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            with archive.open(name) as stream:
                content = _Unpickler(stream).load()
    except (zipfile.BadZipFile, StopIteration, pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError,
            IndexError, AttributeError):
        return {}
    return content if isinstance(content, Mapping) else {}


class _Other:
    """Stands for a value that is not plain; takes everything that a pickle does with it."""

    def __new__(cls, *arguments: object, **options: object) -> _Other:
        return super().__new__(cls)

    def __init__(self, *arguments: object, **options: object): ...

    def __setstate__(self, state: object) -> None: ...

    def __setitem__(self, key: object, value: object) -> None: ...

    def append(self, value: object) -> None: ...

    def extend(self, values: Sequence[object]) -> None: ...


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return OrderedDict if (module, name) == ("collections", "OrderedDict") else _Other

    def persistent_load(self, pid: object) -> None:
        return None

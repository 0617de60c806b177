"""A trained model on disk: its folds, the preparation of its training scans, and its cluster filter."""

import hashlib
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.inference.trained_on import TrainedOn
from nnunet_tv.postprocessing import STANDARD, ClusterFilter, remove_small_clusters
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, sha256
from nnunet_tv.utils.nnunet_paths import folder as nnunet_folder

CHECKPOINT = "checkpoint_final.pth"
CHANNELS = ("T1w", "FLAIR")
POSTPROCESSING = "postprocessing.pkl"
ACCURACY = "accuracy.json"


@dataclass(frozen=True)
class Model:
    """A trained model on disk."""

    folder: Path  #: RESULTS/DATASET/TRAINER__PLANS__CONFIGURATION
    folds: tuple[str, ...]  #: folds to use, each with a checkpoint
    checkpoint: str = CHECKPOINT
    trained_on: TrainedOn = field(default_factory=TrainedOn)  #: how its training scans were prepared

    @property
    def name(self) -> str:
        """Trainer, plans, configuration and folds."""
        noun = "fold" if len(self.folds) == 1 else "folds"
        return f"{self.folder.name}, {noun} {', '.join(self.folds)}"

    def fingerprint(self) -> str:
        """Digest of all files that the prediction depends on."""
        files = ["plans.json", "dataset.json", *(f"fold_{fold}/{self.checkpoint}" for fold in self.folds)]
        if (self.folder / POSTPROCESSING).exists():
            files.append(POSTPROCESSING)
        parts = [f"{name} {sha256(self.folder / name)}" for name in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Accuracy:
    """Figures of a test of one model on cases that it has not seen, written by ``nnunet-tv-report``."""

    sha256: str  #: the model's :meth:`Model.fingerprint`
    model: str  #: its name
    tested_on: str  #: name of the data set
    synthetic: bool | None  #: whether that data set is synthetic; None if it is not recorded
    subjects: int
    with_lesion: int
    detected: int  #: of the subjects with a lesion
    hit_rule: str  #: such as ``any``
    sensitivity: tuple[float, float]  #: 95 % interval of the share detected
    false_clusters: float  #: per subject
    false_clusters_interval: tuple[float, float] | None  #: 95 %
    filter: str  #: steps of the cluster filter
    created: str  #: date and time


def read_accuracy(model: Model, *, fingerprint: str, filter_text: str) -> tuple[Accuracy | None, str]:
    """The figures that the pages of a model may quote, or None and the reason; both empty without a file.

    They must be of this model (the same files and folds) with this filter, tested on a data set that is recorded as
    not synthetic. A damaged file is a :class:`NnunetTVError`.
    """
    path = model.folder / ACCURACY
    if not path.is_file():
        return None, ""
    try:
        entries = [Accuracy(**entry) for entry in read_json(path)["models"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NnunetTVError(f"{path}: not the {ACCURACY} of a report ({type(error).__name__}: {error}): copy it again, "
                            "or remove it") from error
    found = [entry for entry in entries if entry.sha256 == fingerprint]
    if len(found) != 1:
        return None, (f"{path} has {len(found)} tests of {model.name} as it is now, expected one: the folds differ, or "
                      "the model has changed since" if not found else
                      f"{path} has {len(found)} tests of {model.name}, expected one")
    if found[0].synthetic is not False:
        return None, f"{path}: that {found[0].tested_on} is a data set of patients is not recorded"
    if not filter_text.endswith(f": {found[0].filter}"):
        return None, f"{path}: tested with the filter {found[0].filter}, used is {filter_text}"
    return found[0], ""


def model_folder(dataset: str, *, trainer: str, plans: str, configuration: str) -> Path:
    """Folder of a model in nnU-Net's results."""
    return nnunet_folder("nnUNet_results") / dataset / f"{trainer}__{plans}__{configuration}"


def find_model(folder: str | Path, *, folds: Sequence[str] | None = None, checkpoint: str = CHECKPOINT) -> Model:
    """The model of a folder; a :class:`NnunetTVError` if it cannot be used.

    `folds` defaults to every fold with the `checkpoint` file (``all`` only if it is the only one).
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NnunetTVError(f"{folder}: no such model folder: train first, or give another with -m")
    for name in ("plans.json", "dataset.json"):
        if not (folder / name).is_file():
            raise NnunetTVError(f"{folder}: not a model folder: {name} is missing; expected "
                                "RESULTS/DATASET/TRAINER__PLANS__CONFIGURATION")
    there = sorted(path.parent.name.removeprefix("fold_") for path in folder.glob(f"fold_*/{checkpoint}"))
    chosen = list(dict.fromkeys(map(str, folds))) if folds else [fold for fold in there if fold != "all"] or there
    missing = [fold for fold in chosen if fold not in there]
    if missing or not chosen:
        raise NnunetTVError(f"{folder}: no {checkpoint} of fold {', '.join(missing) or 'any'}; folds that have one: "
                            f"{', '.join(there) or 'none'}")
    content = read_json(folder / "dataset.json")
    names = [str(name) for _, name in sorted(content["channel_names"].items(), key=lambda item: int(item[0]))]
    if [name.lower() for name in names] != [name.lower() for name in CHANNELS]:
        raise NnunetTVError(f"{folder}: the model's channels are {', '.join(names)}, expected {', '.join(CHANNELS)} in "
                            "this order, as prepared cases have them")
    labels = content["labels"]
    if sorted(value for value in labels.values() if not isinstance(value, list)) != [0, 1] or len(labels) != 2:
        raise NnunetTVError(f"{folder}: the model's labels are {labels}, expected background and one lesion class")
    return Model(folder, tuple(chosen), checkpoint, TrainedOn.of(content))


@dataclass(frozen=True)
class Filter:
    """The steps that nnU-Net applies to a segmentation after the network."""

    steps: tuple[tuple[Callable[..., np.ndarray], dict[str, Any]], ...]  #: functions of (Z, Y, X) arrays, and settings
    text: str  #: for pages and status files

    def __call__(self, segmentation: Volume) -> Volume:
        """The filtered segmentation, uint8."""
        data = segmentation.data.transpose(2, 1, 0)
        for function, settings in self.steps:
            data = function(data, **settings)
        return Volume(np.ascontiguousarray(data.transpose(2, 1, 0), np.uint8), segmentation.affine)


def read_filter(folder: str | Path) -> Filter:
    """The model folder's ``postprocessing.pkl`` (lists of functions and of settings), or the standard filter."""
    path = Path(folder) / POSTPROCESSING
    if not path.exists():
        text = f"standard (the model folder has no {POSTPROCESSING}): {'; '.join(STANDARD.steps)}"
        return Filter(((remove_small_clusters, {}),), text)
    try:
        functions, settings = pickle.loads(path.read_bytes())
        names = ", ".join(function.__name__ for function in functions)
        if not all(isinstance(one, dict) for one in settings):
            raise ValueError("the settings are not dictionaries")
        steps = tuple(zip(functions, settings, strict=True))
    except Exception as error:  # a pickle can raise anything
        raise NnunetTVError(f"{path}: not nnU-Net's postprocessing ({type(error).__name__}: {error}): write it again, "
                            "or remove it to use the standard filter") from error
    ours = list(functions) == [remove_small_clusters]
    text = "; ".join(ClusterFilter(**settings[0]).steps) if ours else names or "nothing"
    return Filter(steps, f"{POSTPROCESSING}: {text}")

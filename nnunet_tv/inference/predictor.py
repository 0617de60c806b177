"""nnU-Net's predictor on prepared cases: a probability per voxel, and how much the folds differ."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_tv.inference.trained_on import TrainedOn
from nnunet_tv.postprocessing import describe, remove_small_clusters
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, sha256
from nnunet_tv.utils.nnunet_paths import folder as host_folder

log = logging.getLogger(__name__)
CHECKPOINT = "checkpoint_final.pth"
CHANNELS = ("T1w", "FLAIR")
POSTPROCESSING = "postprocessing.pkl"


@dataclass(frozen=True)
class Model:
    """A trained model on disk.

    Attributes
    ----------
    folder : Path
        RESULTS/DATASET/TRAINER__PLANS__CONFIGURATION.
    folds : tuple of str
        Folds to use, each with a checkpoint.
    checkpoint : str
        File name of the checkpoint.
    trained_on : TrainedOn
        How its training scans were prepared.
    """

    folder: Path
    folds: tuple[str, ...]
    checkpoint: str = CHECKPOINT
    trained_on: TrainedOn = field(default_factory=TrainedOn)

    @property
    def name(self) -> str:
        """For people: trainer, plans, configuration and folds."""
        noun = "fold" if len(self.folds) == 1 else "folds"
        return f"{self.folder.name}, {noun} {', '.join(self.folds)}"

    def fingerprint(self) -> str:
        """Digest of everything that decides the prediction."""
        files = ["plans.json", "dataset.json", *(f"fold_{fold}/{self.checkpoint}" for fold in self.folds)]
        if (self.folder / POSTPROCESSING).exists():
            files.append(POSTPROCESSING)
        parts = [f"{name} {sha256(self.folder / name)}" for name in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def model_folder(dataset: str, *, trainer: str, plans: str, configuration: str) -> Path:
    """Folder of a model in nnU-Net's results."""
    return host_folder("nnUNet_results") / dataset / f"{trainer}__{plans}__{configuration}"


def find_model(folder: str | Path, *, folds: Sequence[str] | None = None, checkpoint: str = CHECKPOINT) -> Model:
    """The model of a folder, checked.

    Parameters
    ----------
    folder : Path
        Model folder.
    folds : sequence of str, optional
        Folds to use; all that have the checkpoint if left out (``all`` only where there is no other).
    checkpoint : str
        File name.

    Raises
    ------
    NnunetTVError
        No such folder, no model in it, folds without a checkpoint, channels other than T1w and FLAIR, or more
        than one foreground class.
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
    _check_data(folder, content)
    return Model(folder, tuple(chosen), checkpoint, TrainedOn.of(content))


def _check_data(folder: Path, content: Mapping[str, Any]) -> None:
    names = [str(name) for _, name in sorted(content["channel_names"].items(), key=lambda item: int(item[0]))]
    if tuple(name.lower() for name in names) != tuple(name.lower() for name in CHANNELS):
        raise NnunetTVError(f"{folder}: the model's channels are {', '.join(names)}, expected {', '.join(CHANNELS)} in "
                            "this order, as prepared cases have them")
    labels = content["labels"]
    if sorted(value for value in labels.values() if not isinstance(value, list)) != [0, 1] or len(labels) != 2:
        raise NnunetTVError(f"{folder}: the model's labels are {labels}, expected background and one lesion class")


@dataclass(frozen=True)
class Filter:
    """What is done to a segmentation after the network; arrays are (Z, Y, X), as nnU-Net hands them over."""

    functions: tuple
    settings: tuple[dict, ...]
    text: str
    standard: bool

    def __call__(self, segmentation: np.ndarray) -> np.ndarray:
        """The filtered segmentation."""
        for function, settings in zip(self.functions, self.settings, strict=True):
            segmentation = function(segmentation, **settings)
        return segmentation


def read_filter(folder: str | Path) -> Filter:
    """The model folder's ``postprocessing.pkl``, or the standard filter where there is none.

    Raises
    ------
    NnunetTVError
        A pickle that is not nnU-Net's (list of functions, list of settings).
    """
    path = Path(folder) / POSTPROCESSING
    if not path.exists():
        steps = "; ".join(describe())
        return Filter((remove_small_clusters,), ({},), f"standard (the model folder has no {POSTPROCESSING}): {steps}",
                      True)
    try:
        functions, settings = pickle.loads(path.read_bytes())
        names = ", ".join(function.__name__ for function in functions)
        if len(functions) != len(settings) or not all(isinstance(one, dict) for one in settings):
            raise ValueError("functions and settings differ in number")
    except Exception as error:  # a pickle can raise anything
        raise NnunetTVError(f"{path}: not nnU-Net's postprocessing ({type(error).__name__}: {error}): write it again, "
                            "or take it away to use the standard filter") from error
    steps = "; ".join(describe(**settings[0])) if list(functions) == [remove_small_clusters] else names or "nothing"
    return Filter(tuple(functions), tuple(settings), f"{POSTPROCESSING}: {steps}", False)


@dataclass(frozen=True)
class Prediction:
    """What the network says of one case, on the prepared grid.

    Attributes
    ----------
    segmentation : ndarray, shape (X, Y, Z), uint8
        1 where the lesion is the likelier class; not filtered.
    probability : ndarray, shape (X, Y, Z), float32
        Of lesion, from the mean of the folds' logits, as nnU-Net ensembles.
    deviation : ndarray or None
        Population standard deviation of the folds' probabilities; None with one fold.
    """

    segmentation: np.ndarray
    probability: np.ndarray
    deviation: np.ndarray | None


def check_device(device: str) -> None:
    """Raise a :class:`NnunetTVError` where ``cuda`` is wanted and there is none: no silent fall-back."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise NnunetTVError("-device cuda: no CUDA device was found; use -device cpu (slow), or mend the driver "
                            "(nnunet-tv-doctor)")


def preprocessed(predictor: Any, images: Sequence[str | Path]) -> tuple[Any, dict]:
    """A case as the network takes it: Tensor (C, X, Y, Z), float32, and what nnU-Net's reader tells of its geometry."""
    import torch

    preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
    data, _, properties = preprocessor.run_case([str(path) for path in images], None, predictor.plans_manager,
                                                predictor.configuration_manager, predictor.dataset_json)
    return torch.from_numpy(np.ascontiguousarray(data, np.float32)), properties


class Predictor:
    """A model in memory.

    Parameters
    ----------
    model : Model
    device : str
        ``cpu`` or ``cuda``.
    mirroring : bool
        Average over mirrored inputs, as nnU-Net does.
    step : float
        Step of the sliding window as a share of the patch.
    progress : bool
        Show nnU-Net's bar over the tiles of a case.
    precision : str
        On the CPU: one of :data:`~nnunet_tv.inference.precision.PRECISIONS`. A GPU has nnU-Net's mixed precision.

    Raises
    ------
    NnunetTVError
        No such device; a trainer that is not installed; a checkpoint that does not fit.
    """

    def __init__(self, model: Model, *, device: str = "cuda", mirroring: bool = True, step: float = 0.5,
                 progress: bool = True, precision: str = "auto"):
        import torch
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        from nnunet_tv.inference.precision import wants_bfloat16

        check_device(device)
        self.bfloat16 = wants_bfloat16(precision, device)
        with _quiet():
            self.predictor = nnUNetPredictor(tile_step_size=step, use_mirroring=mirroring, device=torch.device(device),
                                             perform_everything_on_device=device == "cuda", allow_tqdm=progress)
            try:
                self.predictor.initialize_from_trained_model_folder(
                    str(model.folder), tuple(fold if fold == "all" else int(fold) for fold in model.folds),
                    model.checkpoint)
            except (RuntimeError, AttributeError, KeyError, EOFError, ValueError, pickle.UnpicklingError) as error:
                raise NnunetTVError(f"{model.folder}: the model cannot be loaded ({_first_line(error)}); its trainer "
                                    "must be installed here (nnunet-tv-doctor) and its checkpoints whole") from error
        if device == "cpu":
            from nnunet_tv.utils.host_memory import keep_freed_memory

            log.info(keep_freed_memory())

    def predict(self, images: Sequence[str | Path]) -> Prediction:
        """Predict one case.

        Parameters
        ----------
        images : sequence of Path
            One NIfTI file per channel, on one grid.
        """
        predictor = self.predictor
        with _quiet():
            data, properties = preprocessed(predictor, images)
            total, first, second, every = None, 0.0, 0.0, predictor.list_of_parameters
            try:
                for parameters in every:
                    predictor.list_of_parameters = [parameters]
                    logits = self._logits(data)
                    if len(every) > 1:
                        lesion = self._export(logits.clone(), properties)[1].astype(np.float64)
                        first, second = first + lesion, second + lesion**2
                    total = logits if total is None else total + logits
            finally:
                predictor.list_of_parameters = every
            segmentation, lesion = self._export(total / len(every) if len(every) > 1 else total, properties)
        deviation = None
        if len(every) > 1:
            variance = second / len(every) - (first / len(every)) ** 2
            deviation = np.sqrt(np.maximum(variance, 0)).astype(np.float32)
        return Prediction(*(None if array is None else self._stored(array, properties)
                            for array in (segmentation, lesion, deviation)))

    def _logits(self, data):
        """Logits of a preprocessed case with the one set of weights in ``list_of_parameters``."""
        import torch

        from nnunet_tv.inference.precision import TOLERATED_VOXELS, differing_voxels, surest_patch

        predictor = self.predictor
        if self.bfloat16:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = predictor.predict_logits_from_preprocessed_data(data).cpu()
            patch = surest_patch(data, logits, predictor.configuration_manager.patch_size)
            different = differing_voxels(predictor.network, patch)
            if different <= TOLERATED_VOXELS:
                return logits
            log.info("bfloat16 segments %d voxels of a patch otherwise than float32: done again in float32", different)
        return predictor.predict_logits_from_preprocessed_data(data).cpu()

    def _export(self, logits, properties: dict) -> tuple[np.ndarray, np.ndarray]:
        """Segmentation and lesion probability in the reader's axes (z, y, x), whole image."""
        from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape

        predictor = self.predictor
        segmentation, probabilities = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits, predictor.plans_manager, predictor.configuration_manager, predictor.label_manager, properties,
            return_probabilities=True, num_threads_torch=1)
        return np.asarray(segmentation, np.uint8), np.asarray(probabilities[-1], np.float32)

    def _stored(self, array: np.ndarray, properties: dict) -> np.ndarray:
        """(z, y, x) of the reader to (X, Y, Z) of the file: a reader may have turned the image to RAS."""
        import nibabel as nib

        array = array.transpose(2, 1, 0)
        turned = properties.get("nibabel_stuff", {})
        if "reoriented_affine" in turned:
            back = nib.orientations.ornt_transform(nib.io_orientation(turned["reoriented_affine"]),
                                                   nib.io_orientation(turned["original_affine"]))
            array = nib.apply_orientation(array, back)
        return np.ascontiguousarray(array)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


@contextlib.contextmanager
def _quiet():
    """Keep nnU-Net's prints out of the command's output; they go to the log."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            yield
    finally:
        for line in said.getvalue().splitlines():
            log.debug("nnU-Net: %s", line)

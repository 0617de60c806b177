"""nnU-Net's predictor on prepared cases: lesion probability, and its standard deviation between folds."""

from __future__ import annotations

import contextlib
import io
import logging
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.inference.model_folder import Model
from nnunet_tv.utils.errors import NnunetTVError

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prediction:
    """Output of the network for one case, on the grid of its images."""

    segmentation: Volume  #: uint8, 1 where lesion is the likelier class; not filtered
    probability: Volume  #: float32, of lesion, from the mean of the folds' logits, as nnU-Net ensembles
    deviation: Volume | None  #: population standard deviation of the folds' probabilities; None with one fold


def check_device(device: str) -> None:
    """Raise a :class:`NnunetTVError` for ``cuda`` without a CUDA device: there is no silent fall-back."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise NnunetTVError("-device cuda: no CUDA device was found; use -device cpu (slow), or repair the driver "
                            "(nnunet-tv-doctor)")


def preprocessed(predictor: Any, images: Sequence[str | Path]) -> tuple[Tensor, dict]:
    """The network's input (C, X, Y, Z), float32, and the geometry as nnU-Net's reader returns it."""
    import torch

    preprocessor = predictor.configuration_manager.preprocessor_class(verbose=False)
    data, _, properties = preprocessor.run_case([str(path) for path in images], None, predictor.plans_manager,
                                                predictor.configuration_manager, predictor.dataset_json)
    return torch.from_numpy(np.ascontiguousarray(data, np.float32)), properties


@dataclass(frozen=True)
class PredictOptions:
    """Options of the prediction by the network."""

    device: str = "cuda"  #: or ``cpu``
    mirroring: bool = True  #: average over mirrored inputs, as nnU-Net does
    step: float = 0.5  #: of the sliding window, as a share of the patch
    precision: str = "auto"  #: on the CPU: see :mod:`nnunet_tv.inference.precision`; a GPU mixes precisions


class Predictor:
    """A model in memory; `progress` shows nnU-Net's bar over the tiles of a case.

    Raises
    ------
    NnunetTVError
        No such device; a trainer that is not installed; a checkpoint that does not fit.
    """

    def __init__(self, model: Model, options: PredictOptions, *, progress: bool = False):
        import torch
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        from nnunet_tv.inference.precision import use_bfloat16

        check_device(device := options.device)
        self.bfloat16 = use_bfloat16(options.precision, device)
        with _nnunet_prints_to_log():
            self.nnunet = nnUNetPredictor(
                tile_step_size=options.step, use_mirroring=options.mirroring, device=torch.device(device),
                perform_everything_on_device=device == "cuda", allow_tqdm=progress)
            try:
                self.nnunet.initialize_from_trained_model_folder(
                    str(model.folder), tuple(fold if fold == "all" else int(fold) for fold in model.folds),
                    model.checkpoint)
            except (RuntimeError, AttributeError, KeyError, EOFError, ValueError, pickle.UnpicklingError) as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
                raise NnunetTVError(f"{model.folder}: the model cannot be loaded ({reason}); its trainer must be "
                                    "installed here (nnunet-tv-doctor) and its checkpoints whole") from error
        if device == "cpu":
            from nnunet_tv.utils.host_memory import keep_freed_memory

            log.info(keep_freed_memory())

    def predict(self, images: Sequence[str | Path], *, affine: np.ndarray | None = None) -> Prediction:
        """Predict a case from one NIfTI file per channel, all on one grid.

        `affine` is that of the grid; that of the first file's header if left out.
        """
        folds, deviation = self.nnunet.list_of_parameters, None
        total: Any = 0
        first: Any = 0
        second: Any = 0
        with _nnunet_prints_to_log():
            data, properties = preprocessed(self.nnunet, images)
            try:
                for parameters in folds:
                    self.nnunet.list_of_parameters = [parameters]
                    logits = self._logits(data)
                    if len(folds) > 1:
                        lesion = self._export(logits.clone(), properties)[1].astype(np.float64)
                        first, second = first + lesion, second + lesion**2
                    total = total + logits
            finally:
                self.nnunet.list_of_parameters = folds
            segmentation, lesion = self._export(total / len(folds), properties)
        affine = nib.load(images[0]).affine if affine is None else affine
        if len(folds) > 1:
            variance = second / len(folds) - (first / len(folds)) ** 2
            deviation = _on_file_grid(np.sqrt(np.maximum(variance, 0)).astype(np.float32), properties, affine)
        return Prediction(_on_file_grid(segmentation, properties, affine), _on_file_grid(lesion, properties, affine),
                          deviation)

    def _logits(self, data: Tensor) -> Tensor:
        """Logits of a preprocessed case with the one set of weights in ``list_of_parameters``."""
        import torch

        from nnunet_tv.inference.precision import TOLERATED_VOXELS, differing_voxels, surest_patch

        if self.bfloat16:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = self.nnunet.predict_logits_from_preprocessed_data(data).cpu()
            patch = surest_patch(data, logits, self.nnunet.configuration_manager.patch_size)
            different = differing_voxels(self.nnunet.network, patch)
            if different <= TOLERATED_VOXELS:
                return logits
            log.info("bfloat16 segments %d voxels of a patch differently from float32: repeated in float32", different)
        return self.nnunet.predict_logits_from_preprocessed_data(data).cpu()

    def _export(self, logits: Tensor, properties: dict) -> tuple[np.ndarray, np.ndarray]:
        """Segmentation (uint8) and lesion probability (float32) of the whole image in the reader's axes (z, y, x)."""
        from nnunetv2.inference.export_prediction import convert_predicted_logits_to_segmentation_with_correct_shape

        segmentation, probabilities = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits, self.nnunet.plans_manager, self.nnunet.configuration_manager, self.nnunet.label_manager, properties,
            return_probabilities=True, num_threads_torch=1)
        return np.asarray(segmentation, np.uint8), np.asarray(probabilities[-1], np.float32)


def _on_file_grid(array: np.ndarray, properties: dict, affine: np.ndarray) -> Volume:
    """The reader's (z, y, x) as (X, Y, Z) of the file: some readers reorient the image to RAS."""
    array = array.transpose(2, 1, 0)
    reoriented = properties.get("nibabel_stuff", {})
    if "reoriented_affine" in reoriented:
        back = nib.orientations.ornt_transform(nib.io_orientation(reoriented["reoriented_affine"]),
                                               nib.io_orientation(reoriented["original_affine"]))
        array = nib.apply_orientation(array, back)
    return Volume(np.ascontiguousarray(array), affine)


@contextlib.contextmanager
def _nnunet_prints_to_log() -> Iterator[None]:
    """Keep nnU-Net's prints out of the command's output."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            yield
    finally:
        for line in printed.getvalue().splitlines():
            log.debug("nnU-Net: %s", line)

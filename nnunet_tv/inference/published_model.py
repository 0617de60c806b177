"""The authors' MS-DSA-Net weights as a model folder that stock nnU-Net runs.

The published network depends on the order of the axes: it was trained on arrays in (X, Y, Z) order, RAS, at 1 mm.
nnU-Net's arrays are (z, y, x). The plan transposes them (``transpose_forward``) and the reader turns every image to
RAS; the weights are unchanged.
"""

import pickle
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_tv.inference.model_folder import CHANNELS
from nnunet_tv.planning.plans import MS_DSA_NET
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import TEMPORARY_PREFIX, write_json
from nnunet_tv.utils.nnunet_paths import check_dataset_name

CONFIGURATION = "3d_fullres"
#: Not MSDSANetPlans, which z-score and keep nnU-Net's axes: models of one are unusable with the other.
PLANS_NAME = "MSDSANetPublishedPlans"
TRAINER = "nnUNetTrainerDice"
#: Everything that the import writes; a folder with other files is never replaced.
FILES = ("dataset.json", "plans.json", "fold_0/checkpoint_final.pth")


def read_weights(path: str | Path) -> dict[str, Any]:
    """State dict in a ``.pth`` file, read without running code from it; a :class:`NnunetTVError` if it has none."""
    import torch

    from nnunet_tv.architectures.published import PublishedWeightsError, unwrapped

    path = Path(path)
    if not path.is_file():
        raise NnunetTVError(f"{path}: no such file; expected the authors' model.pth")
    try:
        return unwrapped(torch.load(path, map_location="cpu", weights_only=True))
    except PublishedWeightsError as error:
        raise PublishedWeightsError(f"{path}: {error}") from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        if isinstance(error, pickle.UnpicklingError):
            raise NnunetTVError(f"{path}: not a file of tensors only, or damaged ({reason}): files that run code when "
                                "read are refused; save the network's state_dict() alone") from error
        raise NnunetTVError(f"{path}: not a readable PyTorch file ({reason}): download it again") from error


def model_plans(input_size: Sequence[int], *, dataset_name: str) -> dict[str, Any]:
    """Complete nnU-Net plans that reproduce the published network's training input; the patch size is along X, Y, Z."""
    size = [int(side) for side in input_size]
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration = {
        "data_identifier": f"{PLANS_NAME}_{CONFIGURATION}",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 4,
        "patch_size": size,
        "median_image_size_in_voxels": [182.0, 218.0, 182.0],  # MNI152, 1 mm
        "spacing": [1.0, 1.0, 1.0],
        "normalization_schemes": ["RescaleTo01Normalization"] * len(CHANNELS),
        "use_mask_for_norm": [False] * len(CHANNELS),
        "resampling_fn_data": "resample_data_or_seg_to_shape",
        "resampling_fn_seg": "resample_data_or_seg_to_shape",
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg_kwargs": {**resampling, "is_seg": True, "order": 1},
        "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
        "resampling_fn_probabilities_kwargs": {**resampling, "order": 1},
        "architecture": {"network_class_name": MS_DSA_NET, "arch_kwargs": {"input_size": size},
                         "_kw_requires_import": []},
        "batch_dice": True,
    }
    unit = {"max": 1.0, "mean": 0.5, "median": 0.5, "min": 0.0, "percentile_00_5": 0.0, "percentile_99_5": 1.0,
            "std": 1.0}  # required by nnU-Net, not used by RescaleTo01Normalization
    return {
        "dataset_name": dataset_name,
        "plans_name": PLANS_NAME,
        "original_median_spacing_after_transp": [1.0, 1.0, 1.0],
        "original_median_shape_after_transp": [182, 218, 182],
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [2, 1, 0],
        "transpose_backward": [2, 1, 0],
        "configurations": {CONFIGURATION: configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {str(i): unit for i in range(len(CHANNELS))},
    }


def model_dataset() -> dict[str, Any]:
    """``dataset.json`` of the imported model: its channels, in order, and its one foreground label.

    A file of weights does not record on which scans they were trained, and any weights of this layout can be imported.
    """
    return {
        "name": "not recorded (imported weights)",
        "channel_names": {str(number): channel for number, channel in enumerate(CHANNELS)},
        "labels": {"background": 0, "FCD": 1},
        "numTraining": 0,
        "file_ending": ".nii.gz",
        # how the authors prepared their scans
        "conversion": {"registration": "mni", "brain": "none", "synthetic": None},
    }


def import_published(weights: str | Path, folder: str | Path, *, input_size: Sequence[int] | None = None,
                     dataset_name: str | None = None, overwrite: bool = False) -> tuple[int, int, int]:
    """Write an nnU-Net model folder with published weights, as a whole; return the patch size.

    Parameters
    ----------
    weights : Path
        ``model.pth`` in the published layout (:mod:`nnunet_tv.architectures.published`).
    folder : Path
        Model folder.
    input_size : sequence of 3 int, optional
        Patch size of the weights' training; derived from them if it is a cube.
    dataset_name : str, optional
        Data set in the plans, whose files nnU-Net uses when training with them. Default: the name of the model
        folder's parent if it starts with ``Dataset``, else ``DatasetFCD``.
    overwrite : bool
        Replace a folder that an earlier import wrote.

    Raises
    ------
    NnunetTVError
        As :func:`read_weights`; weights or a patch size that do not fit; an existing folder; a data set name that
        nnU-Net would not recognise.
    """
    import torch

    from nnunet_tv.architectures.ms_dsa_net import MSDSANet
    from nnunet_tv.architectures.published import PublishedWeightsError, cube_side
    from nnunet_tv.architectures.registry import NETWORKS

    folder = Path(folder).resolve()
    _check_replaceable(folder, overwrite=overwrite)
    if dataset_name is None:
        dataset_name = folder.parent.name if folder.parent.name.startswith("Dataset") else "DatasetFCD"
    check_dataset_name(dataset_name)
    state_dict = read_weights(weights)
    try:
        size = NETWORKS["ms-dsa-net"].rule.check([cube_side(state_dict)] * 3 if input_size is None else input_size)
        network = MSDSANet.from_published(state_dict, input_size=size, input_channels=len(CHANNELS))
    except PublishedWeightsError as error:
        raise PublishedWeightsError(f"{weights}: {error}") from error
    except ValueError as error:
        raise NnunetTVError(f"{weights}: {error}") from error
    plans, dataset = model_plans(size, dataset_name=dataset_name), model_dataset()
    # a checkpoint for nnU-Net's predictor and -pretrained_weights, without a training state
    checkpoint = {
        "network_weights": dict(network.state_dict()),
        **dict.fromkeys(("optimizer_state", "grad_scaler_state", "logging", "_best_ema")),
        "current_epoch": 0,
        "init_args": {"plans": plans, "configuration": CONFIGURATION, "fold": 0, "dataset_json": dataset},
        "trainer_name": TRAINER,
        "inference_allowed_mirroring_axes": (0, 1, 2),
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder.parent) as temporary:
        new = Path(temporary, "new")
        (new / "fold_0").mkdir(parents=True)
        write_json(plans, new / "plans.json")
        write_json(dataset, new / "dataset.json")
        torch.save(checkpoint, new / "fold_0" / "checkpoint_final.pth")
        if folder.exists():
            folder.rename(Path(temporary, "old"))
        new.rename(folder)
    return size


def _check_replaceable(folder: Path, *, overwrite: bool) -> None:
    """Accept no folder, an empty one, and with `overwrite` one that contains only :data:`FILES`."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise NnunetTVError(f"{folder}: expected a folder to write, found a file")
    if not overwrite:
        raise NnunetTVError(f"{folder}: exists already; choose another folder, or replace it with --overwrite")
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()}
    others = sorted(found - set(FILES))
    if others:
        shown = ", ".join(others[:5]) + (", ..." if len(others) > 5 else "")
        raise NnunetTVError(f"{folder}: holds more than an import writes ({shown}) and is not replaced: "
                            "choose another folder")

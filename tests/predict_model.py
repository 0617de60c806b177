"""A model folder whose network, two convolutions set by hand, marks bright voxels of the FLAIR."""

from pathlib import Path

import torch
from tiny_network import TinyNetwork

from nnunet_tv.inference.published_model import model_dataset, model_plans
from nnunet_tv.utils.files import write_json


def weights(threshold=1.35, bias=-1.0, channel=1):
    """logit(lesion) - logit(background) = 4 · relu(z - threshold) + bias of the z-scored channel."""
    state = {name: torch.zeros_like(value) for name, value in TinyNetwork(2, 2).state_dict().items()}
    state["layers.0.weight"][0, channel, 1, 1, 1], state["layers.0.bias"][0] = 1.0, -threshold
    state["layers.3.weight"][1, 0, 1, 1, 1], state["layers.3.bias"][1] = 4.0, bias
    return state


def write_model(folder: Path, *, folds=("0",), reader="SimpleITKIO", spacing_mm=3.0, trained_on=None,
                **settings) -> Path:
    """A model folder; every further fold gives lower probabilities. `settings` as :func:`weights`.

    `trained_on` is the content of dataset.json on the training scans.
    """
    plans = model_plans((32, 32, 32), dataset_name="DatasetFCD")
    plans.update(plans_name="TinyPlans", image_reader_writer=reader, transpose_forward=[0, 1, 2],
                 transpose_backward=[0, 1, 2])
    plans["configurations"]["3d_fullres"].update(
        normalization_schemes=["ZScoreNormalization"] * 2, use_mask_for_norm=[True] * 2, spacing=[spacing_mm] * 3,
        architecture={"network_class_name": "tiny_network.TinyNetwork", "arch_kwargs": {}, "_kw_requires_import": []})
    dataset = {**model_dataset(), "name": "Scans of <A>", "conversion": trained_on}
    folder.mkdir(parents=True)
    write_json(plans, folder / "plans.json")
    write_json(dataset, folder / "dataset.json")
    for number, fold in enumerate(folds):
        (folder / f"fold_{fold}").mkdir()
        torch.save({"network_weights": weights(**{"bias": -1.0 - 0.6 * number, **settings}),
                    "init_args": {"plans": plans, "configuration": "3d_fullres", "fold": fold, "dataset_json": dataset},
                    "trainer_name": "nnUNetTrainerDice", "inference_allowed_mirroring_axes": (0, 1, 2)},
                   folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder

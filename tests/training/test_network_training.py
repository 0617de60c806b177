"""Each network through nnU-Net's own training and inference, with both families, on a tiny data set."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.run.run_training import get_trainer_from_args
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper

from nnunet_tv.architectures.registry import NETWORKS
from nnunet_tv.planning.dataset import plan_dataset

CPU = torch.device("cpu")
RECIPE, LOSS_ONLY = "nnUNetTrainerDiceTV_1epochs", "nnUNetTrainerDiceTVLoss_1epochs"
CASES = [pytest.param(name, trainer, marks=() if name == "sg-net" else pytest.mark.slow)
         for name in NETWORKS for trainer in (RECIPE, LOSS_ONLY)]


@pytest.fixture(autouse=True)
def _no_progress_picture(monkeypatch):
    monkeypatch.setattr("nnunetv2.training.logging.nnunet_logger.LocalLogger.plot_progress_png", lambda *_: None)


def plan(name):
    network = NETWORKS[name]
    if network.extra:
        pytest.importorskip(network.extra)
    sides = None if network.planner else (max(32, network.minimum),) * 3
    plan_dataset("DatasetFCD", network=name, patch_size=sides, processes=1)
    return network


def made(network, trainer):
    return get_trainer_from_args("DatasetFCD", "3d_fullres", 0, trainer, network.plans_name, device=CPU)


@pytest.mark.parametrize(("name", "trainer_name"), CASES)
def test_one_epoch_and_a_prediction(planned, name, trainer_name):
    network = plan(name)
    trainer = made(network, trainer_name)
    if trainer_name == LOSS_ONLY:
        trainer.num_iterations_per_epoch = trainer.num_val_iterations_per_epoch = 1
    trainer.run_training()
    if network.class_name:
        assert trainer.configuration_manager.network_arch_class_name == network.class_name
    else:
        assert type(trainer.bare_network()).__name__ == network.title
    recipe = trainer_name == RECIPE
    assert isinstance(trainer.optimizer, torch.optim.AdamW if recipe else torch.optim.SGD)
    assert isinstance(trainer.loss, DeepSupervisionWrapper) is (bool(network.planner) and not recipe)

    predictor = nnUNetPredictor(tile_step_size=1, use_gaussian=False, use_mirroring=False, device=CPU,
                                perform_everything_on_device=False)
    predictor.initialize_from_trained_model_folder(trainer.output_folder_base, (0,))
    weights = trainer.bare_network().state_dict()
    assert all(torch.equal(value, weights[key]) for key, value in predictor.network.state_dict().items())
    case, image = "sub-00001", planned / "nnUNet_raw" / "DatasetFCD" / "imagesTr"
    files = [str(image / f"{case}_000{channel}.nii.gz") for channel in range(2)]
    out = Path(planned, "predicted")
    out.mkdir()
    predictor.predict_from_files_sequential([files], [str(out / case)], overwrite=True)
    segmentation = nibabel.load(out / f"{case}.nii.gz")
    assert segmentation.shape == nibabel.load(files[0]).shape
    assert set(np.unique(np.asarray(segmentation.dataobj)).tolist()) <= {0, 1}


def test_sg_net_is_not_compiled_even_where_nnunet_would(planned, monkeypatch):
    trainer = made(plan("sg-net"), RECIPE)
    monkeypatch.setattr("nnunetv2.training.nnUNetTrainer.nnUNetTrainer.nnUNetTrainer._do_i_compile", lambda _: True)
    assert trainer._do_i_compile() is False
    assert made(NETWORKS["ms-dsa-net"], RECIPE)._do_i_compile() is True


def test_the_recipe_s_start_leaves_monai_s_own_initial_values(planned):
    pytest.importorskip("monai")
    from monai.networks.nets import UNETR

    trainer = made(plan("unetr"), RECIPE)
    trainer.initialize()
    torch.manual_seed(0)
    own = UNETR(2, 2, (32, 32, 32)).state_dict()
    for name, value in trainer.bare_network().state_dict().items():
        if value.numel() > 10_000:
            assert value.std().item() == pytest.approx(own[name].std().item(), rel=0.1), name

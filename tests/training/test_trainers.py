"""The trainers in nnU-Net's own loop, on real preprocessed data, with a network of two convolutions."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from nnunetv2.run.run_training import get_trainer_from_args, maybe_load_checkpoint
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper

from nnunet_tv.planning.plans import MS_DSA_NET, UnsupportedPlan, with_network
from nnunet_tv.postprocessing import remove_small_clusters
from nnunet_tv.training.patches import SubjectPatches
from nnunet_tv.training.record.run_record import read_run_record
from nnunet_tv.training.seeds import Stage
from nnunet_tv.training.selection import EarlyStopping
from nnunet_tv.utils.errors import NnunetTVError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_progress_picture(monkeypatch):
    """nnU-Net draws progress.png for a second; no test here needs it."""
    monkeypatch.setattr("nnunetv2.training.logging.nnunet_logger.LocalLogger.plot_progress_png", lambda *_: None)


@pytest.fixture
def tiny(planned):
    """The planned data set with TinyPlans.json, which names a network of the tests at 32³."""
    folder = planned / "nnUNet_preprocessed" / "DatasetFCD"
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    plans = with_network(plans, "3d_fullres", network="tiny_network.TinyNetwork", patch_size=(32, 32, 32))
    (folder / "TinyPlans.json").write_text(json.dumps({**plans, "plans_name": "TinyPlans"}))
    return planned


def trainer(name="nnUNetTrainerDiceTV_3epochs", fold=0, plans="TinyPlans", continued=False):
    made = get_trainer_from_args("DatasetFCD", "3d_fullres", fold, name, plans, continued, device=CPU)
    if continued:
        maybe_load_checkpoint(made, True, False)
    return made


def trained(*args, batches=None, **kwargs):
    """A trainer after its run, of `batches` per epoch if given."""
    made = trainer(*args, **kwargs)
    if batches:
        made.num_iterations_per_epoch = made.num_val_iterations_per_epoch = batches
    made.run_training()
    return made


def script_losses(made, loss_of):
    """Let ``loss_of(epoch)`` be the selection loss."""
    end = made.on_validation_epoch_end

    def scripted(outputs):
        end(outputs)
        made.logger.log("val_losses", loss_of(made.current_epoch), made.current_epoch)

    made.on_validation_epoch_end = scripted


def weights(made):
    return {name: value.clone() for name, value in made.network.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def read(made, name="checkpoint_final.pth"):
    return torch.load(Path(made.output_folder, name), weights_only=False)


def test_two_runs_of_a_fold_are_equal_and_folds_differ_and_the_log_has_a_line_on_memory(tiny, monkeypatch, capsys):
    monkeypatch.setattr("nnunet_tv.training.plugin_trainer.keep_freed_memory", lambda: "Memory is handled.")
    first, second, other = trained(), trained(), trained(fold=1)
    assert capsys.readouterr().out.count("Memory is handled.") == 3
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(other))
    assert first.num_iterations_per_epoch == 3 and first.num_val_iterations_per_epoch == 2


class Stop(Exception):
    pass


def interrupted(name="nnUNetTrainerDiceTV_3epochs", *, epoch, error=Stop, save_every=None):
    """A trainer after its run until `error` comes up in `epoch`."""
    made = trainer(name)
    made.save_every = save_every or made.save_every
    step = made.train_step

    def failing(batch):
        if made.current_epoch == epoch:
            raise error
        return step(batch)

    made.train_step = failing
    with pytest.raises(error):
        made.run_training()
    return made


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop])
def test_an_interrupted_run_continues_to_the_same_weights(tiny, error, capsys):
    whole = trained("nnUNetTrainerDiceTV_8epochs")
    interrupted("nnUNetTrainerDiceTV_8epochs", epoch=6, error=error)  # over the finished one, without --c
    if error is KeyboardInterrupt:
        assert "Interrupted in epoch 6. Continue from checkpoint_latest.pth" in capsys.readouterr().out

    resumed = trainer("nnUNetTrainerDiceTV_8epochs", continued=True)
    assert resumed.current_epoch == 5
    resumed.run_training()
    assert same(weights(resumed), weights(whole))
    assert resumed.logger.get_checkpoint()["val_losses"] == whole.logger.get_checkpoint()["val_losses"]
    assert resumed.early_stopping == whole.early_stopping
    assert not Path(resumed.output_folder, "checkpoint_latest.pth").exists()


def test_a_start_without_continuing_keeps_the_unfinished_runs_checkpoint(tiny):
    name = "nnUNetTrainerDiceTV_12epochs"
    interrupted(name, epoch=6)
    fresh = interrupted(name, epoch=1)
    assert read(fresh, "checkpoint_latest.pth")["current_epoch"] == 0
    [aside] = Path(fresh.output_folder).glob("earlier_*")
    kept = torch.load(aside / "checkpoint_latest.pth", weights_only=False)
    assert kept["current_epoch"] == 5 and len(kept["logging"]["val_losses"]) == 5


def test_interrupted_in_the_first_epoch_it_continues_and_puts_nothing_aside(tiny):
    broken = interrupted(epoch=0, error=KeyboardInterrupt)
    assert read(broken, "checkpoint_latest.pth")["current_epoch"] == 0
    resumed = trained(continued=True)
    assert not list(Path(resumed.output_folder).glob("earlier_*"))
    assert same(weights(resumed), weights(trained()))


def test_the_best_weights_are_kept_and_loaded(tiny):
    made = trainer("nnUNetTrainerDice_4epochs")
    seen = []

    def loss_of(epoch):
        seen.append(weights(made))
        return [0.9, 0.2, 0.5, 0.6][epoch]

    script_losses(made, loss_of)
    made.run_training()
    final, best, last = (read(made, f"checkpoint_{name}.pth") for name in ("final", "best", "last_epoch"))
    assert same(final["network_weights"], seen[1]) and same(best["network_weights"], seen[1])
    assert same(last["network_weights"], seen[3]) and not same(seen[1], seen[3])
    assert same(weights(made), seen[1])
    assert final["current_epoch"] == 4 and final["stopped"] is False
    assert final["trainer_name"] == "nnUNetTrainerDice_4epochs"
    assert len(final["logging"]["val_losses"]) == 4


def test_stopping_early_survives_and_trains_nothing_more(tiny):
    made = trainer("nnUNetTrainerDiceBCE_9epochs")
    made.early_stopping = EarlyStopping(patience=2, min_epochs=3)
    script_losses(made, lambda epoch: 1.0 + epoch)
    made.run_training()
    assert made.current_epoch == 3 and read(made)["stopped"] is True
    before = {path: path.stat().st_mtime_ns for path in Path(made.output_folder).glob("checkpoint_*")}
    again = trained("nnUNetTrainerDiceBCE_9epochs", continued=True)
    assert again.stopped and again.dataloader_train is None
    assert {path: path.stat().st_mtime_ns for path in Path(made.output_folder).glob("checkpoint_*")} == before


def test_without_checkpoints_the_best_weights_are_loaded_from_memory(tiny):
    made = trainer("nnUNetTrainerDice_2epochs")
    made.disable_checkpointing = True
    made.run_training()
    assert made.best_weights is not None and same(weights(made), made.best_weights)
    assert not list(Path(made.output_folder).glob("*.pth"))


def test_fold_all_is_seeded_and_neither_stops_nor_selects(tiny):
    first = trainer("nnUNetTrainerDice_2epochs", "all")
    first.early_stopping = EarlyStopping(patience=0, min_epochs=0)
    first.run_training()
    assert first.current_epoch == 2 and not first.stopped and first.best_weights is None
    assert same(weights(first), weights(trained("nnUNetTrainerDice_2epochs", "all")))
    assert same(read(first)["network_weights"], read(first, "checkpoint_last_epoch.pth")["network_weights"])


def test_selection_batches_are_made_once(tiny, monkeypatch):
    made_of, make = [], SubjectPatches.__getitem__
    monkeypatch.setattr(SubjectPatches, "__getitem__",
                        lambda patches, key: made_of.append(patches.stage) or make(patches, key))
    made = trainer()
    seen = recorded(made, "validation_step", lambda batch: batch["data"])
    made.run_training()
    assert made_of == [Stage.SELECTION] * 2 and len(seen) == 3 * 2
    assert all(torch.equal(seen[i], seen[i + 2]) for i in range(4))


def test_progress_is_drawn_every_tenth_epoch_and_at_the_end(tiny, monkeypatch):
    drawn = []
    made = trainer("nnUNetTrainerDice_12epochs")
    monkeypatch.setattr("nnunetv2.training.logging.nnunet_logger.LocalLogger.plot_progress_png",
                        lambda *_: drawn.append(made.current_epoch + 1))
    made.run_training()
    assert drawn == [10, 12]


def write_split(root, *folds):
    """``splits_final.json``; cases are given by their number."""
    named = [{role: [f"sub-{i:05d}" for i in cases] for role, cases in fold.items()} for fold in folds]
    (root / "nnUNet_preprocessed" / "DatasetFCD" / "splits_final.json").write_text(json.dumps(named))


def test_the_selection_entry_of_a_split_is_used(tiny):
    write_split(tiny, {"train": [1, 2], "val": [4], "selection": [3]}, {"train": [1, 2, 3], "val": [4]})
    assert trainer(fold=0).cases.selection == ["sub-00003"]
    assert trainer(fold=1).cases.selection == ["sub-00004"]


@pytest.mark.parametrize(("fold", "split", "warned"), [
    (0, {"train": [1, 2], "val": [4]}, True),
    (0, {"train": [1, 2], "val": [3, 4], "selection": [3]}, True),
    (0, {"train": [1, 2], "val": [4], "selection": [3]}, False),
    ("all", {"train": [1, 2], "val": [4]}, False),
])
def test_scoring_the_selection_cases_is_warned_about_at_start_and_end(tiny, capsys, fold, split, warned):
    write_split(tiny, split)
    made = trained("nnUNetTrainerDice_1epochs", fold=fold)
    start = capsys.readouterr().out
    made.perform_actual_validation()
    end = capsys.readouterr().out
    assert start.count("WARNING: early stopping and the choice of weights") == warned
    assert ("WARNING: the mean validation Dice above" in end.partition("Mean Validation Dice:")[2]) is warned
    assert end.count("WARNING") == warned


def test_trivial_output_is_warned_about(tiny, capsys):
    made = trainer()
    for share, output in ((0.0, "all background"), (1.0, "all lesion")):
        for _ in range(5):
            made._warn_if_trivial(share)
        assert f"WARNING: the output is {output} on the selection patches for 5 epochs" in capsys.readouterr().out
        made._warn_if_trivial(0.3)
        assert made.trivial_epochs == 0


def test_the_recipe_puts_our_network_into_the_stock_plan(planned, capsys):
    made = trainer("nnUNetTrainerDiceTV", plans="nnUNetPlans")
    assert made.configuration_manager.network_arch_class_name == MS_DSA_NET
    assert list(made.configuration_manager.patch_size) == [128] * 3
    assert made.num_epochs == 300
    assert "is replaced by MS-DSA-Net: patch 128×128×128" in capsys.readouterr().out


def test_the_weight_in_the_name_reaches_the_loss(planned):
    made = trainer("nnUNetTrainerDiceTV_tv0p05", plans="MSDSANetPlans")
    made.initialize()
    assert made.loss.tv_weight == 0.05
    assert made.initial_lr == 1e-4 and made.weight_decay == 1e-5
    assert isinstance(made.optimizer, torch.optim.AdamW)
    assert {group["weight_decay"] for group in made.optimizer.param_groups} == {1e-5}


def test_the_learning_rate_in_the_name_is_the_peak_of_the_schedule(tiny):
    made = trainer("nnUNetTrainerDiceTV_lr0p002_20epochs")
    made.initialize()
    rates = []
    for epoch in range(20):
        made.lr_scheduler.step(epoch)
        rates.append(made.optimizer.param_groups[0]["lr"])
    assert max(rates) == rates[2] == 0.002 and rates[0] == pytest.approx(0.0002)
    assert rates[-1] == pytest.approx(0.00002)  # the recipe's hundredth of the peak
    assert trainer("nnUNetTrainerDiceTV").minimum_lr == 1e-6


def test_the_learning_rate_in_the_name_is_the_start_of_nnunets_schedule(planned):
    made = trainer("nnUNetTrainerDiceTVLoss_lr0p001", plans="nnUNetPlans")
    made.initialize()
    assert made.optimizer.param_groups[0]["lr"] == 1e-3


def test_2d_is_refused_with_the_name_to_use(planned):
    with pytest.raises(UnsupportedPlan, match="Use nnUNetTrainerDiceTVLoss"):
        get_trainer_from_args("DatasetFCD", "2d", 0, "nnUNetTrainerDiceTV", "nnUNetPlans", device=CPU)


@pytest.mark.parametrize(("name", "loss"), [("DiceOnlyLoss", "DiceLoss"), ("DiceBCELoss", "DiceBCELoss"),
                                            ("DiceTVLoss_tv0p2", "DiceTVLoss")])
def test_loss_only_keeps_nnunets_network_and_recipe(planned, name, loss):
    made = trained(f"nnUNetTrainer{name}_1epochs", plans="nnUNetPlans", batches=1)
    assert type(made.bare_network()).__name__ == "PlainConvUNet"
    assert isinstance(made.loss, DeepSupervisionWrapper) and type(made.loss.loss).__name__ == loss
    assert isinstance(made.optimizer, torch.optim.SGD) and made.initial_lr == 1e-2
    assert Path(made.output_folder, "checkpoint_final.pth").is_file()


def recorded(made, name, of_batch):
    """What `of_batch` gives for each batch that the trainer's step `name` gets from now on."""
    seen, step = [], getattr(made, name)

    def recording(batch):
        seen.append(of_batch(batch))
        return step(batch)

    setattr(made, name, recording)
    return seen


def test_maps_of_the_reference_are_made_for_training_and_selection_and_the_spacing_is_the_plans(tiny):
    made = trainer("nnUNetTrainerTverskyHausdorffDT_a0p4_1epochs")
    seen = [recorded(made, f"{name}_step", lambda batch: batch["target"]) for name in ("train", "validation")]
    made.run_training()
    assert made.loss.region.alpha == 0.4 and made.loss.hausdorff.grid.spacing_mm == (2.0, 2.0, 2.0)
    assert [len(targets) for targets in seen] == [3, 2]
    for target in seen[0] + seen[1]:
        assert target.shape == (4, 2, 32, 32, 32)
        assert target[:, 1].min() >= 4  # mm²: one voxel of 2 mm
    assert np.isfinite(made.logger.get_checkpoint()["val_losses"]).all()
    assert Path(made.output_folder, "checkpoint_final.pth").is_file()


def test_our_validation_step_counts_as_nnunets(tiny):
    mapped, plain = trainer("nnUNetTrainerHausdorffDT_1epochs"), trainer("nnUNetTrainerDice_1epochs")
    for made in (mapped, plain):
        made.initialize()
        made.network.eval()
    batch = next(mapped.get_dataloaders()[1])
    with torch.no_grad():
        found = mapped.validation_step(batch)
        expected = plain.validation_step({**batch, "target": batch["target"][:, :1].short()})
        loss = mapped.loss(mapped.network(batch["data"]), batch["target"][:, :1])  # without the map
    assert found.keys() == expected.keys() and found["loss"] == pytest.approx(loss.item(), rel=1e-5)
    for name in ("tp_hard", "fp_hard", "fn_hard", "voxels"):
        assert found[name].tolist() == expected[name].tolist()


def test_a_schedule_follows_the_epochs_and_survives_an_interruption(tiny):
    name = "nnUNetTrainerDiceAdaptiveTV_ramp2_3epochs"
    whole = trainer(name)
    train, select = (recorded(whole, f"{name}_step", lambda _: whole.loss.tv.ramp) for name in ("train", "validation"))
    whole.run_training()
    assert train[::3] == [0, 0.5, 1] and set(select) == {1.0}

    interrupted(name, epoch=1, save_every=1)
    resumed = trainer(name, continued=True)
    assert resumed.current_epoch == 1
    resumed.run_training()
    assert same(weights(resumed), weights(whole))


def test_deep_supervision_carries_maps_at_every_scale(planned):
    made = trainer("nnUNetTrainerHausdorffDTLoss_log_1epochs", plans="nnUNetPlans")
    made.num_iterations_per_epoch = made.num_val_iterations_per_epoch = 1

    def shapes_of(batch):
        return [tuple(scale.shape[1:]) for scale in batch["target"]]

    train, select = (recorded(made, f"{name}_step", shapes_of) for name in ("train", "validation"))
    made.run_training()
    assert isinstance(made.loss, DeepSupervisionWrapper) and made.loss.loss.log is True
    [shapes] = train
    assert [shapes] == select and len(shapes) > 1 and all(shape[0] == 2 for shape in shapes)
    assert made.loss.loss.grid.patch_size == shapes[0][1:]
    assert np.isfinite(made.logger.get_checkpoint()["val_losses"]).all()


def test_loss_only_switches_deep_supervision_off_where_the_network_has_none(tiny):
    made = trained("nnUNetTrainerDiceTVLoss_1epochs", batches=1)
    assert made.enable_deep_supervision is False and type(made.loss).__name__ == "DiceTVLoss"


def test_validation_is_there_raw_and_filtered_with_the_hook_beside_the_model(tiny):
    made = trained("nnUNetTrainerDiceTV_1epochs")
    made.perform_actual_validation()
    fold, model = Path(made.output_folder), Path(made.output_folder_base)
    assert [path.name for path in (fold / "validation_filtered").glob("*.nii.gz")] == ["sub-00004.nii.gz"]
    assert (fold / "validation" / "sub-00004.nii.gz").is_file()
    functions, settings = pickle.loads((model / "postprocessing.pkl").read_bytes())
    assert functions == [remove_small_clusters] and settings[0]["min_voxels"] == 50
    assert (model / "postprocessing.json").is_file()

    before = (fold / "validation" / "summary.json").stat().st_mtime_ns

    def continued():
        trained("nnUNetTrainerDiceTV_1epochs", continued=True).perform_actual_validation()
        return (fold / "validation" / "summary.json").stat().st_mtime_ns

    assert continued() == before
    (fold / "validation.json").unlink()  # as after a kill before the filter was done
    (fold / "validation_filtered" / "sub-00004.nii.gz").unlink()
    assert continued() > before
    assert (fold / "validation_filtered" / "sub-00004.nii.gz").is_file()

    (model / "postprocessing.json").write_text("adapted")
    trained("nnUNetTrainerDiceTV_1epochs")
    [aside] = fold.glob("earlier_*")
    assert {path.name for path in aside.iterdir()} >= {"checkpoint_final.pth", "validation", "validation.json"}
    assert not (fold / "validation").exists() and (model / "postprocessing.json").read_text() == "adapted"


def test_what_the_loaders_are_made_of_comes_from_the_plan(tiny, monkeypatch):
    path = tiny / "nnUNet_preprocessed" / "DatasetFCD" / "TinyPlans.json"
    plans = json.loads(path.read_text())
    plans["transpose_forward"], plans["transpose_backward"] = [2, 1, 0], [2, 1, 0]
    plans["configurations"]["3d_fullres"].update(normalization_schemes=["RescaleTo01Normalization"] * 2,
                                                 use_mask_for_norm=[True, False], patch_size=[32, 36, 40])
    path.write_text(json.dumps(plans))
    made = trainer("nnUNetTrainerDiceTV_9epochs")
    made.initialize()
    made.current_epoch = 4
    loader = Mock(return_value=[])
    monkeypatch.setattr("nnunet_tv.training.recipe_trainer.loader", loader)
    made.get_dataloaders()
    (train, select), options = zip(*[(call.args[0], call.kwargs) for call in loader.call_args_list], strict=True)
    assert [(given["first_epoch"], given["last_epoch"]) for given in options] == [(4, 9), (0, 1)]
    assert train.stage is Stage.TRAIN and select.stage is Stage.SELECTION
    assert train.cases == ["sub-00001", "sub-00002", "sub-00003"] and select.cases == ["sub-00004"]
    for patches in (train, select):
        assert patches.patch_size == (32, 36, 40) and patches.transpose_forward == (2, 1, 0)
        assert patches.patch_numbers == (0, 1, 2, 3) and patches.fold == 0
    assert train.span == 1.0 and train.use_mask_for_norm == [True, False]
    assert made.inference_allowed_mirroring_axes == (0, 1, 2)
    assert made.lr_scheduler.epochs == 9 and (made.lr_scheduler.peak, made.lr_scheduler.floor) == (1e-4, 1e-6)


def outputs(tp, fp, fn, loss, voxels=100):
    return {name: np.array(value) for name, value in
            {"tp_hard": [tp], "fp_hard": [fp], "fn_hard": [fn], "voxels": [voxels], "loss": loss}.items()}


def test_the_measures_of_an_epoch_are_pooled(tiny, capsys):
    made = trainer()
    made.on_validation_epoch_end([outputs(3, 1, 0, 0.25), outputs(0, 4, 1, 0.75)])
    assert "Sens 0.7500, Prec 0.3750, DC 0.5000" in capsys.readouterr().out
    assert made.logger.get_value("val_losses", step=-1) == 0.5
    assert made.trivial_epochs == 0
    made.current_epoch = 1
    made.on_validation_epoch_end([outputs(0, 0, 4, 0.9)])
    assert made.trivial_epochs == 1 and "Prec nan" in capsys.readouterr().out


def test_a_selection_loss_that_is_never_finite_is_no_success(tiny, capsys):
    made = trainer("nnUNetTrainerDice_2epochs")
    script_losses(made, lambda _: float("nan"))
    with pytest.raises(NnunetTVError, match=r"not finite in any of 2 epochs, .*checkpoint_last_epoch\.pth"):
        made.run_training()
    assert "WARNING: the selection loss is nan" in capsys.readouterr().out
    fold = Path(made.output_folder)
    assert (fold / "checkpoint_last_epoch.pth").is_file() and not (fold / "checkpoint_final.pth").exists()


def test_continued_from_the_best_checkpoint_alone_it_stays_the_best(tiny):
    made = trained("nnUNetTrainerDice_2epochs")
    best = read(made, "checkpoint_best.pth")["network_weights"]
    for name in ("final", "last_epoch"):
        Path(made.output_folder, f"checkpoint_{name}.pth").unlink()
    assert same(trainer("nnUNetTrainerDice_2epochs", continued=True).best_weights, best)


@pytest.mark.parametrize(("fold", "split", "found"), [
    (0, {"train": [1, 2], "val": [4], "selection": []}, "fold 0 of .* has no selection case"),
    (0, {"train": [], "val": [4]}, "has no train case"),
    (0, {"train": [1, 2, 3], "val": [4], "selection": [3]}, "in train and in the selection set.*: sub-00003"),
    (0, {"train": [1, 2], "val": [99], "selection": [3]}, "not preprocessed: sub-00099"),
    (0, {"train": [1, 99], "val": [4]}, "not preprocessed: sub-00099"),
    (7, {"train": [1], "val": [4]}, "has folds 0 to 1, not 7: nnU-Net would draw another split"),
])
def test_a_split_that_cannot_be_trained_is_refused_before_training(tiny, fold, split, found):
    write_split(tiny, split, split)
    with pytest.raises(NnunetTVError, match=found):
        trained(fold=fold)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_cuda_device_the_error_names_the_flag(planned):
    with pytest.raises(NnunetTVError, match=r"no CUDA device was found.*add `-device cpu`"):
        get_trainer_from_args("DatasetFCD", "3d_fullres", 0, "nnUNetTrainerDiceTV", "nnUNetPlans")


@pytest.mark.parametrize(("ranks", "works"), [(2, True), (3, False), (4, True)])
def test_ranks_with_unequal_shares_are_refused(tiny, monkeypatch, ranks, works):
    made = trainer()
    made.is_ddp = True
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: ranks)
    with pytest.raises(NnunetTVError if not works else Exception) as caught:
        made.initialize()
    assert ("use 1, 2 or 4" in str(caught.value)) is not works


TRAIN = """
import sys
sys.path.insert(0, sys.argv[1])
from nnunetv2.run.run_training import run_training
import torch
if __name__ == "__main__":
    torch.set_num_threads(1)
    run_training("DatasetFCD", "3d_fullres", 0, "nnUNetTrainerDiceTV_12epochs", "TinyPlans",
                 continue_training="--c" in sys.argv, device=torch.device("cpu"))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_process_continues_to_the_same_weights(tiny, kill):
    script = tiny / "train.py"
    script.write_text(TRAIN)
    tests = str(Path(__file__).parents[1])
    fold = tiny / "nnUNet_results" / "DatasetFCD" / "nnUNetTrainerDiceTV_12epochs__TinyPlans__3d_fullres" / "fold_0"

    def start(*flags, workers="1"):
        return subprocess.Popen([sys.executable, str(script), tests, *flags],
                                env={**os.environ, "OMP_NUM_THREADS": "1", "nnUNet_n_proc_DA": workers})

    assert start().wait() == 0
    expected = torch.load(fold / "checkpoint_final.pth", weights_only=False)["network_weights"]

    process = start()
    latest = fold / "checkpoint_latest.pth"
    while not (latest.exists() and torch.load(latest, weights_only=False)["current_epoch"] >= 5):
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(0.5)  # into an epoch
    assert process.poll() is None
    process.send_signal(kill)
    assert process.wait() != 0
    stopped = read_run_record(fold)
    assert (stopped.status, stopped.complete) == ("interrupted" if kill == signal.SIGINT else "running", False)
    assert start("--c", workers="2").wait() == 0
    record = read_run_record(fold)
    assert (record.status, [session.workers for session in record.sessions]) == ("finished", [1, 2])
    assert same(torch.load(fold / "checkpoint_final.pth", weights_only=False)["network_weights"], expected)
    assert not list(fold.glob(".partial-*"))

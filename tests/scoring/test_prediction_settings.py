"""How predictions were made, from the files that nnU-Net leaves."""

import os
import pickle
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from nnunet_tv.scoring.prediction_settings import ARGUMENTS, PredictionSettings, prediction_settings, read_plain
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.files import write_json

MODEL = "nnUNetTrainerDiceTV__nnUNetPlans__3d_fullres"


def checkpoint(path, axes=(0, 1, 2), **more):
    """A checkpoint with what nnU-Net's trainer stores, and things that only unpickling as usual could read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    layer = torch.nn.Linear(2, 2)
    torch.save({"network_weights": OrderedDict(layer.state_dict()),
                "optimizer_state": torch.optim.AdamW(layer.parameters()).state_dict(),
                "logging": {"mean_fg_dice": [np.float64(0.5)], "times": defaultdict(list, a=[np.float32(1)])},
                "init_args": {"fold": 0, "device": torch.device("cpu"), "folder": Path("x"), "plan": {1: {2, 3}}},
                "trainer_name": "nnUNetTrainer", "inference_allowed_mirroring_axes": axes, **more}, path)


def run_in(folder, **options):
    folder.mkdir(parents=True, exist_ok=True)
    return Run("A", 0, folder, **options)


@pytest.mark.parametrize(("axes", "versions", "words"), [
    ((0, 1, 2), 8, "mirroring on (8 versions)"), ([2], 2, "mirroring on (2 versions)"),
    (None, 1, "no mirroring (the model allows none)")])
def test_a_validation_is_mirrored_over_the_axes_of_its_checkpoint(tmp_path, axes, versions, words):
    checkpoint(tmp_path / MODEL / "fold_3" / "checkpoint_final.pth", axes)
    found, = prediction_settings(run_in(tmp_path / MODEL / "fold_3" / "validation"))
    assert (found.mirroring, found.versions, found.step, found.folds) == (True, versions, 0.5, ("3",))
    assert str(found) == f"{words}, overlap 0.5 (step 0.5), checkpoint_final.pth unless validated with --val_best"


def test_a_validation_without_a_checkpoint_has_unknown_axes(tmp_path):
    found, = prediction_settings(run_in(tmp_path / MODEL / "fold_0" / "validation"))
    assert found.versions is None and str(found).startswith("mirroring on (axes not recorded), overlap 0.5")


def test_pooled_folds_with_equal_settings_are_one(tmp_path):
    parts = {}
    for fold, axes in enumerate([(0, 1, 2), (0, 1, 2), None]):
        checkpoint(tmp_path / MODEL / f"fold_{fold}" / "checkpoint_final.pth", axes)
        parts[f"case{fold}"] = run_in(tmp_path / MODEL / f"fold_{fold}" / "validation")
    found = prediction_settings(Run("A", 0, tmp_path / MODEL, parts=parts))
    assert [(each.versions, each.folds) for each in found] == [(8, ("0", "1")), (1, ("2",))]


@pytest.mark.parametrize(("mirroring", "words"), [(True, "mirroring on (2 versions)"), (False, "mirroring off")])
def test_arguments_of_earlier_versions_of_nnunet(tmp_path, mirroring, words):
    checkpoint(tmp_path / MODEL / "fold_1" / "checkpoint_best.pth", (0,))
    run = run_in(tmp_path / "pred")
    write_json({"model_training_output_dir": str(tmp_path / MODEL), "use_folds": [1, 2], "tile_step_size": 0.75,
                "use_mirroring": mirroring, "checkpoint_name": "checkpoint_best.pth"}, run.raw / ARGUMENTS)
    found, = prediction_settings(run)
    assert str(found) == f"{words}, overlap 0.25 (step 0.75), checkpoint_best.pth" and found.folds == ("1", "2")


@pytest.mark.parametrize("content", [
    {"list_of_lists_or_source_folder": "imagesTs", "save_probabilities": False, "num_parts": 1},  # of nnU-Net 2.8
    {}, [], "text", {"use_mirroring": "yes", "tile_step_size": 7}])
def test_arguments_without_the_settings_are_no_record(tmp_path, content):
    run = run_in(tmp_path / "pred")
    assert prediction_settings(run) == ()
    write_json(content, run.raw / ARGUMENTS)
    assert prediction_settings(run) == ()
    (run.raw / ARGUMENTS).write_text("{")
    assert prediction_settings(run) == ()


def test_the_model_of_a_run_shows_what_it_allows_and_not_what_was_done(tmp_path):
    for fold in (0, 1):
        checkpoint(tmp_path / MODEL / f"fold_{fold}" / "checkpoint_final.pth")
    one, = prediction_settings(run_in(tmp_path / "pred", predicted_by=tmp_path / MODEL / "fold_1"))
    both, = prediction_settings(run_in(tmp_path / "pred", predicted_by=tmp_path / MODEL))
    assert (one.mirroring, one.step, one.folds, both.folds) == (None, None, ("1",), ("0", "1"))
    assert str(one) == str(both) == ("mirroring not recorded (the model allows 8 versions), overlap not recorded, "
                                     "checkpoint_final.pth as stated with --predicted-by")
    write_json({"use_mirroring": True, "tile_step_size": 0.5}, tmp_path / "pred" / ARGUMENTS)
    recorded, = prediction_settings(run_in(tmp_path / "pred", predicted_by=tmp_path / MODEL / "fold_1"))
    assert str(recorded) == "mirroring on (8 versions), overlap 0.5 (step 0.5), checkpoint not recorded"


class Dangerous:
    def __reduce__(self):
        return os.mkdir, ("made by the file",)


def test_nothing_in_a_checkpoint_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile("checkpoint.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"bad": Dangerous(), "good": (0, 1)}, protocol=2))
    assert read_plain(Path("checkpoint.pth"))["good"] == (0, 1) and not Path("made by the file").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 damaged", b"\x80\x02}q\x00."])
def test_a_file_that_is_no_checkpoint_holds_nothing(tmp_path, content):
    (tmp_path / "fold_0" / "validation").mkdir(parents=True)
    (tmp_path / "fold_0" / "checkpoint_final.pth").write_bytes(content)
    found, = prediction_settings(Run("A", 0, tmp_path / "fold_0" / "validation"))
    assert found.versions is None


def test_settings_survive_json():
    settings = PredictionSettings(True, 8, 0.5, "checkpoint_final.pth", ("0", "1"))
    content = {"mirroring": True, "versions": 8, "step": 0.5, "checkpoint": "checkpoint_final.pth", "folds": ["0", "1"]}
    assert PredictionSettings.from_dict(content) == settings

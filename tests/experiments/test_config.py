"""Configurations: the shipped ones are what they are called, and an error names file, key, expected and found."""

import re

import pytest

from nnunet_tv.experiments.config import (
    ExperimentConfig,
    changes,
    make_config,
    override,
    read_config,
    to_plain,
    write_config,
)
from nnunet_tv.experiments.experiment import ready_configs, set_up
from nnunet_tv.experiments.trainer_names import default_epochs, epochs_of, with_epochs, with_tv_weight
from nnunet_tv.utils.errors import NnunetTVError

SMALL = {"experiment": "small", "groups": {"Dice": "nnUNetTrainerDice"}}


def test_the_ready_configurations():
    ready = {name: read_config(path) for name, path in ready_configs().items()}
    assert set(ready) == {"table1", "tv-weights", "cv5"}
    assert all(name == each.experiment for name, each in ready.items())
    one, sweep, folds = ready["table1"], ready["tv-weights"], ready["cv5"]
    assert one.trainers == {"Dice": "nnUNetTrainerDice", "Dice+BCE": "nnUNetTrainerDiceBCE",
                            "Dice+TV": "nnUNetTrainerDiceTV"}
    assert (one.runs, one.split, one.score, one.plans) == (10, "paper", "test", "MSDSANetPlans")
    assert list(sweep.trainers.values()) == [
        "nnUNetTrainerDice", "nnUNetTrainerDiceTV_tv0p05", "nnUNetTrainerDiceTV", "nnUNetTrainerDiceTV_tv0p15",
        "nnUNetTrainerDiceTV_tv0p2"]
    assert (folds.runs, folds.split, folds.score, folds.strata) == (5, "cv5", "validation", ("size", "contrast"))
    shared = ("dataset", "split", "repeats", "space", "controls", "network", "patch_size", "layout")
    assert all(getattr(one, name) == getattr(sweep, name) for name in shared)  # so that they share data and models
    assert folds.dataset != one.dataset  # another split


@pytest.mark.parametrize("weight", [0.0, 0.05, 0.1, 0.15, 0.2])
@pytest.mark.parametrize("epochs", [None, 300, 5])
def test_trainers_of_the_sweep_exist_with_these_settings(weight, epochs):
    from nnunet_tv.trainers import tv_recipe

    trainer = getattr(tv_recipe, with_epochs(with_tv_weight(weight), epochs))  # an error for another spelling
    assert trainer.loss_settings == ({} if weight in (0, 0.1) else {"tv": weight})
    assert (trainer.epochs_in_name or trainer.default_epochs) == epochs_of(trainer.__name__) == (epochs or 300)


def test_default_epochs_are_the_trainers():
    from nnunet_tv.trainers import loss_only, tv_recipe

    for trainer in (tv_recipe.nnUNetTrainerDice, loss_only.nnUNetTrainerDiceTVLoss):
        assert default_epochs(trainer.__name__) == trainer.default_epochs


@pytest.mark.parametrize("change,message", [
    ({"runs": "ten"}, "runs: expected a whole number from 1, found 'ten'"),
    ({"runs": True}, "runs: expected a whole number from 1, found True"),
    ({"run": 3}, "run: no such key; runs was meant"),
    ({"split": "half"}, "split: expected paper, official or cv5, found 'half'"),
    ({"network": "unet"}, "network: expected one of ms-dsa-net, .*found 'unet'"),
    ({"patch_size": [64, 64]}, r"patch_size: expected three whole numbers, .*found \[64, 64\]"),
    ({"groups": {"A+B": "x", "A-B": "x"}}, "groups: expected one line for each row"),
    ({"groups": {"A=B": "x"}}, "groups: expected one line for each row"),
    ({"tv_weights": [0, 0.1]}, "groups, tv_weights: expected one of the two, found both"),
    ({"resources": {"hours": -1}}, "resources: hours: expected hours, a number above 0, found -1"),
    ({"resources": {"gpus": 1}}, "resources: expected hours, memory_gb, cpus, found"),
    ({"device": "gpu"}, "device: expected cuda or cpu, found 'gpu'"),
    ({"mirroring": "yes please"}, "mirroring: expected true or false, found 'yes please'"),
    ({"dataset": "FCD"}, "dataset: expected a name such as DatasetFCD, found 'FCD'"),
    ({"split": "cv5", "runs": 5}, "score: expected validation with split: cv5.* found test"),
    ({"split": "cv5", "runs": 3, "score": "validation"}, "runs: expected 5 with split: cv5.* found 3"),
    ({"split": "cv5", "runs": 5, "repeats": 2, "score": "validation"}, "repeats: not for split: cv5"),
    ({"scans": "x", "repeats": 2, "runs": 3}, r"runs: expected at most repeats \(2\), found 3"),
])
def test_errors_name_file_key_expected_and_found(change, message):
    with pytest.raises(NnunetTVError, match=f"mine.yaml: {message}"):
        make_config({**SMALL, **change}, "mine.yaml")


def test_all_wrong_keys_are_named_at_once():
    with pytest.raises(NnunetTVError) as error:
        make_config({"runs": 0, "epochs": "x", "tv_weights": []}, "mine.yaml")
    named = re.findall(r"mine\.yaml: (\w+)", str(error.value))
    assert named == ["runs", "epochs", "tv_weights", "experiment", "groups"]


@pytest.mark.parametrize("text,message", [("a: [1", "cannot be read.*line 1"), ("- a", "found list"),
                                          ("", "found NoneType")])
def test_what_is_no_configuration(tmp_path, text, message):
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(NnunetTVError, match=rf"mine\.yaml: .*{message}"):
        read_config(tmp_path / "mine.yaml")


@pytest.mark.parametrize("settings", [SMALL, {"experiment": "s", "tv_weights": [0, 0.05]},
                                      {**SMALL, "retries": 0, "patch_size": [32, 32, 48], "remark": "ä: #1"}])
def test_written_and_read_again(tmp_path, settings):
    config = make_config(settings, "x")
    write_config(config, tmp_path / "all.yaml")
    assert read_config(tmp_path / "all.yaml") == config
    assert make_config(to_plain(config), "x") == config


def test_an_experiment_that_was_begun_keeps_what_its_trainings_depend_on(tmp_path):
    config = make_config(SMALL, "x")
    assert changes(config, override(config, runs=3, processes=9, device="cpu")) == []
    assert changes(config, override(config, groups={**SMALL["groups"], "New": "nnUNetTrainerDiceTV"})) == []
    assert changes(config, override(config, patch_size=(64, 64, 64))) == ["patch_size: None before, (64, 64, 64) now"]
    assert changes(config, override(config, groups={"Dice": "nnUNetTrainerFocal"})) == [
        "groups: Dice: nnUNetTrainerDice before, nnUNetTrainerFocal now"]
    study = set_up("table1", tmp_path, scans=str(tmp_path), network="sg-net")
    study.folder.mkdir()
    write_config(study.config, study.config_file)
    again = set_up("table1", tmp_path)  # the settings that it was begun with
    assert again.config == study.config and again.config.network == "sg-net"
    with pytest.raises(NnunetTVError, match=r"table1/experiment.yaml: .*network: 'sg-net' before, 'unetr-pp' now"):
        set_up("table1", tmp_path, network="unetr-pp")


def test_the_name_of_no_configuration(tmp_path):
    with pytest.raises(NnunetTVError, match="table2: expected cv5, table1, tv-weights, or the file"):
        set_up("table2", tmp_path)


def test_defaults_are_those_of_the_class():
    assert make_config(SMALL, "x") == ExperimentConfig(**SMALL)

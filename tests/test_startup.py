"""The start-up line: found without set-up, a user's own value kept, cheap."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnunet_tv.doctor import trainer_names
from nnunet_tv.planning.plans import loss_only_name
from nnunet_tv.startup import VARIABLE, announce, extended, trainers_folder


def test_both_families_have_a_trainer_for_each_loss():
    names = trainer_names()
    assert len(names) == 20
    assert {loss_only_name(name) for name in names if not name.endswith("Loss")} == {
        name for name in names if name.endswith("Loss")}


@pytest.mark.parametrize(("before", "after"), [
    ({}, trainers_folder()), ({VARIABLE: "/mine"}, f"/mine{os.pathsep}{trainers_folder()}"),
    ({VARIABLE: trainers_folder()}, trainers_folder())], ids=["unset", "a user's own", "started by ours"])
def test_a_fresh_process_has_the_folder_once_behind_the_users_own(before, after):
    clean = {name: value for name, value in os.environ.items() if name != VARIABLE}
    code = f"import os; print(os.environ.get({VARIABLE!r}, ''))"
    assert subprocess.check_output([sys.executable, "-c", code], env={**clean, **before}, text=True).strip() == after


def test_blank_entries_do_not_survive():
    assert extended(f" {os.pathsep}/mine", "/ours") == f"/mine{os.pathsep}/ours"


def test_a_broken_installation_is_reported_and_does_not_stop_the_interpreter(monkeypatch, capsys):
    def broken():
        raise ImportError("gone")

    monkeypatch.setattr("nnunet_tv.startup.trainers_folder", broken)
    announce()
    assert capsys.readouterr().err == "nnunet-tv: nnU-Net will not find our trainers: gone\n"


def test_a_missing_folder_is_an_error_with_advice(monkeypatch):
    monkeypatch.setattr("os.path.isdir", lambda _: False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match=r"nnunet_tv\.trainers is not installed beside .*reinstall nnunet-tv"):
        trainers_folder()


def test_nnunets_look_up_finds_every_trainer_and_none_of_its_own_has_our_names():
    import nnunetv2
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class
    from nnunetv2.utilities.find_objects import recursive_find_trainer_class_by_name

    stock = str(Path(nnunetv2.__path__[0], "training", "nnUNetTrainer"))
    for name in trainer_names():
        assert recursive_find_python_class(stock, name, "nnunetv2.training.nnUNetTrainer", nnunetv2.__path__[0]) is None
        found = recursive_find_trainer_class_by_name(name)
        assert found.__name__ == name and hasattr(found, "loss_class")
    found = recursive_find_trainer_class_by_name("nnUNetTrainerDiceTV_tv0p05_5epochs")
    assert found.__name__ == "nnUNetTrainerDiceTV_tv0p05_5epochs"
    with pytest.raises(RuntimeError, match="Write nnUNetTrainerDiceTV_tv0p05_5epochs"):
        recursive_find_trainer_class_by_name("nnUNetTrainerDiceTV_5epochs_tv0p05")
    with pytest.raises(RuntimeError, match="Could not find requested nnunet trainer nnUNetTrainerDiceTV_mine"):
        recursive_find_trainer_class_by_name("nnUNetTrainerDiceTV_mine")

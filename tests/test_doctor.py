"""The doctor: exit status 0 only when all is well, and each fault with what to type."""

import pytest

from nnunet_tv import doctor
from nnunet_tv.cli.doctor import main
from nnunet_tv.startup import VARIABLE, trainers_folder


def test_all_is_well(nnunet_folders, capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert "!!" not in shown and shown.endswith("All is well.\n")
    for expected in ("nnunetv2: 2.", "device: ", f"nnUNet_raw: {nnunet_folders / 'nnUNet_raw'}",
                     "nnUNetTrainerDiceTV: resolves", "nnUNetTrainerDiceOnlyLoss: resolves"):
        assert expected in shown


def test_each_fault_is_reported_with_what_to_type(nnunet_folders, monkeypatch, capsys):
    gone = nnunet_folders / "gone"
    monkeypatch.delenv("nnUNet_results")
    for variable, value in (("nnUNet_raw", str(gone)), ("nnUNet_n_proc_DA", "0"), (VARIABLE, "/mine")):
        monkeypatch.setenv(variable, value)
    assert main([]) == 1
    shown = capsys.readouterr().out
    for expected in ("!!  nnUNet_results: not set (trained models): export nnUNet_results=",
                     f"!!  nnUNet_raw: {gone} is no folder: mkdir -p '{gone}'",
                     "0 breaks nnU-Net's planner: export nnUNet_n_proc_DA=1",
                     f"type: export {VARIABLE}='/mine:{trainers_folder()}'",
                     "nnUNetTrainerDiceTV: does not resolve: nnU-Net does not see our folder"):
        assert expected in shown
    assert f"{shown.count('!!  ')} problem(s)" in shown


def test_a_foreign_class_of_our_name_is_reported(nnunet_folders, monkeypatch, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "theirs.py").write_text(
        "from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer\n"
        "class nnUNetTrainerDiceTV(nnUNetTrainer):\n    pass\n")
    monkeypatch.setenv(VARIABLE, f"{tmp_path / 'mine'}:{trainers_folder()}")
    wrong = [finding for finding in doctor.trainers() if not finding.well]
    assert [finding.subject for finding in wrong] == ["nnUNetTrainerDiceTV"]
    assert "another class of that name, theirs" in wrong[0].found


def test_torch_and_torchvision_that_do_not_match_are_recognised():
    text = doctor._advice(RuntimeError("operator torchvision::nms does not exist"))
    assert "install both from the same source" in text


def test_a_package_that_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("no-such-package",))
    assert list(doctor.versions()) == [doctor.Finding("no-such-package", "not installed: pip install no-such-package",
                                                      False)]


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert "nnunet-tv" in capsys.readouterr().out

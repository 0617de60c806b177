"""The command parses, calls and reports."""

import json

import pytest
import torch

from nnunet_tv.cli.import_weights import main


@pytest.fixture
def weights(published_weights, tmp_path):
    torch.save(published_weights, tmp_path / "model.pth")
    return tmp_path / "model.pth"


def test_writes_the_folder_and_the_requirements_of_images(weights, tmp_path, capsys):
    assert main([str(weights), "-o", str(tmp_path / "model"), "--dataset", "Dataset901_Imported"]) == 0
    output = capsys.readouterr().out
    assert f"wrote {tmp_path / 'model'}" in output and "64 x 64 x 64" in output
    assert "0.5 and 99.5 percentiles" in output.replace("\n", " ") and f"-m {tmp_path / 'model'}" in output
    plans = json.loads((tmp_path / "model" / "plans.json").read_text())
    assert plans["dataset_name"] == "Dataset901_Imported"
    assert plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"] == {"input_size": [64, 64, 64]}


def test_wrong_patch_size_is_one_message_and_status_1(weights, tmp_path, capsys):
    assert main([str(weights), "-o", str(tmp_path / "model"), "--patch-size", "96", "96", "96"]) == 1
    assert "expected 1x13824x32, found 1x4096x32" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_existing_folder_needs_overwrite(weights, tmp_path, capsys):
    arguments = [str(weights), "-o", str(tmp_path / "model"), "--patch-size", "64", "64", "64"]
    assert main(arguments) == 0
    assert main(arguments) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*arguments, "--overwrite"]) == 0

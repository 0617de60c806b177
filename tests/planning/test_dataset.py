"""Planning by name: what is written, what is shared, what is refused."""

import json

import pytest
from nnunet_data import write_raw_dataset

from nnunet_tv.architectures.registry import NETWORKS
from nnunet_tv.cli.plan import main
from nnunet_tv.planning.dataset import copy_references
from nnunet_tv.planning.network_plans import write_network_plans
from nnunet_tv.planning.plans import UnsupportedPlan


def raw_and_preprocessed(root):
    return root / "nnUNet_raw" / "DatasetFCD", root / "nnUNet_preprocessed" / "DatasetFCD"


def plan(*options):
    return main(["-d", "DatasetFCD", "-np", "1", *options])


def test_everything_between_conversion_and_training_is_there(planned):
    raw, folder = raw_and_preprocessed(planned)
    assert (folder / "splits_final.json").read_text() == (raw / "splits_final.json").read_text()
    references = sorted(path.name for path in (folder / "gt_segmentations").iterdir())
    assert references == [f"sub-0000{i}.nii.gz" for i in range(1, 5)]
    assert len(list((folder / "nnUNetPlans_3d_fullres").glob("sub-*.pkl"))) == 4
    stock = json.loads((folder / "nnUNetPlans.json").read_text())
    assert stock["plans_name"] == "nnUNetPlans"
    assert "PlainConvUNet" in stock["configurations"]["3d_fullres"]["architecture"]["network_class_name"]


def test_an_unknown_data_set_is_named(nnunet_folders, capsys):
    assert main(["-d", "DatasetNone"]) == 1
    assert "DatasetNone has no dataset.json: convert the data first" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "message"), [
    *((["-d", name], f"data set name {name!r}: expected one such as DatasetFCD")
      for name in ("FCD", "Dataset__FCD", "Dataset/FCD", "Dataset FCD")),
    (["-d", "DatasetFCD", "-np", "0"], "-np: expected a whole number of at least 1, found '0'"),
    (["-d", "DatasetFCD", "--network", "vnet"], "invalid choice: 'vnet'"),
])
def test_options_that_are_refused(nnunet_folders, options, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(options)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_an_unset_folder_gives_the_line_to_type(nnunet_folders, monkeypatch, capsys):
    monkeypatch.delenv("nnUNet_preprocessed")
    assert main(["-d", "DatasetFCD"]) == 1
    assert "nnUNet_preprocessed is not set" in (shown := capsys.readouterr().err)
    assert "export nnUNet_preprocessed=" in shown


def test_no_workers_are_refused(nnunet_folders, monkeypatch, capsys):
    write_raw_dataset(nnunet_folders / "nnUNet_raw" / "DatasetFCD", cases=2)
    monkeypatch.setenv("nnUNet_n_proc_DA", "0")
    assert main(["-d", "DatasetFCD"]) == 1
    assert "nnUNet_n_proc_DA is 0, with which nnU-Net's planner fails" in capsys.readouterr().err


def test_a_split_that_differs_needs_an_option(planned, capsys):
    raw, copied = (folder / "splits_final.json" for folder in raw_and_preprocessed(planned))
    split = [{"train": ["sub-00001"], "val": ["sub-00002"]}]
    raw.write_text(json.dumps(split))
    assert plan() == 1
    assert "mixing the two can put test cases into training" in capsys.readouterr().err
    assert plan("--replace-split") == 0
    assert json.loads(copied.read_text()) == split


def test_labels_that_left_the_raw_data_leave_the_references(planned):
    raw, preprocessed = raw_and_preprocessed(planned)
    for file in (raw / "imagesTr").glob("sub-00002*"):
        file.unlink()
    copy_references(raw, preprocessed)
    assert len(list((preprocessed / "gt_segmentations").iterdir())) == 3


def test_a_damaged_data_set_is_refused_with_nnunets_reason(planned, capsys):
    (raw_and_preprocessed(planned)[0] / "labelsTr" / "sub-00002.nii.gz").unlink()
    assert plan() == 1
    assert "nnU-Net's integrity check refuses" in capsys.readouterr().err


def test_a_second_plan_leaves_preprocessed_data_alone(planned, capsys):
    _, preprocessed = raw_and_preprocessed(planned)
    marker = preprocessed / "nnUNetPlans_3d_fullres" / "marker"
    marker.touch()
    assert plan("--patch-size", "64", "96", "64") == 0
    ours = json.loads((preprocessed / "MSDSANetPlans.json").read_text())["configurations"]["3d_fullres"]
    assert marker.exists() and ours["patch_size"] == [64, 96, 64]
    command = "Train: nnUNetv2_train DatasetFCD 3d_fullres 0 -tr nnUNetTrainerDiceTV -p MSDSANetPlans"
    assert command in capsys.readouterr().out
    assert plan("--redo") == 0
    assert not marker.exists()


def test_plans_of_a_configuration_stand_alone(tmp_path):
    stock = {"plans_name": "nnUNetPlans", "configurations": {
        "3d_lowres": {"patch_size": [64] * 3, "next_stage": "3d_cascade_fullres", "data_identifier": "x"},
        "mine": {"inherits_from": "3d_lowres"},
        "3d_cascade_fullres": {"inherits_from": "3d_lowres", "previous_stage": "3d_lowres"}}}
    path = write_network_plans(stock, tmp_path, ["3d_lowres", "mine"], NETWORKS["ms-dsa-net"], (64, 64, 64))
    for configuration in json.loads(path.read_text())["configurations"].values():
        assert not {"inherits_from", "next_stage"} & set(configuration) and configuration["data_identifier"] == "x"
    with pytest.raises(UnsupportedPlan, match="3d_cascade_fullres is a cascade"):
        write_network_plans(stock, tmp_path, ["3d_cascade_fullres"], NETWORKS["ms-dsa-net"], (64, 64, 64))


def test_a_conversion_that_is_not_complete_is_not_planned(planned, capsys):
    raw, _ = raw_and_preprocessed(planned)
    (raw / "splits_final.json").unlink()
    content = json.loads((raw / "dataset.json").read_text())
    (raw / "dataset.json").write_text(json.dumps({**content, "converted_by": "nnunet-tv"}))
    assert plan() == 1
    assert "has no splits_final.json, so nnU-Net would draw a split of its own" in capsys.readouterr().err

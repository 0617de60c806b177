"""The list of commands: each is one that its own parser takes, and they fit together."""

import os
import shlex
from pathlib import Path

import pytest
from command_lines import parse

from nnunet_tv.demo import walkthrough
from nnunet_tv.demo.walkthrough import (
    DATA,
    FAST,
    FULL,
    Folders,
    check_folder,
    environment,
    steps,
    trainer_name,
    training_cases,
)
from nnunet_tv.utils.errors import NnunetTVError

ROOT = Path(__file__).parents[2]
ORDER = ["nnunet-tv-convert", "nnunet-tv-plan", "nnUNetv2_train", "nnUNetv2_predict",
         "nnUNetv2_apply_postprocessing", "nnunet-tv-report"]

@pytest.fixture
def folders(tmp_path) -> Folders:
    return Folders(tmp_path / "my demo")


def listed(folders, device="cpu", scale=FAST):
    return steps(folders, scale, processes=2, device=device)


def value(step, flag):
    return step.command[step.command.index(flag) + 1]


def test_order(folders):
    assert [step.name for step in listed(folders)] == ORDER


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_each_line_is_taken_by_its_own_parser(folders, monkeypatch, name, device):
    step = next(step for step in listed(folders, device) if step.name == name)
    options = vars(parse(list(step.command), monkeypatch))
    if "device" in options:
        assert options["device"] == device


@pytest.mark.parametrize("data", DATA.values(), ids=list(DATA))
def test_the_conversion_of_each_data_set_is_taken_by_its_parser_and_writes_where_the_others_read(
        tmp_path, monkeypatch, data):
    from nnunet_tv.cli.convert import DATA_SETS

    convert = listed(Folders(tmp_path, data))[0]
    options = parse(list(convert.command), monkeypatch)
    assert options.data_set == data.name and options.name == data.dataset
    assert options.input == tmp_path / f"{data.name}-phantoms" / data.source and set(DATA) == set(DATA_SETS)


@pytest.mark.parametrize("name", ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "predictions", "report",
                                  "logs"])
def test_a_folder_with_other_data_is_refused_since_phantoms_would_replace_them(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(NnunetTVError, match=rf"holds {name}, but no phantoms \(pairs-phantoms\), "
                                            "so it is not the demo.s.*: choose another folder"):
        check_folder(Folders(tmp_path, DATA["pairs"]))
    (tmp_path / "pairs-phantoms").mkdir()
    check_folder(Folders(tmp_path, DATA["pairs"]))


def test_the_demo_of_another_data_set_is_not_mixed_in(tmp_path):
    check_folder(Folders(tmp_path, DATA["pairs"]))
    (tmp_path / "bonbid-hie-phantoms").mkdir()
    check_folder(Folders(tmp_path, DATA["bonbid-hie"]))
    with pytest.raises(NnunetTVError, match=r"holds the demo of bonbid-hie .*, not of pairs: choose another folder"):
        check_folder(Folders(tmp_path, DATA["pairs"]))


@pytest.mark.parametrize("data", DATA.values(), ids=list(DATA))
def test_lines_fit_together(tmp_path, data):
    folders = Folders(tmp_path / "my demo", data)
    convert, plan, train, predict, postprocess, report = listed(folders)
    assert value(plan, "-d") == predict.command[predict.command.index("-d") + 1] == train.command[1] == data.dataset
    assert plan.command[plan.command.index("--patch-size") + 1:][:3] == ("64", "64", "64")
    assert value(train, "-tr") == value(predict, "-tr") == trainer_name(FAST.epochs)
    assert value(train, "-p") == value(predict, "-p") == "MSDSANetPlans"
    assert value(predict, "-o") == value(postprocess, "-i")
    assert value(report, "--pred") == f"DiceTV={value(predict, '-o')}"
    assert value(report, "--pred-pp") == f"DiceTV={value(postprocess, '-o')}"
    assert value(postprocess, "-pp_pkl_file").endswith(
        f"{data.dataset}/{trainer_name(FAST.epochs)}__MSDSANetPlans__3d_fullres/postprocessing.pkl")
    assert value(convert, "-i") == str(folders.scans / data.source)
    assert Path(value(predict, "-i")).parent == Path(value(report, "--ref")).parent == folders.raw


def test_typed_line_survives_a_space_in_the_path(folders):
    for step in listed(folders):
        assert tuple(shlex.split(step.typed())) == step.command


def test_mirroring_is_left_out_on_the_cpu_only(folders):
    assert "--disable_tta" in listed(folders, "cpu")[3].command
    assert "--disable_tta" not in listed(folders, "cuda")[3].command


def test_training_is_continued_where_it_was_begun(folders):
    assert "--c" not in listed(folders)[2].command
    fold = folders.model(trainer_name(FAST.epochs)) / "fold_0"
    fold.mkdir(parents=True)
    assert "--c" not in listed(folders)[2].command
    (fold / "checkpoint_latest.pth").touch()
    assert listed(folders)[2].command[-1] == "--c"


def test_the_trainer_exists():
    """Both lengths resolve by nnU-Net's own look-up."""
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    for scale in (FAST, FULL):
        found = recursive_find_python_class(str(ROOT / "trainers"), trainer_name(scale.epochs), None)
        assert found is not None and issubclass(found, nnUNetTrainer)


@pytest.mark.parametrize("scale", [FAST, FULL])
def test_scales_leave_training_and_selection_cases(scale):
    from nnunet_tv.conversion.splits import split_official

    assigned = {f"sub-{i:05d}": "test" if i < scale.test else "train" for i in range(scale.patients)}
    split = split_official(assigned, repeats=1)
    assert len(split.test) == scale.test
    assert len(split.folds[0]["val"]) >= 2 and len(split.folds[0]["train"]) >= 6


def test_variables(folders, monkeypatch):
    monkeypatch.delenv("nnUNet_n_proc_DA", raising=False)
    monkeypatch.delenv("nnUNet_compile", raising=False)
    monkeypatch.setattr(walkthrough, "find_spec", lambda name: None)
    found = environment(folders, processes=8)
    assert found["nnUNet_raw"] == str(folders.root / "nnUNet_raw")
    assert set(found) == {"nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "nnUNet_n_proc_DA", "nnUNet_compile"}
    assert (found["nnUNet_n_proc_DA"], found["nnUNet_compile"]) == ("2", "f")
    monkeypatch.setenv("nnUNet_n_proc_DA", "5")
    monkeypatch.setattr(walkthrough, "find_spec", lambda name: object())
    assert set(environment(folders, processes=1)) == {"nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"}


def test_training_cases_come_from_the_split(folders):
    folders.raw.mkdir(parents=True)
    (folders.raw / "splits_final.json").write_text('[{"train": ["a", "b", "c"], "val": ["d"]}]')
    assert training_cases(folders) == 3


def test_commands_are_installed_names():
    assert not [name for name in ORDER if os.sep in name]

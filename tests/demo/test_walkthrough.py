"""The list of commands: their own parsers accept them, and they fit together."""

import shlex
from pathlib import Path

import pytest
from command_lines import parse

from nnunet_tv.demo import walkthrough
from nnunet_tv.demo.walkthrough import FAST, FULL, Folders, check_folder, environment, steps, trainer_name
from nnunet_tv.utils.errors import NnunetTVError

ROOT = Path(__file__).parents[2]
ORDER = ["nnunet-tv-convert", "nnunet-tv-plan", "nnUNetv2_train", "nnUNetv2_predict",
         "nnUNetv2_apply_postprocessing", "nnunet-tv-report"]


@pytest.fixture
def folders(tmp_path) -> Folders:
    return Folders(tmp_path / "my demo")


def commands(folders, device="cpu", scale=FAST):
    return steps(folders, scale, processes=2, device=device)


def value(step, flag):
    return step.command[step.command.index(flag) + 1]


@pytest.mark.parametrize("number", range(len(ORDER)), ids=ORDER)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_each_line_is_accepted_by_its_own_parser_and_quoted(folders, monkeypatch, number, device):
    step = commands(folders, device)[number]
    assert step.name == ORDER[number] and tuple(shlex.split(step.shell_line())) == step.command
    options = vars(parse(list(step.command), monkeypatch))
    assert options.get("device", device) == device
    assert ("--disable_tta" in step.command) == (step.name == "nnUNetv2_predict" and device == "cpu")


@pytest.mark.parametrize("name", ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "predictions", "report",
                                  "logs"])
def test_a_folder_with_other_data_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(NnunetTVError, match=rf"holds {name}, but no phantoms \(ds004199-phantoms\).*choose another"):
        check_folder(Folders(tmp_path))
    (tmp_path / "ds004199-phantoms").mkdir()
    check_folder(Folders(tmp_path))


def test_lines_fit_together(folders):
    convert, plan, train, predict, postprocess, report = commands(folders)
    assert value(plan, "-d") == value(predict, "-d") == train.command[1] == folders.raw.name
    assert plan.command[plan.command.index("--patch-size") + 1:][:3] == ("64", "64", "64")
    assert value(train, "-tr") == value(predict, "-tr") == trainer_name(FAST.epochs)
    assert value(train, "-p") == value(predict, "-p") == "MSDSANetPlans"
    assert value(predict, "-o") == value(postprocess, "-i")
    assert value(report, "--pred") == f"DiceTV={value(predict, '-o')}"
    assert value(report, "--pred-pp") == f"DiceTV={value(postprocess, '-o')}"
    assert value(postprocess, "-pp_pkl_file").endswith(
        f"{folders.raw.name}/{trainer_name(FAST.epochs)}__MSDSANetPlans__3d_fullres/postprocessing.pkl")
    assert value(convert, "-i") == str(folders.scans)
    assert Path(value(predict, "-i")).parent == Path(value(report, "--ref")).parent == folders.raw


def test_interrupted_training_is_continued(folders):
    fold = folders.model(trainer_name(FAST.epochs)) / "fold_0"
    fold.mkdir(parents=True)
    assert "--c" not in commands(folders)[2].command
    (fold / "checkpoint_latest.pth").touch()
    assert commands(folders)[2].command[-1] == "--c"


@pytest.mark.parametrize("scale", [FAST, FULL])
def test_the_trainer_exists_and_training_and_selection_cases_are_left(scale):
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    from nnunet_tv.conversion.splits import split_official

    found = recursive_find_python_class(str(ROOT / "trainers"), trainer_name(scale.epochs), None)
    assert found is not None and issubclass(found, nnUNetTrainer)
    split = split_official({str(i): "test" if i < scale.test else "train" for i in range(scale.patients)}, repeats=1)
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
    assert walkthrough.training_cases(folders) == 3

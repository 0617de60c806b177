"""The list of commands: their own parsers accept them, and they fit together."""

import shlex
from pathlib import Path

import pytest
from command_lines import parse

from nnunet_tv.demo import walkthrough
from nnunet_tv.demo.dataset import plan_members
from nnunet_tv.demo.walkthrough import (
    CONTROLS,
    PAPER,
    PATIENTS,
    SMALL,
    TEST,
    Folders,
    check_folder,
    environment,
    patient,
    steps,
)
from nnunet_tv.utils.errors import NnunetTVError

ROOT = Path(__file__).parents[2]
ORDER = ["nnunet-tv-convert", "nnunet-tv-plan", "nnUNetv2_train", "nnUNetv2_predict",
         "nnUNetv2_apply_postprocessing", "nnunet-tv-report", "nnunet-tv-predict", "nnunet-tv-plan", "nnUNetv2_train"]


@pytest.fixture
def folders(tmp_path) -> Folders:
    return Folders(tmp_path / "my demo")


def commands(folders, device="cpu"):
    return steps(folders, seed=0, processes=2, device=device)


def value(step, flag):
    return step.command[step.command.index(flag) + 1]


@pytest.mark.parametrize("number", range(len(ORDER)), ids=[f"{number}-{name}" for number, name in enumerate(ORDER)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_each_line_is_accepted_by_its_own_parser_and_quoted(folders, monkeypatch, number, device):
    step = commands(folders, device)[number]
    assert step.name == ORDER[number] and tuple(shlex.split(step.shell_line())) == step.command
    options = vars(parse(list(step.command), monkeypatch))
    assert options.get("device", device) == device
    assert ("--disable_tta" in step.command) == ("predict" in step.name and device == "cpu")


@pytest.mark.parametrize("name", ["nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "predictions", "report",
                                  "findings", "logs", "index.html"])
def test_a_folder_with_other_data_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(NnunetTVError, match=rf"holds {name}, but no phantoms \(ds004199-phantoms\).*choose another"):
        check_folder(Folders(tmp_path))
    (tmp_path / "ds004199-phantoms").mkdir()
    check_folder(Folders(tmp_path))


def test_lines_fit_together(folders):
    convert, plan, train, predict, postprocess, report, findings, *_ = commands(folders)
    assert value(convert, "--name") == value(plan, "-d") == value(predict, "-d") == train.command[1] == folders.raw.name
    assert value(train, "-tr") == value(predict, "-tr") == value(findings, "-tr") == SMALL.trainer
    assert value(train, "-p") == value(predict, "-p") == value(findings, "-p") == "SGNetPlans"
    assert value(predict, "-o") == value(postprocess, "-i")
    assert value(report, "--pred") == f"DiceTV={value(predict, '-o')}"
    assert value(report, "--pred-pp") == f"DiceTV={value(postprocess, '-o')}"
    assert value(postprocess, "-pp_pkl_file").endswith(
        f"{folders.raw.name}/{SMALL.trainer}__SGNetPlans__3d_fullres/postprocessing.pkl")
    assert value(convert, "-i") == str(folders.scans)
    assert Path(value(predict, "-i")).parent == Path(value(report, "--ref")).parent == folders.raw


def test_the_papers_network_and_loss_run_one_epoch(folders):
    plan, train = commands(folders)[-2:]
    assert "--network" not in plan.command  # MS-DSA-Net, the command's default
    assert value(train, "-p") == "MSDSANetPlans" and value(train, "-tr") == "nnUNetTrainerDiceTV_1epochs"
    assert train.counted.total == 1


@pytest.mark.parametrize(("number", "model"), [(2, SMALL), (8, PAPER)])
def test_interrupted_training_is_continued(folders, number, model):
    fold = model.folder(folders.results) / "fold_0"
    fold.mkdir(parents=True)
    assert "--c" not in commands(folders)[number].command
    (fold / "checkpoint_latest.pth").touch()
    assert commands(folders)[number].command[-1] == "--c"


@pytest.mark.parametrize("seed", range(5))
def test_the_patients_page_is_of_a_test_patient_whose_mask_is_on_the_flairs_grid(folders, seed):
    members = {member.case: member for member in plan_members(patients=PATIENTS, controls=CONTROLS, seed=seed,
                                                              test=TEST)}
    member = members[patient(seed)]
    assert member.test and member.patient and not member.odd_roi
    assert value(steps(folders, seed=seed, processes=2, device="cpu")[6], "-i") == str(folders.scans / member.case)


def test_the_trainers_exist_and_training_and_selection_cases_are_left():
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.find_class_by_name import recursive_find_python_class

    from nnunet_tv.conversion.splits import split_official

    for model, epochs in ((SMALL, walkthrough.EPOCHS), (PAPER, 1)):
        found = recursive_find_python_class(str(ROOT / "trainers"), model.trainer, None)
        assert found is not None and issubclass(found, nnUNetTrainer) and found.epochs_in_name == epochs
    split = split_official({str(i): "test" if i < TEST else "train" for i in range(PATIENTS)}, repeats=1)
    assert len(split.test) == TEST >= 8
    assert (len(split.folds[0]["train"]), len(split.folds[0]["selection"])) == (16, 3)


def test_variables(folders, monkeypatch):
    monkeypatch.delenv("nnUNet_n_proc_DA", raising=False)
    monkeypatch.delenv("nnUNet_def_n_proc", raising=False)
    monkeypatch.delenv("nnUNet_compile", raising=False)
    monkeypatch.setattr(walkthrough, "find_spec", lambda name: None)
    found = environment(folders, processes=8)
    assert found["nnUNet_raw"] == str(folders.root / "nnUNet_raw")
    assert set(found) == {"nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results", "nnUNet_n_proc_DA",
                          "nnUNet_def_n_proc", "nnUNet_compile"}
    assert (found["nnUNet_n_proc_DA"], found["nnUNet_def_n_proc"], found["nnUNet_compile"]) == ("2", "8", "f")
    monkeypatch.setenv("nnUNet_n_proc_DA", "5")
    monkeypatch.setenv("nnUNet_def_n_proc", "5")
    monkeypatch.setattr(walkthrough, "find_spec", lambda name: object())
    assert set(environment(folders, processes=1)) == {"nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"}

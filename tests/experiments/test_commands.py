"""Command lines of an experiment: the commands' own parsers accept them and read what was meant."""

from pathlib import Path

import pytest
from command_lines import parse

from nnunet_tv.experiments import commands
from nnunet_tv.experiments.commands import Model, Predictions

MODEL = Model("DatasetFCD", "nnUNetTrainerDiceTV_tv0p05", "SGNetPlans")
RESULTS = Path("my results")


def options(command, monkeypatch) -> dict:
    return vars(parse(list(command), monkeypatch))


def test_model_folder_is_nnunets():
    assert MODEL.folder(RESULTS) == RESULTS / "DatasetFCD" / "nnUNetTrainerDiceTV_tv0p05__SGNetPlans__3d_fullres"


def test_convert_gives_what_is_given_and_leaves_the_rest_to_the_command(monkeypatch):
    read = options(commands.convert("ds004199", Path("a b"), name="DatasetFCD", split="official", repeats=3,
                                    space="none", controls="test", processes=2), monkeypatch)
    assert (read["data_set"], read["input"], read["name"], read["split"], read["repeats"], read["space"],
            read["controls"], read["processes"]) == ("ds004199", Path("a b"), "DatasetFCD", "official", 3, "none",
                                                     "test", 2)
    read = options(commands.convert("brain-mets-lung", Path("x"), name="DatasetM", processes=1,
                                    options=("--label", "whole")), monkeypatch)
    assert (read["label"], read["repeats"], read["controls"]) == ("whole", None, "none")


@pytest.mark.parametrize("network,patch", [(None, None), ("sg-net", (32, 48, 32))])
def test_plan(monkeypatch, network, patch):
    read = options(commands.plan("DatasetFCD", network=network, patch_size=patch, processes=3), monkeypatch)
    assert (read["dataset"], read["network"], read["configurations"], read["processes"]) == (
        "DatasetFCD", network, ["3d_fullres"], 3)
    assert read["patch_size"] == (patch and list(patch))


def test_a_training_is_continued_where_there_is_a_checkpoint(tmp_path, monkeypatch):
    fold = MODEL.folder(tmp_path) / "fold_3"
    fold.mkdir(parents=True)
    (fold / "training_log.txt").touch()
    read = options(commands.train(MODEL, 3, device="cpu", results=tmp_path), monkeypatch)
    assert (read["dataset_name_or_id"], read["fold"], read["tr"], read["p"], read["device"], read["c"]) == (
        "DatasetFCD", "3", MODEL.trainer, "SGNetPlans", "cpu", False)
    (fold / "checkpoint_latest.pth").touch()
    assert options(commands.train(MODEL, 3, device="cpu", results=tmp_path), monkeypatch)["c"]
    assert not options(commands.train(MODEL, 4, device="cpu", results=tmp_path), monkeypatch)["c"]


@pytest.mark.parametrize("mirroring,resume", [(True, False), (False, True)])
def test_prediction_of_one_fold(monkeypatch, mirroring, resume):
    read = options(commands.predict(MODEL, 7, images=Path("imagesTs"), out=Path("p"), device="cuda",
                                    mirroring=mirroring, resume=resume), monkeypatch)
    assert (read["i"], read["o"], read["d"], read["c"], read["f"], read["tr"], read["p"]) == (
        "imagesTs", "p", "DatasetFCD", "3d_fullres", ["7"], MODEL.trainer, "SGNetPlans")
    assert (read["disable_tta"], read["continue_prediction"]) == (not mirroring, resume)


def test_the_filter_is_the_models(monkeypatch):
    read = options(commands.apply_filter(Path("p"), Path("q"), model=MODEL, results=RESULTS, processes=2), monkeypatch)
    assert (read["i"], read["o"], read["np"]) == ("p", "q", 2)
    assert read["pp_pkl_file"] == str(MODEL.folder(RESULTS) / "postprocessing.pkl")


def test_report_keeps_runs_of_a_group_together_and_in_order(monkeypatch):
    runs = [Predictions(group, Path(f"{group}{k}"), Path(f"{group}{k}f"), Path(f"m{k}"))
            for k in (0, 1) for group in ("Dice", "Dice+TV")]
    read = options(commands.report(Path("out"), reference=Path("labelsTs"), predictions=runs, images=Path("imagesTs"),
                                   remark="two runs", options=("--strata", "size"), processes=2), monkeypatch)
    assert read["pred"] == [(g, Path(f"{g}{k}")) for g in ("Dice", "Dice+TV") for k in (0, 1)]
    assert read["pred_pp"] == [(g, Path(f"{g}{k}f")) for g in ("Dice", "Dice+TV") for k in (0, 1)]
    assert read["predicted_by"] == [(g, Path(f"m{k}")) for g in ("Dice", "Dice+TV") for k in (0, 1)]
    assert (read["ref"], read["remark"], read["strata"], read["out"]) == (
        Path("labelsTs"), "two runs", ["size"], Path("out"))


def test_report_without_filtered_files_and_of_model_folders(monkeypatch):
    read = options(commands.report(Path("out"), reference=Path("r"), predictions=[Predictions("A", Path("a"))]),
                   monkeypatch)
    assert (read["pred_pp"], read["predicted_by"]) == ([], [])
    read = options(commands.report(Path("out"), models=[("Dice", MODEL.folder(RESULTS))]), monkeypatch)
    assert read["model"] == [("Dice", MODEL.folder(RESULTS))]

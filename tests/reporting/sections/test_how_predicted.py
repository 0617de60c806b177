"""The note on how the predictions were made, from the command, and again with --from."""

from html import unescape

import pytest
import torch
from scored_folders import cube, save

from nnunet_tv.cli.report import main
from nnunet_tv.utils.files import write_json

NOT_RECORDED = "- How predictions were made (mirroring, overlap, checkpoint) was not recorded.\n"


@pytest.fixture
def study(tmp_path, monkeypatch):
    """References, two models with a validated fold each, and folders of predictions."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("nnUNet_preprocessed", "pre")
    for folder in ("pre/Dataset001_A/gt_segmentations", "results/Dataset001_A/nnUNetTrainerX__P__3d/fold_0/validation",
                   "results/Dataset001_A/nnUNetTrainerX__P__3d/fold_1/validation",
                   "results/Dataset001_A/nnUNetTrainerY__P__3d/fold_0/validation", "old", "new"):
        for case in ("sub-1", "sub-2"):
            save(tmp_path / folder, case, cube((3, 3, 3)))
    write_json([{"train": [], "val": ["sub-1", "sub-2"]}] * 2, tmp_path / "pre/Dataset001_A/splits_final.json")
    for model, fold, axes in (("X", 0, (0, 1, 2)), ("X", 1, (0, 1, 2)), ("Y", 0, None)):
        torch.save({"inference_allowed_mirroring_axes": axes},
                   f"results/Dataset001_A/nnUNetTrainer{model}__P__3d/fold_{fold}/checkpoint_final.pth")
    write_json({"use_mirroring": False, "tile_step_size": 0.25, "checkpoint_name": "checkpoint_best.pth",
                "use_folds": [2]}, tmp_path / "old/predict_from_raw_data_args.json")
    write_json({"save_probabilities": True}, tmp_path / "new/predict_from_raw_data_args.json")
    return tmp_path


def notes(study, *options):
    """Lines of the note; the same from an earlier report and on the page."""
    assert main([*options, "-np", "1", "-o", "out"]) == 0
    assert main(["--from", "out", "-o", "again"]) == 0
    text = (study / "out" / "table1.md").read_text()
    assert text == (study / "again" / "table1.md").read_text()
    found = text.partition("## Notes")[2].splitlines(keepends=True)
    lines = [line for line in found if "predict" in line and not line.startswith("- Post")]
    page = unescape((study / "again" / "report.html").read_text())
    assert all(line[2:-1] in page for line in lines)
    return [line for line in lines if "How predictions" in line or "same way" in line]


def test_predictions_without_a_record(study):
    assert notes(study, "--ref", "pre/Dataset001_A/gt_segmentations", "--pred", "A=new") == [NOT_RECORDED]
    assert notes(study, "--ref", "pre/Dataset001_A/gt_segmentations", "--pred", "A=new", "--remark", "8 mirrors.") == [
        "- How predictions were made: 8 mirrors.\n"]


def test_models_that_mirror_in_different_ways(study):
    models = [f"results/Dataset001_A/nnUNetTrainer{name}__P__3d" for name in "XY"]
    assert notes(study, "--model", models[0], "--model", models[1]) == [
        "- How predictions were made, from nnU-Net's files: mirroring on (8 versions), overlap 0.5 (step 0.5), "
        "checkpoint_final.pth unless validated with --val_best: X, run 0 (fold 0); X, run 1 (fold 1).\n",
        "- How predictions were made, from nnU-Net's files: no mirroring (the model allows none), overlap 0.5 (step "
        "0.5), checkpoint_final.pth unless validated with --val_best: Y, run 0 (fold 0).\n",
        "- Not all runs were predicted in the same way: their comparison includes that difference.\n"]
    assert len(notes(study, "--model", models[0])) == 1


def test_a_record_beside_the_predictions_and_a_remark(study):
    assert notes(study, "--ref", "pre/Dataset001_A/gt_segmentations", "--pred", "A=old", "--pred", "B=new", "--remark",
                 "On a GPU.") == [
        "- How predictions were made, from nnU-Net's files: mirroring off, overlap 0.75 (step 0.25), "
        "checkpoint_best.pth: A, run 0 (fold 2).\n",
        "- How predictions were made (mirroring, overlap, checkpoint) was not recorded for B, run 0.\n",
        "- How predictions were made: On a GPU.\n"]

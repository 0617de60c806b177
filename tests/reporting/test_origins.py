"""Reports on synthetic data, or of models that were trained on it, state so above their figures."""

import json

import pytest
import scored_folders

from nnunet_tv.cli.report import main
from nnunet_tv.utils.files import write_json

WARNING = "A: This model was trained on synthetic data (Phantoms), not on scans of patients"
REFERENCES = "Synthetic references (Phantoms): the figures carry no information about patients."


@pytest.fixture
def study(tmp_path):
    for folder in ("raw/labelsTs", "a", "b"):
        for case, start in (("sub-1", 2), ("sub-2", 8)):
            scored_folders.save(tmp_path / folder, case, scored_folders.cube((start, 4, 4)))
    return tmp_path


def describe(folder, synthetic):
    write_json({"name": "Phantoms", "conversion": {"synthetic": synthetic}}, folder / "dataset.json")


def report(study, *options):
    assert main(["--ref", str(study / "raw/labelsTs"), "--pred", f"A={study / 'a'}", f"B={study / 'b'}", "-np", "1",
                 "-o", str(study / "out"), *options]) == 0
    return (study / "out" / "report.html").read_text(), (study / "out" / "table1.md").read_text()


@pytest.mark.parametrize("synthetic", [True, False, None])
def test_predictions_with_their_models_record(study, capsys, synthetic):
    describe(study / "a", synthetic)
    for text in (*report(study), capsys.readouterr().out):
        assert (WARNING in text) == (synthetic is True) and "B: This model" not in text and REFERENCES not in text
    again = study / "again"
    assert main(["--from", str(study / "out"), "-o", str(again)]) == 0
    assert (WARNING in (again / "report.html").read_text()) == (synthetic is True)


def test_references_of_phantoms(study):
    describe(study / "raw", True)
    for text in report(study):
        assert REFERENCES in text and "This model" not in text


def test_controls(study):
    scored_folders.save(study / "c", "con-1", scored_folders.cube((2, 4, 4)))
    describe(study / "b", True)
    page, _ = report(study, "--controls", f"healthy={study / 'c'}")
    assert "healthy: This model" not in page and "B: This model" in page
    (study / "b" / "dataset.json").rename(study / "c" / "dataset.json")
    page, _ = report(study, "--controls", f"healthy={study / 'c'}")
    assert "healthy: This model" in page and "B: This model" not in page


def test_validation_in_a_model_folder(study, monkeypatch):
    model = study / "results" / "DatasetFCD" / "A__P__3d"
    (model / "fold_0").mkdir(parents=True)
    (study / "a").rename(model / "fold_0" / "validation")
    preprocessed = study / "preprocessed" / "DatasetFCD"
    preprocessed.mkdir(parents=True)
    (study / "raw" / "labelsTs").rename(preprocessed / "gt_segmentations")
    cases = ["sub-1", "sub-2"]
    write_json([{"train": ["sub-3"], "val": cases, "selection": cases}], preprocessed / "splits_final.json")
    describe(model, True)
    describe(preprocessed, True)
    monkeypatch.setenv("nnUNet_preprocessed", str(study / "preprocessed"))
    assert main(["--model", str(model), "-np", "1", "-o", str(study / "out")]) == 0
    references, trained, selection = json.loads((study / "out" / "report.json").read_text())["meta"]["settings"][
        "over_tables"]
    assert references == REFERENCES and trained.startswith(WARNING) and selection.startswith("Selection set, not test")

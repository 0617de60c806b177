"""The accuracy that the pages of a model quote: measured by its own report, on patients, with its own filter."""

import json
import shutil

import pytest
import scored_folders
from native_cases import patient
from predict_model import write_model

from nnunet_tv.cli.predict import main as predict
from nnunet_tv.cli.report import main as report
from nnunet_tv.postprocessing import ClusterFilter, write_postprocessing
from nnunet_tv.utils.files import read_json, write_json

MODEL = "nnUNetTrainerDice__TinyPlans__3d_fullres"
NOTHING = "Nothing is known about the accuracy of this model on patients."
CUBES = {"sub-1": (2, 4, 4), "sub-2": (6, 4, 4), "sub-3": (9, 4, 4)}


class Study:
    """A model with two folds, three test patients, and its predictions: two hits, a miss, and a false cluster."""

    def __init__(self, root):
        self.root, self.model, self.raw = root, root / "results" / "DatasetFCD" / MODEL, root / "raw" / "DatasetFCD"
        write_model(self.model, folds=("0", "1"), trained_on={"registration": "mni", "synthetic": False})
        for case, place in CUBES.items():
            scored_folders.save(self.raw / "labelsTs", case, scored_folders.cube(place))
        for fold in (0, 1):
            self.predict(fold, "sub-1", (2, 4, 4))
            self.predict(fold, "sub-2", (6, 4, 4), (11, 13, 13))
            self.predict(fold, "sub-3", (2, 13, 13) if fold == 0 else (9, 4, 4))
            for name in ("dataset.json", "plans.json"):
                shutil.copy(self.model / name, root / f"fold{fold}")
        self.describe(False)
        self.split = root / "preprocessed" / "DatasetFCD" / "splits_final.json"
        write_json([{"train": ["a"], "val": ["b"], "selection": ["b"]}] * 2, self.split)
        patient("x", lesions=()).write(root / "prepared")

    def predict(self, fold, case, *places):
        scored_folders.save(self.root / f"fold{fold}", case, scored_folders.cube(*places))

    def describe(self, synthetic):
        write_json({"name": "Patients of A", "conversion": {"synthetic": synthetic}}, self.raw / "dataset.json")

    def report(self, *options, runs=("fold0", "fold1"), models=("fold_0", "fold_1")):
        return report(["--ref", str(self.raw / "labelsTs"), "--pred", *(f"TV={self.root / run}" for run in runs),
                       "--predicted-by", *(f"TV={self.model / name}" for name in models), "--min-voxels", "8",
                       "-np", "1", "-o", str(self.root / "out"), *options])

    def page(self, *options):
        assert predict(["--prepared", str(self.root / "prepared"), "-m", str(self.model), "-o",
                        str(self.root / "findings"), "-device", "cpu", "--disable_tta", *options]) == 0
        return " ".join((self.root / "findings" / "x" / "x.html").read_text().split())


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "preprocessed"))
    study = Study(tmp_path)
    write_postprocessing(study.model, ClusterFilter(min_voxels=8))
    return study


def test_the_figures_of_the_run_of_this_fold(study):
    assert study.report() == 0
    first, second = read_json(study.root / "out" / "accuracy.json")["models"]
    assert first["model"] == f"{MODEL}, fold 0" and second["model"] == f"{MODEL}, fold 1"
    assert (first["subjects"], first["with_lesion"], first["detected"], second["detected"]) == (3, 3, 2, 3)
    assert first["sensitivity"] == pytest.approx([0.0943, 0.9916], abs=5e-5)  # of 2 in 3, Clopper and Pearson
    assert second["sensitivity"] == pytest.approx([0.025 ** (1 / 3), 1])
    assert first["false_clusters"] == pytest.approx(2 / 3) and second["false_clusters"] == pytest.approx(1 / 3)
    assert study.page("--folds", "0").count(NOTHING) == 1
    shutil.copy(study.root / "out" / "accuracy.json", study.model)
    text = study.page("--folds", "0")
    assert ("in a test on 3 subjects of Patients of A that it had not seen: part of the lesion was marked in 2 of 3 "
            "with a lesion (95 % interval 9 to 99 %), with 0.7 false clusters per subject (") in text
    assert NOTHING not in text
    assert json.loads((study.root / "findings" / "status.json").read_text())["accuracy"] == first
    assert "in 3 of 3 with a lesion (95 % interval 29 to 100 %)" in study.page("--folds", "1")
    # redrawn with other options, the figures are the same
    assert report(["--from", str(study.root / "out"), "--primary", "sSens", "-o", str(study.root / "again")]) == 0
    assert (study.root / "again" / "accuracy.json").read_bytes() == (study.root / "out" / "accuracy.json").read_bytes()


@pytest.mark.parametrize(("change", "reason"), [
    (lambda study: None, "0 tests of"),  # of both folds together, which were tested one by one
    (lambda study: write_postprocessing(study.model, ClusterFilter(min_voxels=9)), "0 tests of"),
    (lambda study: (study.model / "fold_1" / "checkpoint_final.pth").unlink(), None),
])
def test_a_report_of_another_model_is_not_quoted(study, caplog, change, reason):
    assert study.report() == 0
    shutil.copy(study.root / "out" / "accuracy.json", study.model)
    change(study)
    text = study.page()
    assert (NOTHING in text) == (reason is not None)
    assert reason is None or f"no accuracy is quoted: {study.model / 'accuracy.json'} has {reason}" in caplog.text


@pytest.mark.parametrize("synthetic", [True, None])
def test_a_test_on_other_than_patients_is_not_quoted(study, caplog, synthetic):
    study.describe(synthetic)
    assert study.report() == 0
    shutil.copy(study.root / "out" / "accuracy.json", study.model)
    assert NOTHING in study.page("--folds", "0")
    assert "that Patients of A is a data set of patients is not recorded" in caplog.text


def test_a_test_with_another_filter_is_not_quoted(study, caplog):
    assert study.report("--min-voxels", "20") == 0
    shutil.copy(study.root / "out" / "accuracy.json", study.model)
    assert NOTHING in study.page("--folds", "0") and "tested with the filter" in caplog.text


def test_the_mean_of_folds(study):
    assert study.report(runs=("fold0",), models=(".",)) == 0
    shutil.copy(study.root / "out" / "accuracy.json", study.model)
    assert "in 2 of 3 with a lesion" in study.page() and NOTHING in study.page("--folds", "0")


@pytest.mark.parametrize("content", ["{", "[]", '{"models": [{"sha256": "x"}]}', '{"models": 3}'])
def test_a_damaged_file_ends_the_command(study, capsys, content):
    (study.model / "accuracy.json").write_text(content)
    assert predict(["--prepared", str(study.root / "prepared"), "-m", str(study.model), "-o", str(study.root / "f"),
                    "-device", "cpu"]) == 1
    assert f"{study.model / 'accuracy.json'}: not the accuracy.json of a report" in capsys.readouterr().err


@pytest.mark.parametrize(("spoil", "message"), [
    (lambda study: (study.root / "fold0" / "plans.json").unlink(), "fold0/plans.json: expected the same as in"),
    (lambda study: write_json({}, study.root / "fold0" / "dataset.json"), "fold0/dataset.json: expected the same as"),
    (lambda study: study.split.unlink(), "splits_final.json: expected the split of"),
    (lambda study: write_json([{"train": [], "val": []}], study.split), r"splits_final.json: expected the split of"),
    (lambda study: write_json([{"train": ["sub-2"], "val": []}] * 2, study.split),
     "1 of 3 cases were used in its training, the first sub-2"),
    (lambda study: write_json([{"train": [], "val": ["sub-3"]}] * 2, study.split), "the first sub-3"),
    (lambda study: (study.model / "fold_0" / "checkpoint_final.pth").unlink(), "no checkpoint_final.pth of fold 0"),
])
def test_predictions_of_another_model_and_seen_cases_are_refused(study, capsys, spoil, message):
    spoil(study)
    assert study.report() == 1
    assert message in capsys.readouterr().err and not (study.root / "out").exists()


def test_filtered_files_are_refused(study, capsys):
    folders = [f"TV={study.root / name}" for name in ("fold1", "fold0")]
    assert study.report("--pred-pp", *folders) == 1
    assert "leave out --pred-pp of TV" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        study.report(models=("fold_0",))
    assert "2 folders with --pred but 1 with --predicted-by" in capsys.readouterr().err


def test_a_fold_is_given_from_within_the_model_folder(study, monkeypatch):
    monkeypatch.chdir(study.model)
    assert report(["--ref", str(study.raw / "labelsTs"), "--pred", f"TV={study.root / 'fold0'}", "--predicted-by",
                   "TV=fold_0", "--min-voxels", "8", "-np", "1", "-o", str(study.root / "out")]) == 0
    assert read_json(study.root / "out" / "accuracy.json")["models"][0]["model"] == f"{MODEL}, fold 0"

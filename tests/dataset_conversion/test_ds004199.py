"""nnunet-tv-convert ds004199 on the complete real list with tiny volumes, and on damaged parts of it."""

import shutil
from collections import Counter
from pathlib import Path

import ds004199_tree
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from conversion_runs import DS004199, FOLDERS, count, damage, table
from ds004199_tree import file_of
from nnunet_tv.dataset_conversion.ds004199 import read

from nnunet_tv.cli.convert import main
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json


@pytest.fixture
def tree(tmp_path) -> Path:
    return ds004199_tree.write(tmp_path / "ds004199", ds004199_tree.SMALL)


def test_the_complete_list_is_converted(whole, whole_tree):
    folder, tree = whole(DS004199), whole_tree(DS004199)
    folds, content, rows = read_json(folder / "splits_final.json"), read_json(folder / "dataset.json"), table(folder)
    assert [len(folds), len(folds[0]["train"]), len(folds[0]["val"])] == [10, 59, 12]
    assert content["numTraining"] == 71 and content["licence"] == "CC0"
    assert content["name"].startswith("An open presurgery MRI dataset of people with epilepsy")
    assert content["reference"] == "https://doi.org/10.18112/openneuro.ds004199.v1.0.6"
    assert content["dataset_descriptions"] == [read_json(ds004199_tree.LIST / "dataset_description.json")]
    assert content["conversion"]["synthetic"] is False
    assert count(folder, *FOLDERS) == [142, 71, 28, 14]
    assert {row["status"] for row in rows.values()} == {"converted"}
    assert Counter(row["split"] for row in rows.values()) == {"train": 59, "selection": 12, "test": 14}
    notes = {case: row["notes"] for case, row in rows.items() if row["notes"]}
    assert list(notes) == ["sub-00048"] and "placed by its own affine" in notes["sub-00048"]
    for case in ("sub-00001", "sub-00048", "sub-00074"):  # the T1w is kept
        before = nib.load(file_of(tree, case, "T1w"))
        after = nib.load(next(folder.glob(f"images*/{case}_0000.nii.gz")))
        assert np.array_equal(before.get_fdata(), after.get_fdata())
        assert np.allclose(before.affine, after.affine, atol=1e-4)


def test_official_split_is_the_authors(whole_tree, tmp_path):
    options = ["--split", "official", "--repeats", "3", "--name", "Dataset085_FCD", "--dry-run"]
    assert DS004199(whole_tree(DS004199), tmp_path, *options) == 0
    participants = pd.read_csv(ds004199_tree.LIST / "participants.tsv", sep="\t", encoding="utf-8-sig")
    test = set(participants.participant_id[participants.split == "test"])
    folder = tmp_path / "Dataset085_FCD"
    rows = table(folder, "conversion.plan.tsv")
    assert {case for case, row in rows.items() if row["split"] == "test"} == test and len(test) == 28
    folds = read_json(folder / "splits_final.plan.json")
    assert len(folds) == 3 and len(folds[0]["train"]) == 47 and len(folds[0]["selection"]) == 10


@pytest.mark.parametrize("controls, training, test", [("train", 156, 14), ("test", 71, 99)])
def test_controls_of_the_complete_list(whole_tree, tmp_path, controls, training, test):
    assert DS004199(whole_tree(DS004199), tmp_path, "--controls", controls) == 0
    folder = tmp_path / "DatasetFCD"
    assert count(folder, "labelsTr", "labelsTs") == [training, test]
    assert read_json(folder / "dataset.json")["numTraining"] == training
    assert not np.asarray(nib.load(next(folder.glob("labels*/sub-00002.nii.gz"))).dataobj).any()


def test_a_dry_run_on_a_clone_without_content(tree, tmp_path, capsys):
    for path in tree.rglob("*.nii.gz"):
        damage(path, "dangling")
    assert DS004199(tree, tmp_path / "raw", "--dry-run") == 0
    folder = tmp_path / "raw" / "DatasetFCD"
    rows = table(folder, "conversion.plan.tsv")
    assert len(rows) == 8 and {row["status"] for row in rows.values()} == {"planned"}
    assert all(row["notes"].count("content missing") == 3 for row in rows.values())
    printed = capsys.readouterr().out
    assert (folder / "conversion.plan.tsv").read_text() in printed and "note: folds 0-9: 6 train" in printed
    assert DS004199(tree, tmp_path / "raw") == 1
    assert "no training case could be converted" in capsys.readouterr().err


def test_a_relative_path_with_spaces(tree, tmp_path, monkeypatch):
    shutil.move(tree, tmp_path / "my data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("nnUNet_raw", "raw folder")
    assert main(["ds004199", "-i", "my data", "--space", "none", "-np", "1"]) == 0
    assert (tmp_path / "raw folder" / "DatasetFCD" / "dataset.json").is_file()


def cases(root):
    return {case.case: case for case in read(root).cases}


def problem(root, subject: str) -> str:
    """Problem of `subject`; all others must be without."""
    found = cases(root)
    assert [case.case for case in found.values() if case.problem] == [subject]
    return found[subject].problem


def test_every_subject_of_the_real_list_is_paired_with_its_own_files(whole_tree):
    tree = whole_tree(DS004199)
    found = cases(tree)
    listed = set((ds004199_tree.LIST / "files.txt").read_text(encoding="utf-8").split())
    assert len(found) == 170 and not [case for case in found.values() if case.problem]
    used = {str(path.relative_to(tree)) for case in found.values() for path in case.files.values()}
    assert used == {line for line in listed if line.endswith(".nii.gz")}
    for subject, case in found.items():
        assert list(case.channels) == ["T1w", "FLAIR"]
        assert all(path.name.startswith(f"{subject}_") for path in case.files.values())
        assert all(path.name.endswith(f"_{name}.nii.gz") for name, path in case.channels.items())
        assert (case.group == "patient") == (case.label is not None)
    assert Counter(case.group for case in found.values()) == {"patient": 85, "control": 85}
    (noted,) = [case for case in found.values() if case.notes]
    assert noted.case == "sub-00048" and "sub-00048_acq-32ch10_FLAIR_roi.nii.gz" in noted.notes[0]
    assert "sub-00048_acq-T2sel_FLAIR.nii.gz" in noted.notes[0]


def test_names_that_are_taken_and_not_taken(tree):
    t1 = file_of(tree, "sub-00001", "T1w")
    (t1.parent / "._sub-00001_acq-iso08_T1w.nii.gz").write_bytes(b"")  # hidden
    plain = t1.rename(t1.with_suffix(""))
    damage(file_of(tree, "sub-00001", "roi"), "dangling")
    found = cases(tree)["sub-00001"]
    assert found.channels["T1w"] == plain and not found.problem and found.label.is_symlink()
    plain.rename(t1.parent / "sub-00003_acq-iso08_T1w.nii")  # another subject's
    assert "found 0 × T1w (sub-00001_acq-T2sel_FLAIR.nii.gz" in problem(tree, "sub-00001")


def rewrite_list(change):
    return lambda tree: (tree / "participants.tsv").write_bytes(change((tree / "participants.tsv").read_bytes()))


@pytest.mark.parametrize("change, subject, messages", [
    (lambda tree: shutil.copy(t1 := file_of(tree, "sub-00001", "T1w"), str(t1).replace("_T1w", "_run-2_T1w")),
     "sub-00001", ["one lesion mask (_roi)", "sub-00001_acq-iso08_T1w.nii.gz", "sub-00001_acq-iso08_run-2_T1w.nii.gz"]),
    (lambda tree: shutil.rmtree(tree / "sub-00001" / "anat"), "sub-00001",
     ["0 × T1w", "0 × FLAIR", "0 × lesion mask (no NIfTI file): complete the download, or leave one of each"]),
    (lambda tree: shutil.copy(file_of(tree, "sub-00001", "roi"), tree / "sub-00002/anat/sub-00002_FLAIR_roi.nii.gz"),
     "sub-00002", ["expected one T1w, one FLAIR and no lesion mask, found"]),
    (lambda tree: shutil.rmtree(tree / "sub-00006"), "sub-00006",
     ["it is in participants.tsv, but there is no folder for it"]),
    (lambda tree: shutil.copytree(tree / "sub-00001", tree / "sub-00999"), "sub-00999",
     ["sub-00999: the folder's subject is not in participants.tsv"]),
    (rewrite_list(lambda text: text + b"sub-00001\tfcd\r\n"), "sub-00001",
     ["participants.tsv has 2 rows for it: leave the right one"]),
    (rewrite_list(lambda text: text.replace(b"sub-00001\tfcd", b"sub-00001\tFCD?")), "sub-00001",
     ["expected group fcd or hc, found 'FCD?'"]),
    (rewrite_list(lambda text: text + b"../x\tfcd\r\n"), "../x", ["expected an identifier such as sub-00001"]),
])
def test_a_subject_whose_files_or_row_are_not_as_expected(tree, change, subject, messages):
    change(tree)
    assert not [text for text in messages if text not in problem(tree, subject)]
    if subject == "sub-00002":  # reported for all choices of controls
        assert cases(tree)[subject].group == ""


def test_line_ends_and_byte_order_mark_do_not_matter(tree):
    before = read(tree).cases
    rewrite_list(lambda text: text.replace(b"\r\n", b"\n").removeprefix(b"\xef\xbb\xbf"))(tree)
    assert read(tree).cases == before


@pytest.mark.parametrize("content, message", [
    (None, r"found no participants.tsv: give the data set's own folder"),
    (b"participant_id\tage\nsub-00001\t3\n", r"participants.tsv: expected columns participant_id, group, found "
                                             r"participant_id, age: this is not the list"),
    (b"", r"found nothing: this is not the list"),
    (b"\xff\xfe\x00participant_id", r"participants.tsv: expected a tab-separated UTF-8 table"),
    (b"participant_id\tgroup\nsub-00001\tfcd\n", r"expected subject folders .sub-00001 …., found none"),
])
def test_another_folder(tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / "participants.tsv").write_bytes(content)
    with pytest.raises(NnunetTVError, match=message):
        read(tmp_path)
    with pytest.raises(NnunetTVError, match=r"nowhere: no such folder"):
        read(tmp_path / "nowhere")
    assert DS004199(tmp_path, tmp_path / "raw") == 1
    assert "error: " in capsys.readouterr().err and not (tmp_path / "raw").exists()

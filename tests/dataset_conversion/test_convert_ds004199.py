"""nnunet-tv-convert ds004199, in-process, on the complete real list with tiny volumes and on damaged parts of it."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import ds004199_tree
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from conversion_runs import check_places, kill_after, snapshot, table

from nnunet_tv.cli.convert import main
from nnunet_tv.utils.files import read_json

whole_tree, tree = ds004199_tree.whole_tree, ds004199_tree.tree  # fixtures


def convert(tree: Path, out: Path, *options: str) -> int:
    # the scans of these trees are too small to be registered; preparation has tests of its own
    return main(["ds004199", "-i", str(tree), "-o", str(out), "--space", "none", "-np", "1", *options])


def file_of(tree: Path, subject: str, kind: str) -> Path:
    return next((tree / subject / "anat").glob(f"*_{kind}.nii.gz"))


@pytest.fixture(scope="module")
def whole(whole_tree, tmp_path_factory) -> Path:
    """DatasetFCD from the complete list, with the defaults."""
    out = tmp_path_factory.mktemp("raw")
    assert convert(whole_tree, out) == 0
    return out / "DatasetFCD"


def test_the_complete_list_is_converted(whole):
    folds = read_json(whole / "splits_final.json")
    content = read_json(whole / "dataset.json")
    assert [len(folds), len(folds[0]["train"]), len(folds[0]["val"])] == [10, 59, 12]
    assert content["numTraining"] == 71 and content["licence"] == "CC0"
    assert [len(list((whole / name).iterdir())) for name in ("imagesTr", "labelsTr", "imagesTs", "labelsTs")] == [
        142, 71, 28, 14]
    rows = table(whole)
    assert len(rows) == 85 and {row["status"] for row in rows.values()} == {"converted"}
    splits = [row["split"] for row in rows.values()]
    assert (splits.count("train"), splits.count("selection"), splits.count("test")) == (59, 12, 14)
    notes = {case: row["notes"] for case, row in rows.items() if row["notes"]}
    assert list(notes) == ["sub-00048"] and "placed by its own affine" in notes["sub-00048"]


def test_nnunet_accepts_it(whole, monkeypatch):
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    verify_dataset_integrity(str(whole), num_processes=1)


def test_all_files_of_a_case_have_one_geometry_for_sitk(whole):
    for label_path in [*(whole / "labelsTr").iterdir(), *(whole / "labelsTs").iterdir()]:
        images = label_path.parent.with_name(label_path.parent.name.replace("labels", "images"))
        paths = [label_path, *images.glob(f"{label_path.name[:-7]}_*.nii.gz")]
        read = [sitk.ReadImage(str(path)) for path in paths]
        geometry = {(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()) for image in read}
        assert len(read) == 3 and len(geometry) == 1, label_path


@pytest.mark.parametrize("number, pose", [(10, "RAS"), (1, "LPS"), (32, "LAS"), (3, "PSR"), (4, "oblique")])
def test_marker_and_lesion_stay_where_they_were_in_the_scanner(whole, number, pose):
    """Left is left: the phantom is asymmetric, and the poses of T1w and FLAIR differ."""
    assert ds004199_tree.POSES[number % 5] == pose
    case = f"sub-{number:05d}"
    check_places(whole, case, ("0000", "0001"))


def test_the_grid_is_the_t1s_and_its_values_are_kept(whole, whole_tree):
    for case in ("sub-00001", "sub-00048", "sub-00074"):
        before = nib.load(file_of(whole_tree, case, "T1w"))
        after = nib.load(next(whole.glob(f"images*/{case}_0000.nii.gz")))
        assert np.array_equal(before.get_fdata(), after.get_fdata())
        assert np.allclose(before.affine, after.affine, atol=1e-4)


def test_official_split_is_the_authors(whole_tree, tmp_path):
    assert convert(whole_tree, tmp_path, "--split", "official", "--repeats", "3", "--name", "Dataset085_FCD") == 0
    with (ds004199_tree.LIST / "participants.tsv").open(encoding="utf-8-sig") as file:
        test = {row["participant_id"] for row in csv.DictReader(file, delimiter="\t") if row["split"] == "test"}
    folder = tmp_path / "Dataset085_FCD"
    assert {path.name[:-7] for path in (folder / "labelsTs").iterdir()} == test and len(test) == 28
    folds = read_json(folder / "splits_final.json")
    assert len(folds) == 3 and len(folds[0]["train"]) == 47 and len(folds[0]["selection"]) == 10


@pytest.mark.parametrize("controls, training, test", [("train", 156, 14), ("test", 71, 99)])
def test_controls_of_the_complete_list(whole_tree, tmp_path, controls, training, test):
    assert convert(whole_tree, tmp_path, "--controls", controls) == 0
    folder = tmp_path / "DatasetFCD"
    assert len(list((folder / "labelsTr").iterdir())) == training == read_json(folder / "dataset.json")["numTraining"]
    assert len(list((folder / "labelsTs").iterdir())) == test
    label = next(folder.glob("labels*/sub-00002.nii.gz"))
    assert not np.asarray(nib.load(label).dataobj).any()


def test_a_killed_run_leaves_nothing_half_written_and_is_continued(whole, whole_tree, tmp_path):
    folder = tmp_path / "DatasetFCD"
    written = kill_after(5, folder, "ds004199", "-i", whole_tree, "-o", tmp_path, "--space", "none", "-np", "2")
    assert 5 <= len(written) < 255 and not (folder / "dataset.json").exists()
    for path in written:
        assert path.read_bytes() == (whole / path.relative_to(folder)).read_bytes(), path
    assert convert(whole_tree, tmp_path) == 0
    assert snapshot(folder) == snapshot(whole)


def test_workers_end_when_their_parent_is_killed(whole_tree, tmp_path):
    command = [sys.executable, "-m", "nnunet_tv.cli.convert", "ds004199", "-i", whole_tree, "-o", tmp_path,
               "--space", "none", "-np", "2"]
    run = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                           start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("*/labelsTr/*")) and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    run.kill()
    run.wait()
    while (left := _session(run.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def _session(leader: int) -> list[int]:
    """Live processes of the session that `leader` started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, *numbers = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if state != "Z" and int(numbers[2]) == leader:
            found.append(int(path.parent.name))
    return found


def damage(path: Path, kind: str) -> None:
    if kind == "missing":
        path.unlink()
        return
    if kind == "dangling":
        path.unlink()
        path.symlink_to("../../.git/annex/objects/x/y/MD5E-s1--z.nii.gz/MD5E-s1--z.nii.gz")
        return
    if kind == "pointer":
        path.write_text("/annex/objects/MD5E-s1--z.nii.gz\n")
        return
    if kind == "unreadable":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return
    image = nib.load(path)
    data, affine = np.asarray(image.dataobj).astype(np.float32), image.affine.copy()
    header = None
    if kind == "4D":
        data = np.stack([data, data], axis=-1)
    elif kind == "NaN":
        data[0, 0, :2] = np.nan
    elif kind == "three levels":
        data[0, 0, 0] = 2
    elif kind == "0 and 255":
        data *= 255
    elif kind == "0.9999":
        data *= 0.9999
    elif kind == "empty":
        data[:] = 0
    elif kind == "elsewhere":
        affine[:3, 3] += 400
    elif kind == "affine":
        header = nib.Nifti1Header()
        header["sform_code"], header["srow_x"], header["srow_y"] = 1, (1, 0, 0, 0), (0, 1, 0, 0)
        affine = None
    nib.Nifti1Image(data, affine, header).to_filename(path)


@pytest.mark.parametrize("kind, target, told", [
    ("dangling", "T1w", "dangling link"),
    ("pointer", "FLAIR", "git-annex pointer"),
    ("unreadable", "roi", "not a readable NIfTI image"),
    ("4D", "FLAIR", r"expected a 3D image, found shape \(14, 14, 14, 2\)"),
    ("NaN", "T1w", "2 voxels are NaN or infinite"),
    ("three levels", "roi", r"expected the labels 0 \(background\) and 1 \(lesion\), found 0, 1, 2"),
    ("0 and 255", "roi", "found 0, 255: decide which values are lesion"),
    ("0.9999", "roi", "found 0, 0.99989"),
    ("empty", "roi", "found an empty mask"),
    ("affine", "T1w", "the affine is not invertible"),
    ("elsewhere", "roi", "does not overlap the FLAIR's"),
    ("elsewhere", "FLAIR", "lies wholly outside the grid"),
    ("missing", "roi", "expected one T1w, one FLAIR and one lesion mask"),
])
def test_a_bad_file_is_named_and_costs_only_its_case(tree, tmp_path, capsys, kind, target, told):
    import re

    path = file_of(tree, "sub-00003", target)
    damage(path, kind)
    assert convert(tree, tmp_path / "raw", "--repeats", "2") == 1
    folder = tmp_path / "raw" / "DatasetFCD"
    rows = table(folder)
    assert {case for case, row in rows.items() if row["status"] == "failed"} == {"sub-00003"}
    assert [row["status"] for row in rows.values()].count("converted") == 7
    named = str(path) if kind != "missing" else str(path.parent)
    error = capsys.readouterr().err
    for text in (rows["sub-00003"]["notes"], error):
        assert named in text and re.search(told, text)
    assert "1 cases failed" in error and "  sub-00003: " in error
    assert not list(folder.glob("*/sub-00003*"))
    assert "sub-00003" not in (folder / "splits_final.json").read_text()
    assert read_json(folder / "dataset.json")["numTraining"] == len(list((folder / "labelsTr").iterdir()))


def test_a_dry_run_on_a_clone_without_content(tree, tmp_path, capsys):
    for path in tree.rglob("*.nii.gz"):
        path.unlink()
        path.symlink_to("../../.git/annex/objects/nothing")
    assert convert(tree, tmp_path / "raw", "--dry-run") == 0
    folder = tmp_path / "raw" / "DatasetFCD"
    assert sorted(path.name for path in folder.iterdir()) == ["conversion.plan.tsv", "splits_final.plan.json"]
    rows = table(folder, "conversion.plan.tsv")
    assert len(rows) == 8 and {row["status"] for row in rows.values()} == {"planned"}
    assert all(row["notes"].count("content missing") == 3 for row in rows.values())
    printed = capsys.readouterr().out
    assert (folder / "conversion.plan.tsv").read_text() in printed and "note: folds 0-9: 6 train" in printed
    assert convert(tree, tmp_path / "raw") == 1
    assert "no training case could be converted" in capsys.readouterr().err


def test_the_plan_of_the_complete_list_is_what_is_converted(whole, whole_tree, tmp_path):
    assert convert(whole_tree, tmp_path, "--dry-run") == 0
    plan = table(tmp_path / "DatasetFCD", "conversion.plan.tsv")
    done = table(whole)
    assert {case: (row["sources"], row["split"]) for case, row in plan.items()} == {
        case: (row["sources"], row["split"]) for case, row in done.items()}
    assert read_json(tmp_path / "DatasetFCD" / "splits_final.plan.json") == read_json(whole / "splits_final.json")


def test_a_relative_path_with_spaces(tree, tmp_path, monkeypatch):
    shutil.move(tree, tmp_path / "my data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("nnUNet_raw", "raw folder")
    assert main(["ds004199", "-i", "my data", "--space", "none", "-np", "1"]) == 0
    assert (tmp_path / "raw folder" / "DatasetFCD" / "dataset.json").is_file()
    assert os.listdir(tmp_path / "raw folder") == ["DatasetFCD"]


def test_another_folder_is_refused(tmp_path, capsys):
    assert convert(tmp_path, tmp_path / "raw") == 1
    assert "error: " in capsys.readouterr().err and not (tmp_path / "raw").exists()

"""nnunet-tv-convert bonbid-hie, in-process, on all 85 + 4 names with tiny volumes and on damaged parts of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import bonbid_tree
import numpy as np
import pytest
from bonbid_tree import TRAIN, VALIDATION, files, name
from conversion_runs import check_places, failures, kill_after, snapshot, table
from metaimage_files import write_metaimage
from nnunet_tv.dataset_conversion.bonbid_hie import read

from nnunet_tv.cli.convert import main
from nnunet_tv.imaging.volume import read_volume
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json

whole_tree, tree = bonbid_tree.whole_tree, bonbid_tree.tree  # fixtures


def convert(tree: Path, out: Path, *options: str) -> int:
    return main(["bonbid-hie", "-i", str(tree), "-o", str(out), "-np", "1", *options])


@pytest.fixture(scope="module")
def whole(whole_tree, tmp_path_factory) -> Path:
    """DatasetBONBID from the complete list, with the defaults."""
    out = tmp_path_factory.mktemp("raw")
    assert convert(whole_tree, out) == 0
    return out / "DatasetBONBID"


def test_the_published_validation_is_tested_and_the_selection_is_drawn_from_training(whole):
    folds, content, rows = read_json(whole / "splits_final.json"), read_json(whole / "dataset.json"), table(whole)
    validation = {name(number) for number in bonbid_tree.VALIDATION_NUMBERS}
    assert {case for case, row in rows.items() if row["split"] == "test"} == validation
    assert {path.name[:-7] for path in (whole / "labelsTs").iterdir()} == validation
    assert len(list((whole / "imagesTs").iterdir())) == 8
    assert [len(folds), len(folds[0]["train"]), len(folds[0]["val"])] == [10, 70, 15]
    assert {*folds[0]["train"], *folds[0]["val"]} == {name(number) for number in bonbid_tree.TRAINING_NUMBERS}
    assert content["channel_names"] == {"0": "ADC", "1": "Zmap"} and content["numTraining"] == 85
    assert content["labels"] == {"background": 0, "HIE": 1} and content["licence"] == "CC BY-NC"
    assert content["conversion"]["split"] == "official" and content["conversion"]["registration"] == "none"
    assert len(rows) == 89 and not [row for row in rows.values() if row["notes"] or row["status"] != "converted"]


@pytest.mark.slow
def test_nnunet_accepts_it(whole):
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    verify_dataset_integrity(str(whole), num_processes=1)


@pytest.mark.parametrize("pose", range(5))
def test_marker_and_lesion_stay_where_they_were_in_the_scanner(whole, pose):
    """Left is left for every pose, from ITK's LPS directions to nnU-Net's NIfTI."""
    number = next(number for number in bonbid_tree.TRAINING_NUMBERS + bonbid_tree.VALIDATION_NUMBERS
                  if number % len(bonbid_tree.POSES) == pose)
    check_places(whole, name(number), ("0000",))


def test_values_are_kept_and_the_z_map_is_the_second_channel(whole, whole_tree):
    case = name(bonbid_tree.TRAINING_NUMBERS[3])
    for kind, channel in (("ADC", "0000"), ("Zmap", "0001")):
        before = read_volume(files(whole_tree / TRAIN, case)[kind], case=case)
        after = read_volume(whole / "imagesTr" / f"{case}_{channel}.nii.gz", case=case)
        assert np.array_equal(before.data, after.data) and after.affine == pytest.approx(before.affine, abs=1e-4)
    assert after.data.min() == -5


def test_a_killed_run_is_continued_and_a_second_one_changes_nothing(whole, whole_tree, tmp_path, capsys):
    folder = tmp_path / "DatasetBONBID"
    written = kill_after(5, folder, "bonbid-hie", "-i", whole_tree, "-o", tmp_path, "-np", "1")
    assert 5 <= len(written) < 267 and not (folder / "dataset.json").exists()
    for path in written:
        assert path.read_bytes() == (whole / path.relative_to(folder)).read_bytes(), path
    assert convert(whole_tree, tmp_path) == 0
    assert snapshot(folder) == snapshot(whole)
    capsys.readouterr()
    assert convert(whole_tree, tmp_path) == 0
    assert "holds 85 training and 4 test cases, 0 written or moved in this run" in capsys.readouterr().out


def test_a_dry_run_plans_what_a_conversion_does(whole, whole_tree, tmp_path):
    assert convert(whole_tree, tmp_path, "--dry-run") == 0
    folder = tmp_path / "DatasetBONBID"
    assert sorted(path.name for path in folder.iterdir()) == ["conversion.plan.tsv", "splits_final.plan.json"]
    planned, done = table(folder, "conversion.plan.tsv"), table(whole)
    assert {case: row["split"] for case, row in planned.items()} == {case: row["split"] for case, row in done.items()}
    assert read_json(folder / "splits_final.plan.json") == read_json(whole / "splits_final.json")


@pytest.mark.parametrize("split, training, test", [("cv5", 8, 0), ("seeded", 7, 1)])
def test_other_splits(tree, tmp_path, split, training, test):
    assert convert(tree, tmp_path / "raw", "--split", split) == 0
    folder = tmp_path / "raw" / "DatasetBONBID"
    assert [len(list((folder / kind).iterdir())) for kind in ("labelsTr", "labelsTs")] == [training, test]


def test_visits_of_one_newborn_stay_together(tree, tmp_path):
    for number in (5, 10, 15):
        for path in files(tree / TRAIN, name(number)).values():
            shutil.copy(path, path.with_name(path.name.replace("VISIT_01", "VISIT_02")))
    assert convert(tree, tmp_path / "raw", "--split", "cv5") == 0
    for fold in read_json(tmp_path / "raw" / "DatasetBONBID" / "splits_final.json"):
        parts = [{case[:11] for case in fold[role]} for role in ("train", "val", "selection")]
        assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_fewer_than_published_is_said(tree, tmp_path, capsys):
    assert convert(tree, tmp_path / "raw") == 0
    told = capsys.readouterr().out
    assert "note: BONBID2023_Train: found 6 cases, published are 85" in told
    assert "note: BONBID2023_Val: found 2 cases, published are 4" in told


def damage(path: Path, kind: str) -> None:
    volume = read_volume(path, case="x")
    data, affine = volume.data.copy(), volume.affine.copy()
    if kind == "missing":
        path.unlink()
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        if kind == "shifted":
            affine[:3, 3] += 1.0
        elif kind == "cropped":
            data = data[:, :, :-1]
        elif kind == "0 and 255":
            data *= 255
        elif kind == "two labels":
            data[0, 0, 0] = 2
        elif kind == "empty":
            data[:] = 0
        elif kind == "NaN":
            data[0, 0, 0] = np.nan
        write_metaimage(data, affine, path)


@pytest.mark.parametrize("kind, target, told", [
    ("missing", "Zmap", r"expected one ADC, one Z map and one lesion mask, found 0 × Z map \(2Z_ADC\): complete"),
    ("missing", "label", r"found 0 × lesion mask \(3LABEL\)"),
    ("missing", "ADC", r"found 0 × ADC \(1ADC_ss\)"),
    ("cut", "ADC", "its compressed voxels are cut or damaged"),
    ("shifted", "Zmap", "expected the Zmap on the ADC's grid .*where the voxels do correspond, copy the ADC's header"),
    ("cropped", "Zmap", r"found shape \(12, 12, 11\)"),
    ("shifted", "label", r"expected the mask on the ADC's grid \(shape \(12, 12, 12\)"),
    ("0 and 255", "label", "found 0, 255: decide which values are lesion"),
    ("two labels", "label", r"expected the labels 0 \(background\) and 1 \(lesion\), found 0, 1, 2"),
    ("empty", "label", "found an empty mask"),
    ("NaN", "ADC", "1 voxels are NaN or infinite"),
])
def test_a_bad_file_is_named_and_costs_only_its_case(tree, tmp_path, capsys, kind, target, told):
    path = files(tree / TRAIN, name(306))[target]
    damage(path, kind)
    assert convert(tree, tmp_path / "raw") == 1
    folder = tmp_path / "raw" / "DatasetBONBID"
    failed = failures(folder)
    assert list(failed) == [name(306)] and re.search(told, failed[name(306)])
    named = str(path) if kind != "missing" else str(tree / TRAIN)
    error = capsys.readouterr().err
    assert named in failed[name(306)] and named in error and re.search(told, error)
    assert not list(folder.glob(f"*/{name(306)}*")) and name(306) not in (folder / "splits_final.json").read_text()
    assert read_json(folder / "dataset.json")["numTraining"] == 5 == len(list((folder / "labelsTr").iterdir()))


def test_headers_rounded_to_a_twentieth_of_a_voxel_are_one_grid(tree, tmp_path):
    path = files(tree / TRAIN, name(306))["Zmap"]
    volume = read_volume(path, case="x")
    affine = volume.affine.copy()
    affine[:3, 3] += 0.02  # of 2 mm
    write_metaimage(volume.data, affine, path)
    assert convert(tree, tmp_path / "raw") == 0


def test_a_newborn_in_both_parts_is_in_neither(tree, tmp_path):
    bonbid_tree.copy_part(tree, name(5), TRAIN, VALIDATION)
    assert convert(tree, tmp_path / "raw") == 1
    assert failures(tmp_path / "raw" / "DatasetBONBID") == {
        name(5): "it is in both BONBID2023_Train and BONBID2023_Val: leave it in the right one"}


def test_two_visits_of_one_newborn_in_different_parts(tree, tmp_path):
    for path in files(tree / TRAIN, name(5)).values():
        moved = tree / VALIDATION / path.parent.name / path.name.replace("VISIT_01", "VISIT_02")
        shutil.copy(path, moved)
    assert convert(tree, tmp_path / "raw") == 1
    failed = failures(tmp_path / "raw" / "DatasetBONBID")
    assert set(failed) == {name(5), name(5).replace("01", "02")}
    assert all("the cases of MGHNICU_005 are assigned to test and train" in text for text in failed.values())


def test_a_name_of_no_newborn_is_told_and_hidden_files_are_not(tree, tmp_path):
    path = files(tree / TRAIN, name(5))["label"]
    shutil.copy(path, path.with_name(f"{name(5)}_lesion (1).mha"))
    path.with_name(f"._{path.name}").write_bytes(b"")
    path.with_name("readme.txt").write_text("")
    assert convert(tree, tmp_path / "raw") == 1
    failed = failures(tmp_path / "raw" / "DatasetBONBID")
    assert list(failed) == [f"{TRAIN}/3LABEL/{name(5)}_lesion (1).mha"]
    (told,) = failed.values()
    assert "its name is not one of BONBID-HIE's (expected MGHNICU_306-VISIT_01_lesion.mha)" in told


def test_one_strange_name_in_several_folders_is_told_for_each(tree, tmp_path):
    """As where somebody has renamed all files of a newborn to 5.mha."""
    for path in files(tree / TRAIN, name(5)).values():
        shutil.copy(path, path.with_name("5.mha"))
    assert convert(tree, tmp_path / "raw") == 1
    failed = failures(tmp_path / "raw" / "DatasetBONBID")
    assert list(failed) == [f"{TRAIN}/{folder}/5.mha" for folder in ("1ADC_ss", "2Z_ADC", "3LABEL")]
    assert all("its name is not one of BONBID-HIE's" in told for told in failed.values())


def test_another_folder(tree, tmp_path):
    with pytest.raises(NnunetTVError, match=r"BONBID2023_Train: expected the folders 1ADC_ss, 2Z_ADC, 3LABEL, "
                                            r"found no 1ADC_ss, 2Z_ADC, 3LABEL: give the folder that holds BONBID2023"):
        read(tree / TRAIN)
    shutil.rmtree(tree / VALIDATION / "2Z_ADC")
    with pytest.raises(NnunetTVError, match=r"BONBID2023_Val: expected .*found no 2Z_ADC"):
        read(tree)

"""nnunet-tv-convert brain-mets-lung, in-process, on a tree with grids, poses and endings as they may come."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import mets_tree
import nibabel as nib
import numpy as np
import pytest
from conversion_runs import check_places, failures, kill_after, snapshot, table
from mets_tree import files
from nnunet_tv.dataset_conversion.brain_mets_lung import read

from nnunet_tv.cli.convert import main
from nnunet_tv.imaging.volume import read_volume
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json

whole_tree, tree = mets_tree.whole_tree, mets_tree.tree  # fixtures


def convert(tree: Path, out: Path, *options: str) -> int:
    return main(["brain-mets-lung", "-i", str(tree), "-o", str(out), "-np", "1", *options])


@pytest.fixture(scope="module")
def whole(whole_tree, tmp_path_factory) -> Path:
    """DatasetBrainMets from all patients, with the defaults."""
    out = tmp_path_factory.mktemp("raw")
    assert convert(whole_tree, out) == 0
    return out / "DatasetBrainMets"


def test_the_split_is_seeded_and_every_patient_is_in_it_once(whole):
    folds, content, rows = read_json(whole / "splits_final.json"), read_json(whole / "dataset.json"), table(whole)
    splits = [row["split"] for row in rows.values()]
    assert (splits.count("train"), splits.count("selection"), splits.count("test")) == (7, 1, 2)
    assert len(folds) == 10 and len(folds[0]["train"]) == 7
    assert content["channel_names"] == {"0": "T1c", "1": "FLAIR"} and content["labels"]["metastasis_core"] == 1
    assert content["conversion"]["label"] == "core" and content["conversion"]["split"] == "seeded"
    assert content["licence"] == "CC BY 4.0" and {row["status"] for row in rows.values()} == {"converted"}


@pytest.mark.parametrize("number", range(1, 11))
def test_marker_and_lesion_stay_where_they_were_in_the_scanner(whole, number):
    """Five poses, FLAIR and mask on the T1c's grid and on grids of their own."""
    check_places(whole, f"P{number:03d}", ("0000", "0001"))


def test_masks_on_another_grid_are_noted_and_all_files_of_a_case_are_on_the_t1cs(whole, whole_tree):
    notes = {case: row["notes"] for case, row in table(whole).items()}
    assert all(("grid differs from the T1c's, placed by its own affine" in notes[f"P{number:03d}"]) == (number % 2 == 0)
               for number in range(1, 11))
    for number in (2, 3):
        before = nib.load(files(whole_tree, number)["t1ce_img"])
        for path in [*whole.glob(f"images*/P{number:03d}_*.nii.gz"), *whole.glob(f"labels*/P{number:03d}.nii.gz")]:
            after = nib.load(path)
            assert after.shape == before.shape and np.allclose(after.affine, before.affine, atol=1e-4)


def test_the_whole_tumour_is_another_label_and_converts_again(tree, tmp_path):
    assert convert(tree, tmp_path / "raw", "--repeats", "2") == 0
    folder = tmp_path / "raw" / "DatasetBrainMets"
    core = {path.name: read_volume(path, case="x").data.sum() for path in folder.glob("labelsT?/*")}
    assert convert(tree, tmp_path / "raw", "--repeats", "2", "--label", "whole") == 0
    whole = {path.name: read_volume(path, case="x").data.sum() for path in folder.glob("labelsT?/*")}
    assert set(core) == set(whole) and all(whole[name] > 2 * core[name] for name in core)
    content = read_json(folder / "dataset.json")
    assert content["labels"] == {"background": 0, "metastasis_whole": 1} and content["conversion"]["label"] == "whole"


def test_a_killed_run_is_continued(whole, whole_tree, tmp_path):
    folder = tmp_path / "DatasetBrainMets"
    written = kill_after(2, folder, "brain-mets-lung", "-i", whole_tree, "-o", tmp_path, "-np", "1")
    assert not (folder / "dataset.json").exists()
    for path in written:
        assert path.read_bytes() == (whole / path.relative_to(folder)).read_bytes(), path
    assert convert(whole_tree, tmp_path) == 0
    assert snapshot(folder) == snapshot(whole)


def test_a_dry_run_names_what_is_missing(tree, tmp_path):
    for path in files(tree, 2).values():
        path.unlink()
        path.touch()
    assert convert(tree, tmp_path / "raw", "--dry-run") == 0
    rows = table(tmp_path / "raw" / "DatasetBrainMets", "conversion.plan.tsv")
    assert rows["P002"]["notes"].count("the file is empty") == 3 and not rows["P001"]["notes"]


def change(path: Path, kind: str) -> None:
    if kind == "missing":
        path.unlink()
    elif kind == "both endings":
        nib.save(nib.load(path), path.with_name(path.name.removesuffix(".gz")))
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:200])
    else:
        image = nib.load(path)
        data, affine = np.asarray(image.dataobj).copy(), image.affine.copy()
        if kind == "0 and 255":
            data *= 255
        elif kind == "two labels":
            data[0, 0, 0] = 2
        elif kind == "elsewhere":
            affine[:3, 3] += 400
        nib.save(nib.Nifti1Image(data, affine), path)


@pytest.mark.parametrize("kind, target, told", [
    ("missing", "flair_img", r"expected one each of \*_t1ce_img, \*_flair_img, \*_core_seg, found 0 × \*_flair_img"),
    ("missing", "core_seg", r"found 0 × \*_core_seg \(P004_flair_img.nii.gz, P004_t1ce_img.nii.gz, P004_whole_seg"),
    ("both endings", "t1ce_img", r"found 2 × \*_t1ce_img"),
    ("cut", "t1ce_img", "not a readable NIfTI image"),
    ("0 and 255", "core_seg", "found 0, 255: decide which values are lesion"),
    ("two labels", "core_seg", "found 0, 1, 2"),
    ("elsewhere", "core_seg", "the grid of the mask does not overlap the T1c's"),
    ("elsewhere", "flair_img", "the FLAIR lies wholly outside the grid"),
])
def test_a_bad_file_is_named_and_costs_only_its_patient(tree, tmp_path, capsys, kind, target, told):
    path = files(tree, 4)[target]
    change(path, kind)
    assert convert(tree, tmp_path / "raw", "--split", "cv5") == 1
    folder = tmp_path / "raw" / "DatasetBrainMets"
    failed = failures(folder)
    assert list(failed) == ["P004"] and re.search(told, failed["P004"]) and str(path.parent) in failed["P004"]
    assert re.search(told, capsys.readouterr().err) and len(list((folder / "labelsTr").iterdir())) == 5


def test_the_label_that_is_not_asked_for_may_be_missing(tree, tmp_path):
    files(tree, 4)["whole_seg"].unlink()
    assert convert(tree, tmp_path / "raw", "--split", "cv5") == 0


def test_other_folders_and_other_names(tree, tmp_path, capsys):
    (tree / "pathology").mkdir()
    (tree / "pathology" / "slide.svs").write_text("")
    (tree / ".hidden").mkdir()
    shutil.move(tree / "P005", tree / "P 005")
    assert convert(tree, tmp_path / "raw", "--split", "cv5") == 1
    assert "note: folders without images: pathology" in capsys.readouterr().out
    failed = failures(tmp_path / "raw" / "DatasetBrainMets")
    assert list(failed) == ["P 005"] and "take letters, digits, - and _ only: rename the folder" in failed["P 005"]


def test_another_folder(tree, tmp_path):
    with pytest.raises(NnunetTVError, match=r"nowhere: no such folder: give the folder that holds the patients'"):
        read(tmp_path / "nowhere")
    with pytest.raises(NnunetTVError, match="found 1 folders and no patient in them that can be used"):
        read(tree.parent)
    with pytest.raises(ValueError, match="label is one of core, whole, not 'edema'"):
        read(tree, label="edema")

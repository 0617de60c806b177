"""nnunet-tv-convert brain-mets-lung on a tree with grids, poses and endings as they may come."""

import shutil
from collections import Counter
from pathlib import Path

import mets_tree
import nibabel as nib
import numpy as np
import pytest
from conversion_runs import METS, failures, table
from mets_tree import files
from nnunet_tv.dataset_conversion.brain_mets_lung import read

from nnunet_tv.imaging.volume import read_volume
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json


@pytest.fixture
def tree(tmp_path) -> Path:
    return mets_tree.write(tmp_path / "tcia", mets_tree.SMALL)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "raw" / "DatasetBrainMets"


def test_the_split_is_seeded_and_all_files_of_a_case_are_on_the_t1cs_grid(whole_tree, whole):
    folder = whole(METS)
    folds, content, rows = read_json(folder / "splits_final.json"), read_json(folder / "dataset.json"), table(folder)
    assert Counter(row["split"] for row in rows.values()) == {"train": 7, "selection": 1, "test": 2}
    assert len(folds) == 10 and len(folds[0]["train"]) == 7
    assert content["channel_names"] == {"0": "T1c", "1": "FLAIR"} and content["labels"]["metastasis_core"] == 1
    assert content["conversion"]["label"] == "core" and content["conversion"]["split"] == "seeded"
    assert content["licence"] == "not stated" and {row["status"] for row in rows.values()} == {"converted"}
    for number in range(1, 11):
        note = "grid differs from the T1c's, placed by its own affine" in rows[f"P{number:03d}"]["notes"]
        assert note == (number % 2 == 0)
        before = nib.load(files(whole_tree(METS), number)["t1ce_img"])
        for path in folder.glob(f"*T?/P{number:03d}*.nii.gz"):
            after = nib.load(path)
            assert after.shape == before.shape and np.allclose(after.affine, before.affine, atol=1e-4)


def test_the_whole_tumour_is_another_label_and_converts_again(tree, tmp_path, folder):
    sizes = {}
    for label in ("core", "whole"):
        assert METS(tree, tmp_path / "raw", "--repeats", "2", "--label", label) == 0
        sizes[label] = {path.name: read_volume(path, case="x").data.sum() for path in folder.glob("labelsT?/*")}
    assert set(sizes["core"]) == set(sizes["whole"])
    assert all(sizes["whole"][name] > 2 * size for name, size in sizes["core"].items())
    content = read_json(folder / "dataset.json")
    assert content["labels"] == {"background": 0, "metastasis_whole": 1} and content["conversion"]["label"] == "whole"


def test_other_folders_names_and_masks(tree, tmp_path, folder, capsys):
    files(tree, 4)["whole_seg"].unlink()  # the label that is not used may be missing
    (tree / "pathology").mkdir()
    (tree / "pathology" / "slide.svs").write_text("")
    (tree / ".hidden").mkdir()
    shutil.move(tree / "P005", tree / "P 005")
    assert METS(tree, tmp_path / "raw", "--split", "cv5") == 1
    assert "note: folders without images: pathology" in capsys.readouterr().out
    failed = failures(folder)
    assert list(failed) == ["P 005"] and "take letters, digits, - and _ only: rename the folder" in failed["P 005"]


def test_another_folder(tree, tmp_path):
    for path, message in ((tmp_path / "nowhere", "nowhere: no such folder: give the folder that holds the patients'"),
                          (tree.parent, "found 1 folders and no patient in them that can be used")):
        with pytest.raises(NnunetTVError, match=message):
            read(path)
    with pytest.raises(ValueError, match="label is one of core, whole, not 'edema'"):
        read(tree, label="edema")

"""nnunet-tv-convert bonbid-hie on all 85 + 4 names with tiny volumes and on damaged parts of it."""

import shutil
from pathlib import Path

import bonbid_tree
import numpy as np
import pytest
from bonbid_tree import TRAIN, VALIDATION, files, name
from conversion_runs import BONBID, count, damage, failures, table
from nnunet_tv.dataset_conversion.bonbid_hie import read

from nnunet_tv.imaging.volume import read_volume
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json


@pytest.fixture
def tree(tmp_path) -> Path:
    return bonbid_tree.write(tmp_path / "zenodo", bonbid_tree.SMALL)


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "raw" / "DatasetBONBID"


def test_the_published_validation_is_tested_and_the_selection_is_drawn_from_training(whole_tree, whole):
    folder = whole(BONBID)
    folds, content, rows = read_json(folder / "splits_final.json"), read_json(folder / "dataset.json"), table(folder)
    validation = {name(number) for number in bonbid_tree.VALIDATION_NUMBERS}
    assert {case for case, row in rows.items() if row["split"] == "test"} == validation
    assert {path.name[:-7] for path in (folder / "labelsTs").iterdir()} == validation
    assert [len(folds), len(folds[0]["train"]), len(folds[0]["val"])] == [10, 70, 15]
    assert {*folds[0]["train"], *folds[0]["val"]} == {name(number) for number in bonbid_tree.TRAINING_NUMBERS}
    assert content["channel_names"] == {"0": "ADC", "1": "Zmap"} and content["numTraining"] == 85
    assert content["labels"] == {"background": 0, "HIE": 1}
    assert content["licence"] == content["reference"] == "not stated"  # the published folders have no description
    assert content["conversion"]["split"] == "official" and content["conversion"]["registration"] == "none"
    assert len(rows) == 89 and not [row for row in rows.values() if row["notes"] or row["status"] != "converted"]
    case = name(bonbid_tree.TRAINING_NUMBERS[3])
    for kind, channel in (("ADC", "0000"), ("Zmap", "0001")):  # values are kept
        before = read_volume(files(whole_tree(BONBID) / TRAIN, case)[kind], case=case)
        after = read_volume(folder / "imagesTr" / f"{case}_{channel}.nii.gz", case=case)
        assert np.array_equal(before.data, after.data) and after.affine == pytest.approx(before.affine, abs=1e-4)
    assert after.data.min() == -5


@pytest.mark.parametrize("split, training, test", [("official", 6, 2), ("cv5", 8, 0), ("seeded", 7, 1)])
def test_fewer_cases_than_published(tree, tmp_path, folder, capsys, split, training, test):
    damage(files(tree / TRAIN, name(306))["Zmap"], "rounded")  # headers that differ by 0.02 of 2 mm are one grid
    assert BONBID(tree, tmp_path / "raw", "--split", split) == 0
    assert count(folder, "labelsTr", "labelsTs") == [training, test]
    printed = capsys.readouterr().out
    assert "note: BONBID2023_Train: found 6 cases, published are 85" in printed
    assert "note: BONBID2023_Val: found 2 cases, published are 4" in printed


def test_a_newborn_in_both_parts_is_in_neither(tree, tmp_path, folder):
    for number, visit in ((5, "VISIT_01"), (10, "VISIT_02")):
        for path in files(tree / TRAIN, name(number)).values():
            shutil.copy(path, tree / VALIDATION / path.parent.name / path.name.replace("VISIT_01", visit))
    assert BONBID(tree, tmp_path / "raw") == 1
    failed = failures(folder)
    assert failed.pop(name(5)) == "it is in both BONBID2023_Train and BONBID2023_Val: leave it in the right one"
    assert set(failed) == {name(10), name(10).replace("VISIT_01", "VISIT_02")}
    assert all("the cases of MGHNICU_010 are assigned to test and train" in text for text in failed.values())


def test_files_with_other_names_are_reported_unless_hidden(tree, tmp_path, folder):
    for path in files(tree / TRAIN, name(5)).values():
        shutil.copy(path, path.with_name("5.mha"))
        path.with_name(f"._{path.name}").write_bytes(b"")
        path.with_name("readme.txt").write_text("")
    assert BONBID(tree, tmp_path / "raw") == 1
    failed = failures(folder)
    assert list(failed) == [f"{TRAIN}/{kind}/5.mha" for kind in ("1ADC_ss", "2Z_ADC", "3LABEL")]
    assert all("its name is not one of BONBID-HIE's" in text for text in failed.values())
    assert "(expected MGHNICU_306-VISIT_01_lesion.mha)" in failed[f"{TRAIN}/3LABEL/5.mha"]


def test_another_folder(tree):
    with pytest.raises(NnunetTVError, match=r"BONBID2023_Train: expected the folders 1ADC_ss, 2Z_ADC, 3LABEL, "
                                            r"found no 1ADC_ss, 2Z_ADC, 3LABEL: give the folder that holds BONBID2023"):
        read(tree / TRAIN)

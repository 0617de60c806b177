"""nnunet-tv-convert pairs: the table, errors of tables, and the data set."""

import re
from pathlib import Path

import mets_tree
import pytest
from conversion_runs import PAIRS, check_places, count, failures, table
from metaimage_files import write_metaimage
from nnunet_tv.dataset_conversion.pairs import read
from output_folders import snapshot

from nnunet_tv.imaging.volume import read_volume
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json

SPLITS = {1: "test", 2: "train", 3: "train", 4: "train", 5: "selection", 6: "train"}


@pytest.fixture
def lines(tmp_path) -> list[list[str]]:
    """A table of six cases, the fourth with MetaImage files; cells by row and column."""
    rows = [["case", "T1w", "FLAIR", "label", "split"]]
    mets_tree.write(tmp_path / "scans", range(1, 7))
    for number in range(1, 7):
        paths = [mets_tree.files(tmp_path / "scans", number)[kind] for kind in ("t1ce_img", "flair_img", "core_seg")]
        if number == 4:
            for index, path in enumerate(paths):
                volume = read_volume(path, case="x")
                paths[index] = path.with_name(path.name.replace(".nii.gz", ".mha"))
                write_metaimage(volume.data, volume.affine, paths[index])
        rows.append([f"c{number}", *(str(path.relative_to(tmp_path)) for path in paths), SPLITS[number]])
    return rows


@pytest.fixture
def result(tmp_path) -> Path:
    return tmp_path / "raw" / "DatasetPairs"


def write(lines: list[list[str]], tmp_path: Path) -> Path:
    path = tmp_path / "table.tsv"
    path.write_text("".join("\t".join(cells) + "\r\n" for cells in lines), encoding="utf-8-sig")
    return path


def convert(lines, tmp_path: Path, *options: str) -> int:
    return PAIRS(write(lines, tmp_path), tmp_path / "raw", *options)


def test_the_tables_split_channels_and_label(lines, tmp_path, result):
    options = ["--repeats", "2", "--label-name", "tuber", "--label-on", "FLAIR"]
    assert convert(lines, tmp_path, *options) == 0
    folds, content = read_json(result / "splits_final.json"), read_json(result / "dataset.json")
    assert folds == [{"train": ["c2", "c3", "c4", "c6"], "val": ["c5"], "selection": ["c5"]}] * 2
    assert content["channel_names"] == {"0": "T1w", "1": "FLAIR"} and content["labels"] == {"background": 0, "tuber": 1}
    assert content["conversion"]["label_on"] == "FLAIR" and content["conversion"]["split"] == "table"
    assert [path.name for path in (result / "labelsTs").iterdir()] == ["c1.nii.gz"]
    assert table(result)["c4"]["sources"].startswith("T1w=scans/P004/P004_t1ce_img.mha; FLAIR=scans/P004/")
    for case in ("c1", "c2", "c3", "c4", "c5", "c6"):  # NIfTI, packed or not, and MetaImage, in five poses
        check_places(result, case, ("0000", "0001"))
    lines[5][4] = "train"  # without selection in the table it is drawn from training
    assert convert(lines, tmp_path) == 0
    fold = read_json(result / "splits_final.json")[0]
    assert len(fold["selection"]) == 1 and len(fold["train"]) == 4 and "c1" not in {*fold["train"], *fold["val"]}


def test_cases_of_one_patient_stay_together(lines, tmp_path, result):
    for row, patient in zip(lines, ("patient", *"aabcde"), strict=True):
        row.append(patient)
    assert convert(lines, tmp_path, "--split", "cv5") == 0
    for fold in read_json(result / "splits_final.json"):
        for role in ("train", "val", "selection"):
            assert ("c1" in fold[role]) == ("c2" in fold[role])
    assert convert(lines, tmp_path) == 1  # the table tests c1 and trains on c2
    assert failures(result) == dict.fromkeys(("c1", "c2"), (
        "the cases of a are assigned to test and train: one person's cases belong to one side; leave those of one "
        "side"))
    lines[6][3:] = "none", "train", "c"
    assert convert(lines, tmp_path, "--controls", "train") == 1
    assert "it has no lesion, but c has other cases with one" in failures(result)["c6"]


@pytest.mark.parametrize("controls, where", [("test", "labelsTs"), ("train", "labelsTr"), ("none", "")])
def test_a_case_without_a_lesion(lines, tmp_path, result, capsys, controls, where):
    lines[6][3] = "none"
    assert convert(lines, tmp_path, "--controls", controls) == 0
    found = list(result.glob("labels*/c6.nii.gz"))
    assert [path.parent.name for path in found] == ([where] if where else [])
    assert not any(read_volume(path, case="c6").data.any() for path in found)
    assert ("1 controls left out" in capsys.readouterr().out) == (controls == "none")


@pytest.mark.parametrize("cell, text, message", [
    ((6, 0), "../c6", "expected a case of letters, digits, - and _"),
    ((6, 4), "validation", "expected split train, selection, test or nothing, found 'validation': repair the row"),
    ((6, 4), "", "--split table needs train or test for it in the data set's list, found ''"),
    ((6, 2), "", r"expected a file \(.nii.gz, .nii, .mha\) for the FLAIR, found '': complete the row"),
    ((6, 2), "scans/P006/nothing.nii.gz", "scans/P006/nothing.nii.gz: no such file"),
    ((6, 3), "", r"as label, or none for a case without a lesion, found ''"),
    ((6, 3), "scans/P006/P006_flair_img.nii.gz", "P006_flair_img.nii.gz is named 2 times in the table, expected once"),
])
def test_a_bad_row_fails_only_its_case(lines, tmp_path, result, capsys, cell, text, message):
    lines[cell[0]][cell[1]] = text
    assert convert(lines, tmp_path) == 1
    failed = failures(result)
    case = lines[6][0] if cell[1] else "../c6 (row 7)"
    assert list(failed) == [case] and re.search(message, failed[case])
    assert re.search(message, capsys.readouterr().err)
    assert count(result, "labelsTr") == [4]


@pytest.mark.parametrize("again", ["{}", "./{}", "scans/../{}", "{root}/{}"])
def test_one_file_is_recognised_by_every_path_and_one_name_in_both_cases(lines, tmp_path, again, result):
    """c1 is tested: trained on under another path, its scan would be on both sides."""
    lines[2][1] = again.format(lines[1][1], root=tmp_path)
    lines[5][0] = "C6"  # the same file on disks that ignore case
    assert convert(lines, tmp_path) == 1
    failed = failures(result)
    assert set(failed) == {"c1", "c2", "C6 (row 6)", "c6 (row 7)"}
    assert f"{lines[2][1]} is named 2 times in the table" in failed["c2"]
    assert failed["c6 (row 7)"] == "2 rows have the case c6: give each its own name"


def test_another_table_does_not_replace_what_the_first_one_made(lines, tmp_path, capsys, result):
    assert convert(lines, tmp_path) == 0
    before = snapshot(result)
    others = [lines[0], *([f"other{number}", *row[1:]] for number, row in enumerate(lines[1:]))]
    assert convert(others, tmp_path) == 1
    assert ("holds the conversion of another data set (such as c1; none of its 6 cases is to be converted now), which "
            "this one would replace: choose another --name, or delete the folder") in capsys.readouterr().err
    assert snapshot(result) == before
    assert convert([*others, *lines[1:2]], tmp_path) == 1  # one table that has grown: its files are named twice
    assert set(failures(result)) == {"c1", "other0"}


def test_rows_without_text_are_none_and_names_of_columns_are_trimmed(lines, tmp_path):
    lines[0] = [f"{name} " for name in lines[0]]
    lines[4][0] = "c 4"
    lines[2:2] = [["", "", "", "", ""], [" ", ""], [""]]
    lines.append(["", "", "", "", ""])
    found = read(write(lines, tmp_path))
    assert found.channels == ("T1w", "FLAIR")
    assert [case.case for case in found.cases] == ["c1", "c2", "c3", "c 4 (row 8)", "c5", "c6"]


@pytest.mark.parametrize("header, message", [
    ("case\tT1w\tFLAIR\tmask\tsplit", "expected the columns case, one named for each channel, label .*'mask'"),
    ("case\tT1w\tT1w\tlabel\tsplit", "each once; found 'case', 'T1w', 'T1w'"),
    ("case,T1w,FLAIR,label,split", "expected the columns case"),
    ("", "expected the columns case, .*found nothing"),
])
def test_a_table_with_other_columns(lines, tmp_path, header, message):
    path = write(lines, tmp_path)
    path.write_text(header + "\n" + path.read_text(encoding="utf-8-sig").split("\n", 1)[1] if header else "")
    with pytest.raises(NnunetTVError, match=message):
        read(path)


def test_what_is_no_table_of_files(lines, tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"\xff\xfe\x00")
    for path, message in ((tmp_path, r"expected a table .* found a folder: give the table itself"),
                          (tmp_path / "nowhere.tsv", r"expected a table .* found nothing"),
                          (tmp_path / "a.tsv", "expected a tab-separated UTF-8 table"),
                          (write(lines[:1], tmp_path), "found the header alone")):
        with pytest.raises(NnunetTVError, match=message):
            read(path)
    ages = [[*row, text] for row, text in zip(lines, ["age", *"123456"], strict=True)]
    with pytest.raises(NnunetTVError, match=r"column 'age' is taken for a channel, but names no image \(.nii.gz"):
        read(write(ages, tmp_path))


def test_options_that_the_table_does_not_bear(lines, tmp_path, capsys):
    path = write(lines, tmp_path)
    with pytest.raises(NnunetTVError, match="--label-on T2w: the table's channels are T1w, FLAIR"):
        read(path, label_on="T2w")
    for name in ("background", "ignore", "a b"):
        with pytest.raises(NnunetTVError, match=f"--label-name '{name}': expected letters, digits"):
            read(path, label_name=name)
    lines[0][1:3] = ["ADC", "Zmap"]
    assert convert(lines, tmp_path, "--space", "mni") == 1
    assert ("--space mni is not for the channels ADC, Zmap (there is t1 or mni for T1w and FLAIR; t1 for T1c and "
            "FLAIR, in this order): use --space none") in capsys.readouterr().err


@pytest.mark.parametrize("side, label, message", [
    ("lft", "", "expected side left, right or nothing.*found 'lft'"), ("left", "none", "found 'left'"),
    ("L", "", ""), ("Right", "", ""), ("", "", "")])
def test_the_stated_side_is_a_word_and_not_a_channel(lines, tmp_path, result, capsys, side, label, message):
    lines[0].append("side")
    lines[6][3] = label or lines[6][3]
    lines[6].append(side)
    assert convert(lines, tmp_path, "--controls", "train") == (1 if message else 0)
    assert bool(message) == bool(failures(result))
    if message:
        assert re.search(message, failures(result)["c6"])
    stated = {"L": "left", "Right": "right"}.get(side)
    assert (f"c6: side {stated}: not compared with the mask" in capsys.readouterr().out) == bool(stated)

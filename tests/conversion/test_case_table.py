"""The table of a folder's cases: scans and masks by name, masks against scans, the split over patients."""

import re
from pathlib import Path

import numpy as np
import pytest

from nnunet_tv.cli.convert import main as convert
from nnunet_tv.cli.table import main
from nnunet_tv.conversion.case_table import write_case_table
from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.tables import read_tsv

T1_GRID = np.array([[2.0, 0, 0, -20], [0, 2.0, 0, -20], [0, 0, 2.0, -20], [0, 0, 0, 1]])
FLAIR_GRID = np.array([[0, 0, 2.0, -20], [2.0, 0, 0, -20], [0, 2.0, 0, -20], [0, 0, 0, 1]])
SHAPES = {"T1w": (20, 20, 20), "FLAIR": (18, 20, 16)}


def scan(path: Path, channel: str) -> None:
    values = np.random.default_rng(0).random(SHAPES[channel]).astype(np.float32)
    write_volume(Volume(values, T1_GRID if channel == "T1w" else FLAIR_GRID), path)


def mask(path: Path, *, affine=FLAIR_GRID, shape=SHAPES["FLAIR"], box=slice(2, 6), value=1) -> None:
    data = np.zeros(shape, np.uint8)
    data[box, box, box] = value
    write_volume(Volume(data, affine), path)


def patients(root: Path, pattern: str = "{case}/{kind}.nii.gz", *, number: int = 8, lesion: str = "lesion",
             start: int = 1) -> Path:
    """Patients p1 … with T1w, FLAIR and, unless `lesion` is empty, a mask on the FLAIR's grid."""
    for index in range(start, start + number):
        names = {kind: root / pattern.format(case=f"p{index}", kind=kind) for kind in ("T1w", "FLAIR", lesion)}
        scan(names["T1w"], "T1w")
        scan(names["FLAIR"], "FLAIR")
        if lesion:
            mask(names[lesion])
    return root


def rows(table: Path) -> dict[str, dict[str, str]]:
    columns, found = read_tsv(table)
    assert columns == ["case", "T1w", "FLAIR", "label", "split", "patient", "side"]
    return {row["case"]: row for row in found.values()}


@pytest.mark.parametrize("pattern, lesion", [
    ("{case}/{kind}.nii.gz", "lesion"), ("{case}/{kind}.nii.gz", "FLAIR_roi"), ("{case}_{kind}.nii.gz", "lesion_mask"),
    ("{case}_{kind}.nii.gz", "segmentation"), ("{kind}/{case}.nii.gz", "masks"), ("{kind}/{case}.nii.gz", "labels"),
    ("{case}/anat/{case}_{kind}.nii.gz", "mask")])
def test_layouts_and_names_of_masks(tmp_path, pattern, lesion):
    folder = patients(tmp_path / "scans", pattern, number=2, lesion=lesion)
    done = write_case_table(folder, tmp_path / "cases.tsv")
    assert not done.problems
    for case, row in rows(tmp_path / "cases.tsv").items():
        for column, kind in (("T1w", "T1w"), ("FLAIR", "FLAIR"), ("label", lesion)):
            assert row[column] == f"scans/{pattern.format(case=case, kind=kind)}"
    assert set(rows(tmp_path / "cases.tsv")) == {"p1", "p2"}


def test_bids_with_sessions_and_masks_among_derivatives(tmp_path):
    for session in ("1", "2"):
        for subject in ("a", "b", "c"):
            anat = f"sub-{subject}/ses-{session}/anat/sub-{subject}_ses-{session}"
            scan(tmp_path / "bids" / f"{anat}_T1w.nii.gz", "T1w")
            scan(tmp_path / "bids" / f"{anat}_FLAIR.nii.gz", "FLAIR")
            mask(tmp_path / "bids" / "derivatives" / "fcd" / f"{anat}_label-lesion_mask.nii.gz")
    done = write_case_table(tmp_path / "bids", tmp_path / "cases.tsv")
    assert all("no lesion mask" in problem and "--masks" in problem for problem in done.problems.values())
    assert len(done.problems) == 6
    (tmp_path / "cases.tsv").unlink()
    done = write_case_table(tmp_path / "bids", tmp_path / "cases.tsv", masks=tmp_path / "bids" / "derivatives" / "fcd")
    found = rows(tmp_path / "cases.tsv")
    assert not done.problems and set(found) == {f"sub-{s}_ses-{n}" for s in "abc" for n in "12"}
    assert {row["patient"] for row in found.values()} == {"sub-a", "sub-b", "sub-c"}
    for subject in "abc":  # both sessions of a person are on one side
        assert found[f"sub-{subject}_ses-1"]["split"] == found[f"sub-{subject}_ses-2"]["split"]
        assert f"sub-{subject}_ses-2_label-lesion_mask" in found[f"sub-{subject}_ses-2"]["label"]


def test_the_split_has_all_sides_and_depends_on_the_patients_only(tmp_path):
    folder = patients(tmp_path / "scans")
    write_case_table(folder, tmp_path / "one.tsv")
    first = rows(tmp_path / "one.tsv")
    count = [sum(row["split"] == side for row in first.values()) for side in ("train", "selection", "test")]
    assert count == [6, 1, 1]  # 69, 14 and 17 % of 8
    mask(folder / "p1" / "lesion.nii.gz", box=slice(3, 9))
    write_case_table(folder, tmp_path / "two.tsv")
    assert {case: row["split"] for case, row in rows(tmp_path / "two.tsv").items()} == {
        case: row["split"] for case, row in first.items()}


def test_a_table_is_not_replaced(tmp_path):
    folder = patients(tmp_path / "scans", number=2)
    (tmp_path / "cases.tsv").write_text("mine")
    with pytest.raises(NnunetTVError, match=r"cases\.tsv: exists.*split.*another -o"):
        write_case_table(folder, tmp_path / "cases.tsv")
    assert (tmp_path / "cases.tsv").read_text() == "mine"


def test_controls_are_in_a_folder_of_their_own(tmp_path):
    patients(tmp_path / "lab" / "patients", number=3)
    patients(tmp_path / "lab" / "controls", number=2, lesion="", start=11)
    done = write_case_table(tmp_path / "lab" / "patients", tmp_path / "cases.tsv",
                            controls=tmp_path / "lab" / "controls")
    found = rows(tmp_path / "cases.tsv")
    assert not done.problems
    assert {case for case, row in found.items() if row["label"] == "none"} == {"p11", "p12"}
    assert all(row["split"] == "" for row in found.values() if row["label"] == "none")
    mask(tmp_path / "lab" / "controls" / "p11" / "lesion.nii.gz")
    done = write_case_table(tmp_path / "lab" / "patients", tmp_path / "again.tsv",
                            controls=tmp_path / "lab" / "controls")
    assert list(done.problems) == ["p11"] and "lesion.nii.gz" in done.problems["p11"]
    assert rows(tmp_path / "again.tsv")["p11"]["label"] == ""
    patients(tmp_path / "lab" / "controls", number=1, lesion="")
    done = write_case_table(tmp_path / "lab" / "patients", tmp_path / "third.tsv",
                            controls=tmp_path / "lab" / "controls")
    assert "p1" in done.problems and "controls" in done.problems["p1"]


@pytest.mark.parametrize("name, why", [
    ("lesion_2.nii.gz", "2 files that may be its lesion mask"), ("brain_mask.nii.gz", ""), ("T1_brain.nii.gz", "")])
def test_several_masks_are_a_problem_and_a_brain_mask_is_none(tmp_path, name, why):
    folder = patients(tmp_path / "scans", number=2)
    mask(folder / "p1" / name)
    done = write_case_table(folder, tmp_path / "cases.tsv")
    assert bool(done.problems) == bool(why)
    row = rows(tmp_path / "cases.tsv")["p1"]
    if why:
        assert why in done.problems["p1"] and name in done.problems["p1"] and "--mask-name" in done.problems["p1"]
        assert row["label"] == ""
        done = write_case_table(folder, tmp_path / "named.tsv", mask_name="_2")
        assert rows(tmp_path / "named.tsv")["p1"]["label"] == f"scans/p1/{name}" and set(done.problems) == {"p2"}
    else:
        assert row["label"] == "scans/p1/lesion.nii.gz"


@pytest.mark.parametrize("pattern", ["{case}/{kind}.nii.gz", "{case}_{kind}.nii.gz"])
def test_masks_with_a_name_of_ones_own(tmp_path, pattern):
    folder = patients(tmp_path / "scans", pattern, number=2, lesion="FCD")
    done = write_case_table(folder, tmp_path / "cases.tsv")
    assert {"p1", "p2"} <= set(done.problems)
    done = write_case_table(folder, tmp_path / "named.tsv", mask_name="fcd")
    assert not done.problems and set(rows(tmp_path / "named.tsv")) == {"p1", "p2"}
    assert rows(tmp_path / "named.tsv")["p2"]["label"] == f"scans/{pattern.format(case='p2', kind='FCD')}"


def test_masks_in_another_folder_that_belong_to_nobody_are_reported(tmp_path):
    folder = patients(tmp_path / "scans", number=2, lesion="")
    for name in ("p1", "p2", "p3"):
        mask(tmp_path / "drawn" / f"{name}.nii.gz")
    done = write_case_table(folder, tmp_path / "cases.tsv", masks=tmp_path / "drawn")
    assert list(done.problems) == ["p3"] and "p3.nii.gz" in done.problems["p3"]
    assert rows(tmp_path / "cases.tsv")["p2"]["label"] == "drawn/p2.nii.gz"


@pytest.mark.parametrize("change, why", [
    ({"value": 2}, "expected the labels 0 .* and 1"),
    ({"value": 0}, "empty"),
    ({"affine": np.eye(4)}, r"same shape as the FLAIR .*header"),
    ({"affine": FLAIR_GRID @ np.diag([-1, 1, 1, 1])}, r"same shape as the FLAIR .*header"),
    ({"affine": np.diag([8.0, 8, 8, 1]), "shape": (20, 20, 21), "box": slice(2, 19)}, r"2515\.5 ml"),
])
def test_a_mask_that_cannot_be_the_lesion_is_not_entered(tmp_path, change, why):
    folder = patients(tmp_path / "scans", number=2)
    mask(folder / "p2" / "lesion.nii.gz", **change)
    done = write_case_table(folder, tmp_path / "cases.tsv")
    assert list(done.problems) == ["p2"] and re.search(why, done.problems["p2"])
    assert "lesion.nii.gz" in done.problems["p2"]
    assert rows(tmp_path / "cases.tsv")["p2"]["label"] == ""


def test_a_mask_on_the_flairs_voxels_with_turned_axes_is_accepted(tmp_path):
    folder = patients(tmp_path / "scans", number=2)
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = SHAPES["FLAIR"][0] - 1
    mask(folder / "p2" / "lesion.nii.gz", affine=FLAIR_GRID @ flip)
    done = write_case_table(folder, tmp_path / "cases.tsv")
    assert not done.problems and done.cases["p2"].drawn_on == ("FLAIR",)


def test_volume_side_and_grid_of_each_mask_are_stated(tmp_path, capsys):
    folder = patients(tmp_path / "scans", number=3)
    mask(folder / "p2" / "lesion.nii.gz", affine=T1_GRID, shape=SHAPES["T1w"], box=slice(12, 16))  # x is 4 to 10
    assert main(["-i", str(folder), "-o", str(tmp_path / "cases.tsv")]) == 1  # not all on one scan
    lines = {line.split(":")[0]: line for line in capsys.readouterr().out.splitlines() if line.startswith("p")}
    assert "p2/lesion.nii.gz, 0.5 ml, on the T1w, x 7 mm (right)" in lines["p2"]
    assert "p1/lesion.nii.gz, 0.5 ml, on the FLAIR, x -13 mm (left)" in lines["p1"]


def test_the_command_ends_with_the_conversion_that_fits_the_masks(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    patients(tmp_path / "my scans")
    assert main(["-i", "my scans", "-o", "cases.tsv"]) == 0
    out = capsys.readouterr().out
    assert "8 cases" in out and "6 train, 1 selection, 1 test" in out
    assert "--label-on FLAIR" in out
    assert convert(["pairs", "-i", "cases.tsv", "-o", "raw", "--space", "none", "--label-on", "FLAIR"]) == 0
    mask(tmp_path / "my scans" / "p3" / "lesion.nii.gz", affine=T1_GRID, shape=SHAPES["T1w"])
    assert main(["-i", "my scans", "-o", "mixed.tsv"]) == 1
    text = capsys.readouterr()
    assert "7 masks are on the FLAIR's grid, 1 on the T1w's (p3)" in text.err


def test_a_case_without_scans_keeps_its_row_and_stops_the_conversion_of_it_alone(tmp_path, capsys):
    folder = patients(tmp_path / "scans", number=5)
    (folder / "p4" / "FLAIR.nii.gz").unlink()
    assert main(["-i", str(folder), "-o", str(tmp_path / "cases.tsv")]) == 1
    text = capsys.readouterr()
    assert "p4" in text.err and "one T1w and one FLAIR" in text.err and "--pair " not in text.err
    row = rows(tmp_path / "cases.tsv")["p4"]
    assert row["FLAIR"] == "" and row["label"] == "scans/p4/lesion.nii.gz" and row["split"]


@pytest.mark.parametrize("make, match", [
    (lambda root: None, "no such folder"), (lambda root: root.mkdir(), "expected NIfTI files"),
    (lambda root: (root / "p1").mkdir(parents=True), "expected NIfTI files")])
def test_a_folder_without_scans(tmp_path, make, match):
    make(tmp_path / "scans")
    with pytest.raises(NnunetTVError, match=match):
        write_case_table(tmp_path / "scans", tmp_path / "cases.tsv")
    assert not (tmp_path / "cases.tsv").exists()


def test_groups_below_one_folder_and_names_without_a_common_part_are_reported(tmp_path):
    patients(tmp_path / "lab" / "patients", number=2)
    patients(tmp_path / "lab" / "controls", number=2, lesion="", start=11)
    done = write_case_table(tmp_path / "lab", tmp_path / "cases.tsv")
    assert set(done.problems) == set(done.cases) == {"patients", "controls"}
    assert "patients/p1/T1w.nii.gz" in done.problems["patients"]
    scan(tmp_path / "flat" / "smith_T1w.nii.gz", "T1w")
    scan(tmp_path / "flat" / "smith_FLAIR.nii.gz", "FLAIR")
    mask(tmp_path / "flat" / "lesion_17.nii.gz")
    done = write_case_table(tmp_path / "flat", tmp_path / "flat.tsv")
    assert set(done.problems) == {"smith", "17"} and rows(tmp_path / "flat.tsv")["smith"]["label"] == ""

"""The section of the cohort map, from the command to the page."""

import csv
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
import scored_folders
from output_folders import snapshot

from nnunet_tv.cli.report import main
from nnunet_tv.utils.files import write_json

SHAPE = (36, 40, 38)
#: Stored from right to left, as most scanners do.
AFFINE = np.array([[-4.0, 0, 0, 70], [0, 4, 0, -80], [0, 0, 4, -70], [0, 0, 0, 1]])


def save(folder, case, data, affine=AFFINE):
    scored_folders.save(folder, case, np.asarray(data, np.uint8), affine)


def ball(centre_mm, radius_mm):
    points = nib.affines.apply_affine(AFFINE, np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1))
    return ((points - centre_mm) ** 2).sum(axis=-1) <= radius_mm ** 2


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Eight patients and four controls; a false cluster at the left in six of the patients and two of the controls."""
    root, rng = tmp_path_factory.mktemp("cohort"), np.random.default_rng(2)
    for number in range(12):
        case = f"{'sub' if number < 8 else 'con'}-{number:02}"
        lesion = ball(rng.uniform(-40, 40, 3), 12)
        planted = ball((-48, 8, -20), 14) if number % 4 else np.zeros(SHAPE, bool)
        other = ball(rng.uniform(-50, 50, 3), 12)
        if number < 8:
            save(root / "ref", case, lesion)
            save(root / "pred", case, lesion | planted | other)
            flipped, affine = (lesion | other)[::-1], AFFINE.copy()
            affine[:3, 3] += affine[:3, 0] * (SHAPE[0] - 1)
            affine[:3, 0] *= -1
            save(root / "second", case, flipped, affine)
        elif number < 10:
            save(root / "controls", case, np.zeros(SHAPE))
        else:
            save(root / "controls", case, planted)
    return root


@pytest.fixture(scope="module")
def out(study):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(study)
        assert main(["--ref", "ref", "--pred", "a/b=pred", "a/b=second", "--pred", "B=second", "--controls",
                     "a/b=controls", "-np", "1", "-o", "out"]) == 0
    return study / "out"


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_planted_cluster_is_flagged_and_nothing_else(out):
    assert [row["Places flagged"] for row in rows_of(out / "tables" / "cohort-maps.csv")] == ["1", "1", "0", "0"]
    for row in rows_of(out / "tables" / "cohort-places.csv"):
        assert (row["Group"], row["Marked in"], row["of subjects"], row["by a false cluster"],
                row["of these controls"]) == ("a/b", "8", "12", "8", "2")
        assert [float(row[f"{axis} (mm)"]) for axis in "xyz"] == pytest.approx([-48, 8, -20], abs=3)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "a/b, raw: 8 of 12 subjects have a false cluster at one place" in page and "B, raw: 8" not in page


def test_the_map_counts_subjects_and_not_runs(out):
    image = nib.load(out / "cohort" / "a_b_raw.nii.gz")
    data = np.asarray(image.dataobj)
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S") and data.max() == 8
    x = nib.affines.apply_affine(image.affine, np.argwhere(data == 8))[:, 0]
    assert (x < 0).all()
    expected = sum(np.asarray(nib.as_closest_canonical(nib.load(path)).dataobj, int)
                   for path in sorted((out.parent / "second").iterdir()))
    np.testing.assert_array_equal(np.asarray(nib.load(out / "cohort" / "B_raw.nii.gz").dataobj), expected)
    assert {path.name for path in (out / "cohort").iterdir()} == {
        f"{name}_{stage}{ending}" for name in ("a_b", "B") for stage in ("raw", "filtered")
        for ending in (".nii.gz", ".png")}


def test_the_section_is_made_again_from_the_record(out, tmp_path):
    assert main(["--from", str(out), "-o", str(tmp_path / "again")]) == 0
    before, after = snapshot(out), snapshot(tmp_path / "again")
    names = [name for name in before if name.startswith(("cohort/", "tables/"))]
    assert any(name.startswith("cohort/") for name in names) and any("cohort-places" in name for name in names)
    assert {name: after.get(name) for name in names} == {name: before[name] for name in names}
    shutil.copy(out / "report.json", tmp_path)
    assert main(["--from", str(tmp_path / "report.json"), "-o", str(tmp_path / "alone")]) == 0
    page = (tmp_path / "alone" / "report.html").read_text(encoding="utf-8")
    assert "No pictures: none were found" in page[page.index('id="cohort"'):]
    assert not (tmp_path / "alone" / "cohort").exists()


def test_without_a_common_grid_the_reason_is_given(study, tmp_path, monkeypatch):
    monkeypatch.chdir(study)
    moved = AFFINE.copy()
    moved[2, 3] += 4
    save(tmp_path / "controls", "con-90", np.zeros(SHAPE), moved)
    assert main(["--ref", "ref", "--pred", "B=second", "--controls", f"B={tmp_path / 'controls'}", "-np", "1", "-o",
                 str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "There is no map of all predictions together: sub-00 is on a grid of" in page and "con-90 on one of" in page
    assert not (tmp_path / "out" / "cohort").exists()
    assert main(["--from", str(tmp_path / "out"), "-o", str(tmp_path / "again")]) == 0
    assert "con-90 on one of" in (tmp_path / "again" / "report.html").read_text(encoding="utf-8")


def test_predictions_without_any_voxel_have_a_map_and_no_picture(study, tmp_path, monkeypatch):
    monkeypatch.chdir(study)
    for path in (study / "ref").iterdir():
        save(tmp_path / "empty", path.name.removesuffix(".nii.gz"), np.zeros(SHAPE))
    assert main(["--ref", "ref", "--pred", f"E={tmp_path / 'empty'}", "-np", "1", "-o", str(tmp_path / "out")]) == 0
    assert not np.asarray(nib.load(tmp_path / "out/cohort/E_raw.nii.gz").dataobj).any()
    assert not (tmp_path / "out/cohort/E_raw.png").exists()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "No place is marked in more subjects than chance allows." in page


def test_two_subjects_cannot_show_a_constant_cluster(study, tmp_path, monkeypatch):
    monkeypatch.chdir(study)
    for folder in ("ref", "pred"):
        for case in ("sub-01", "sub-02"):
            (tmp_path / folder).mkdir(exist_ok=True)
            shutil.copy(study / folder / f"{case}.nii.gz", tmp_path / folder)
    assert main(["--ref", str(tmp_path / "ref"), "--pred", f"A={tmp_path / 'pred'}", "-np", "1", "-o",
                 str(tmp_path / "out")]) == 0
    assert {row["Limit of chance"] for row in rows_of(tmp_path / "out" / "tables" / "cohort-maps.csv")} == {"none"}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "no number of subjects would be beyond chance" in page and "No place is marked in more" not in page


def test_folds_of_a_model_have_a_map(study, tmp_path, monkeypatch):
    model = tmp_path / "results" / "DatasetFCD" / "nnUNetTrainerDiceTV__nnUNetPlans__3d_fullres"
    cases = sorted(path.name.removesuffix(".nii.gz") for path in (study / "ref").iterdir())
    monkeypatch.setenv("nnUNet_preprocessed", str(tmp_path / "pre"))
    shutil.copytree(study / "ref", tmp_path / "pre" / "DatasetFCD" / "gt_segmentations")
    write_json([{"train": [], "val": part} for part in (cases[:4], cases[4:])],
               tmp_path / "pre" / "DatasetFCD" / "splits_final.json")
    for fold, part in enumerate((cases[:4], cases[4:])):
        for case in part:
            (model / f"fold_{fold}" / "validation").mkdir(parents=True, exist_ok=True)
            shutil.copy(study / "pred" / f"{case}.nii.gz", model / f"fold_{fold}" / "validation")
    assert main(["--model", f"CV={model}", "-np", "1", "-o", str(tmp_path / "out")]) == 0
    (raw, _) = json.loads((tmp_path / "out" / "report.json").read_text())["cohort"]["maps"]
    assert (raw["n_subjects"], raw["places"][0]["n_subjects"], raw["places"][0]["n_false"]) == (8, 6, 6)

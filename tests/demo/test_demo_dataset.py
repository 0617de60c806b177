"""Layout as published, agreement of files and records, interruption and repetition."""

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nnunet_tv.demo import dataset
from nnunet_tv.demo.dataset import make_dataset, plan_members
from nnunet_tv.demo.phantom import PhantomOptions
from nnunet_tv.demo.pose import Pose
from nnunet_tv.imaging.affine import transform
from nnunet_tv.imaging.volume import Volume, same_grid
from nnunet_tv.intake.find import find_cases
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json

COARSE = PhantomOptions(resolution_mm=5.0, lesion_radius_mm=(14.0, 18.0))
PUBLISHED = Path(__file__).parents[1] / "data" / "ds004199" / "participants.tsv"


def make(folder, **changes):
    arguments = {"patients": 4, "controls": 2, "seed": 3, "test": 1, "options": COARSE, "progress": False}
    return make_dataset(folder, **{**arguments, **changes})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "ds"
    make(folder)
    return folder


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_names_are_the_public_data_sets(made):
    pattern = re.compile(r"sub-\d{5}/anat/sub-\d{5}_acq-\w+_(T1w|FLAIR)(_roi)?\.(nii\.gz|json)"
                         r"|participants\.(tsv|json)|dataset_description\.json|README|\.bidsignore"
                         r"|derivatives/phantom/(sub-\d{5}|settings)\.json")
    assert [name for name in contents(made) if not pattern.fullmatch(name)] == []
    for ending, count in (("_T1w.nii.gz", 6), ("_FLAIR.nii.gz", 6), ("_FLAIR_roi.nii.gz", 4), (".json", 12)):
        assert len(list(made.glob(f"sub-*/anat/*{ending}"))) == count
    odd = [mask.name for mask in made.glob("sub-*/anat/*_roi.nii.gz")
           if not mask.with_name(mask.name.replace("_roi", "")).exists()]
    assert len(odd) == 1 and "acq-32ch10_FLAIR_roi" in odd[0]


def test_participants_as_published(made):
    raw = (made / "participants.tsv").read_bytes()
    assert raw.splitlines()[0] == PUBLISHED.read_bytes().splitlines()[0]
    assert raw.count(b"\n") == raw.count(b"\r\n") == 7
    table = pd.read_csv(made / "participants.tsv", sep="\t", encoding="utf-8-sig", keep_default_na=False)
    patients, controls = table[table.group == "fcd"], table[table.group == "hc"]
    assert (len(patients), len(controls)) == (4, 2)
    assert list(patients.split).count("test") == 1 and set(controls.split) == {"train"}
    assert set(controls.hemisphere) == set(controls.histopathology) == {"n/a"}
    assert list(table.group) == ["fcd"] * 4 + ["hc"] * 2
    for row in table.itertuples():
        lesion = read_json(made / f"derivatives/phantom/{row.participant_id}.json")["lesion"]
        has_mask = bool(list(made.glob(f"{row.participant_id}/anat/*_roi.nii.gz")))
        assert has_mask == (row.group == "fcd") == (lesion is not None)
        if lesion:
            assert (row.hemisphere, row.lobe) == (lesion["hemisphere"], lesion["lobe"])
            assert row.histopathology in (lesion["histology"], "n/a")


def test_files_agree_with_the_record(made):
    """Hemisphere of every mask from the files alone: mask voxels, header, recorded pose."""
    for mask in made.glob("sub-*/anat/*_roi.nii.gz"):
        case = mask.name[:9]
        truth, image = read_json(made / f"derivatives/phantom/{case}.json"), nib.load(mask)
        points = transform(image.affine, np.argwhere(np.asarray(image.dataobj)).astype(float))
        side = Pose.from_json(truth["flair_pose"]).to_template(points).mean(0)[0]
        assert ("L" if side < 0 else "R") == truth["lesion"]["hemisphere"]
        flair = nib.load(next(mask.parent.glob("*_FLAIR.nii.gz")))
        same = same_grid(Volume(np.asarray(image.dataobj), image.affine),
                         Volume(np.asarray(flair.dataobj), flair.affine))
        assert same == ("32ch10" not in mask.name)


def test_sidecars_give_the_geometry(made):
    for path in made.glob("sub-*/anat/*.json"):
        content, image = read_json(path), nib.load(path.with_suffix("").with_suffix(".nii.gz"))
        assert content["SliceThickness"] == pytest.approx(image.header.get_zooms()[2], abs=1e-3)
        rows = np.array(content["ImageOrientationPatientDICOM"]).reshape(2, 3)
        axes = image.affine[:3, :2] / np.linalg.norm(image.affine[:3, :2], axis=0)
        assert rows[0] == pytest.approx([-axes[0, 0], -axes[1, 0], axes[2, 0]], abs=1e-5)
        assert rows[1] == pytest.approx([axes[0, 1], axes[1, 1], -axes[2, 1]], abs=1e-5)
        assert "phantom" in content["ManufacturersModelName"]


def test_the_scans_of_a_patient_are_recognised(made):
    """Two scans of the right contrast by their sidecars, and the mask is none of them."""
    for folder in sorted(made.glob("sub-*")):
        (case,) = find_cases(folder).cases
        assert case.problem == ""
        files = {channel: [path.name for path in scan.files] for channel, scan in case.pair.scans.items()}
        assert set(files) == {"T1w", "FLAIR"}
        for channel, (name,) in files.items():
            assert name.startswith(folder.name) and name.endswith(f"_{channel}.nii.gz")


def test_other_seeds_give_other_files_and_a_second_call_none(made, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in made.glob("sub-*/anat/*")}
    assert make(made) == [f"sub-{number:05d}" for number in range(1, 7)]
    assert {path: path.stat().st_mtime_ns for path in made.glob("sub-*/anat/*")} == before
    make(tmp_path / "other", seed=4, patients=3, controls=0, test=None)
    name = "derivatives/phantom/sub-00001.json"
    assert contents(tmp_path / "other")[name] != contents(made)[name]
    assert (tmp_path / "other/participants.tsv").read_text().count("\ttest") == 1  # a third is test by default


def test_an_interrupted_call_is_continued_to_the_same_files(made, tmp_path, monkeypatch):
    real, calls = dataset.write_volume, []

    def stop_at_the_fifth(volume, path):
        calls.append(path)
        if len(calls) == 5:
            path.with_name(f".partial-99999999-{path.name}").write_bytes(b"half")  # what a killed process leaves
            raise KeyboardInterrupt
        real(volume, path)

    monkeypatch.setattr(dataset, "write_volume", stop_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "ds")
    assert len(list(tmp_path.glob("ds/derivatives/phantom/sub-*.json"))) == 1
    monkeypatch.setattr(dataset, "write_volume", real)
    make(tmp_path / "ds")
    assert contents(tmp_path / "ds") == contents(made)


@pytest.mark.parametrize("wrong", [{"patients": 0, "test": 0}, {"controls": -1}, {"test": 5}, {"test": -1}])
def test_impossible_numbers(tmp_path, wrong):
    value = next(f"{key}={value}" for key, value in wrong.items())
    with pytest.raises(NnunetTVError, match=rf"expected at least one patient.*{value}"):
        make(tmp_path / "ds", **wrong)
    assert not (tmp_path / "ds").exists()


def test_folders_of_something_else(made, tmp_path):
    with pytest.raises(NnunetTVError, match=r"made differently \(seed: 3 there, 5 now\): choose another folder"):
        make(made, seed=5)
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(NnunetTVError, match=r"expected an empty or new folder, found 1 entries"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


@pytest.mark.parametrize("patients", [4, 16, 85])
def test_all_protocols_and_one_odd_mask_are_planned(patients):
    members = plan_members(patients=patients, controls=3, seed=1, test=2)
    assert sum(member.patient for member in members) == patients
    assert {member.protocol.flair for member in members if member.patient} == {
        "T2sel", "tse3dvfl", "traAcpc4mm", "cor3mmOPT"}
    assert sum(member.odd_roi for member in members) == 1
    assert sum(member.test for member in members) == 2
    assert all(member.patient for member in members if member.test or member.odd_roi)

"""Phantoms in the layouts of the other data sets: names, truth, repetition, and that the converter takes all of it."""

import re
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from nnunet_tv.cli.convert import main as convert
from nnunet_tv.demo import bonbid, brain_mets, pairs, phantom
from nnunet_tv.demo.anatomy import load_anatomy
from nnunet_tv.demo.pose import Pose
from nnunet_tv.demo.walkthrough import DATA, FAST, FULL
from nnunet_tv.imaging.volume import read_volume, same_grid
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json

NEW = [name for name in DATA if name != "ds004199"]
PATTERNS = {
    "bonbid-hie": r"BONBID2023_(Train|Val)/(1ADC_ss/(MGHNICU_\d{3}-VISIT_01)-ADC_ss|"
                  r"2Z_ADC/Zmap_MGHNICU_\d{3}-VISIT_01-ADC_smooth2mm_clipped10|"
                  r"3LABEL/MGHNICU_\d{3}-VISIT_01_lesion)\.mha",
    "brain-mets-lung": r"(PHANTOM_\d{3})/\1_(t1ce_img|flair_img|core_seg|whole_seg)\.nii(\.gz)?",
    "pairs": r"scans/[ph]\d\d_(t1|flair|lesion)\.nii\.gz|table\.tsv",
}


@pytest.fixture(scope="module", autouse=True)
def coarse():
    """Anatomy at 5 mm: quick, and coarse enough that lesions are a few voxels."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (bonbid, brain_mets, phantom):
            patch.setattr(module, "load_anatomy", lambda resolution_mm: load_anatomy(5.0))
        yield


def make(name, folder, **changes):
    controls = 1 if name == "pairs" else 0
    arguments = {"patients": 4, "controls": controls, "test": 1, "seed": 3, "progress": False}
    return import_module(DATA[name].module).make_dataset(folder, **{**arguments, **changes})


@pytest.fixture(scope="module", params=NEW)
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "ds"
    return request.param, folder, make(request.param, folder)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_names_are_the_data_sets(made):
    name, folder, cases = made
    names = [path for path in contents(folder) if not path.startswith(".phantoms/")]
    assert [path for path in names if not re.fullmatch(PATTERNS[name], path)] == []
    assert len(names) == {"bonbid-hie": 12, "brain-mets-lung": 16, "pairs": 15}[name]
    assert sorted(path.stem for path in (folder / ".phantoms").iterdir()) == sorted([*cases, "settings"])


def test_equal_bytes_from_equal_seeds_and_a_second_call_rewrites_no_image(made, tmp_path):
    name, folder, cases = made
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nii*")}
    assert make(name, folder) == cases
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.nii*")} == before
    make(name, tmp_path / "again")
    assert contents(tmp_path / "again") == contents(folder)
    make(name, tmp_path / "other", seed=4, patients=2)
    record = f".phantoms/{cases[0]}.json"
    assert contents(tmp_path / "other")[record] != contents(folder)[record]


def test_interrupted_and_continued_is_the_same(made, tmp_path, monkeypatch):
    name, folder, _ = made
    module = import_module(DATA[name].module)
    writer = "write_metaimage" if name == "bonbid-hie" else "write_volume"
    real, calls = getattr(module, writer), []

    def stop_at_the_fifth(*arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(module, writer, stop_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        make(name, tmp_path / "ds")
    monkeypatch.setattr(module, writer, real)
    make(name, tmp_path / "ds")
    assert contents(tmp_path / "ds") == contents(folder)


def test_other_settings_in_the_same_folder_and_impossible_numbers(made, tmp_path):
    name, folder, _ = made
    with pytest.raises(NnunetTVError, match=r"made differently \(seed: 3 there, 5 now\): choose another folder"):
        make(name, folder, seed=5)
    with pytest.raises(NnunetTVError, match=r"expected at least one patient.*patients=0"):
        make(name, tmp_path / "ds", patients=0, test=0)
    (tmp_path / "thesis.doc").write_text("mine")
    with pytest.raises(NnunetTVError, match=r"expected an empty or new folder, found 1 entries"):
        make(name, tmp_path)


def test_the_converter_takes_all_of_it_and_lesions_are_where_the_truth_has_them(made, tmp_path):
    """Side and place of every label from nnU-Net's file alone, read by ITK, against the recorded pose."""
    name, folder, cases = made
    data = DATA[name]
    if name == "brain-mets-lung":
        make(name, folder := tmp_path / "five", patients=5)  # the seeded split of four has no test
        cases = [f"PHANTOM_{number:03d}" for number in range(1, 6)]
    assert convert([name, "-i", str(folder / data.source), "-o", str(tmp_path), *data.convert, "--repeats", "1",
                    "-np", "1"]) == 0
    raw = tmp_path / data.dataset
    assert set(pd.read_csv(raw / "conversion.tsv", sep="\t")["case"]) == set(cases)
    assert len(list((raw / "labelsTs").iterdir())) >= 1
    for path in raw.glob("labels*/*.nii.gz"):
        truth = read_json(folder / ".phantoms" / f"{path.name[:-7]}.json")
        image = sitk.ReadImage(str(path))
        indices = np.argwhere(sitk.GetArrayFromImage(image))[:, ::-1]
        assert bool(len(indices)) == (truth["lesion"] is not None)
        if len(indices):
            centre = indices.mean(axis=0)
            lps = image.TransformContinuousIndexToPhysicalPoint(centre.tolist())
            pose = Pose.from_json(truth["t1_pose"] if "t1_pose" in truth else truth["pose"])
            found = pose.to_template(np.array([lps]) * (-1, -1, 1))[0]
            assert ("L" if found[0] < 0 else "R") == truth["lesion"]["hemisphere"], path
            assert np.linalg.norm(found - truth["lesion"]["centre_mm"]) < 1.5 * truth["lesion"]["radius_mm"], path


def test_bonbid_is_one_grid_without_skull_and_low_in_the_lesion(tmp_path):
    (case, _) = make("bonbid-hie", tmp_path / "ds", patients=2)
    part = tmp_path / "ds" / "BONBID2023_Val"
    adc, zmap, label = (read_volume(next((part / folder).iterdir()), case=case)
                        for folder in ("1ADC_ss", "2Z_ADC", "3LABEL"))
    assert same_grid(adc, zmap) and same_grid(adc, label)
    inside = label.data > 0
    assert np.abs(zmap.data).max() <= 10 and zmap.data[inside].mean() < -1
    assert abs(zmap.data[(adc.data > 0) & ~inside].mean()) < 0.3
    assert adc.data[inside].mean() < 0.85 * np.median(adc.data[adc.data > 0])
    brain_ml = (adc.data > 0).sum() * np.prod(adc.spacing_mm) / 1000
    assert 450 < brain_ml < 900  # the template's 1.9 litres (with its fluid) times 0.72 cubed


def test_whole_holds_core_and_own_grids_are_met(tmp_path):
    first, second = make("brain-mets-lung", tmp_path / "ds", patients=2, test=0)
    for case, ending, own in ((first, ".nii", False), (second, ".nii.gz", True)):
        t1c, flair, core, whole = (read_volume(tmp_path / "ds" / case / f"{case}_{kind}{ending}", case=case)
                                   for kind in ("t1ce_img", "flair_img", "core_seg", "whole_seg"))
        assert same_grid(t1c, flair) != own and same_grid(core, flair) and same_grid(whole, flair)
        assert (whole.data >= core.data).all() and whole.data.sum() > 1.5 * core.data.sum() > 0
        edema = (whole.data > 0) & (core.data == 0)
        assert flair.data[edema].mean() > 1.1 * np.median(flair.data[flair.data > 0])


def test_validation_numbers_are_the_published_ones():
    members = bonbid.plan_members(10, 4)
    assert [member.number for member in members if member.part == "BONBID2023_Val"] == [1, 2, 302, 436]
    assert len({member.case for member in members}) == 10
    for scale in (FAST, FULL):
        members = bonbid.plan_members(scale.patients, scale.test)
        assert [member.part for member in members].count("BONBID2023_Val") == scale.test
        assert len({member.case for member in members}) == scale.patients


def test_the_table_names_what_is_there(tmp_path):
    make("pairs", tmp_path / "ds")
    table = pd.read_csv(tmp_path / "ds" / pairs.TABLE, sep="\t")
    assert list(table.columns) == ["case", "T1w", "FLAIR", "label", "split"]
    assert list(table["split"]) == ["test", "train", "train", "train", "test"] and table["label"].iloc[-1] == "none"
    for cell in [*table["T1w"], *table["FLAIR"], *table["label"][:-1]]:
        assert (tmp_path / "ds" / cell).is_file()

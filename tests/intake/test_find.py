"""Folders as people keep them: which cases they hold, what is said where it is not clear."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_tv.intake.find import find_cases
from nnunet_tv.intake.layout import case_name
from nnunet_tv.intake.manual_pairs import read_manual_pairs
from nnunet_tv.utils.errors import NnunetTVError


def scan(path: Path, *, shape=(16, 16, 16), spacing=(1.0, 1.0, 1.0), sidecar: dict | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.diag([*spacing, 1.0])), path)
    if sidecar is not None:
        Path(str(path).replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))
    return path


def pairs(root: Path, **options) -> dict[str, tuple[str, str] | str]:
    """Labels of the pair, or the problem, by case."""
    return {case.case: tuple(one.label for one in case.pair.scans.values()) if case.pair else case.problem
            for case in find_cases(root, **options).cases}


def test_a_bids_tree(tmp_path):
    for name in ("sub-01/ses-1", "sub-01/ses-2", "sub-gt"):
        stem = name.replace("/", "_")
        scan(tmp_path / name / "anat" / f"{stem}_acq-iso08_T1w.nii.gz")
        scan(tmp_path / name / "anat" / f"{stem}_acq-T2sel_FLAIR.nii.gz")
        scan(tmp_path / name / "anat" / f"{stem}_acq-T2sel_FLAIR_roi.nii.gz")
        scan(tmp_path / name / "anat" / f"{stem}_ce-gadolinium_T1w.nii.gz")
        scan(tmp_path / name / "dwi" / f"{stem}_dwi.nii.gz")
    scan(tmp_path / "derivatives" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    assert pairs(tmp_path) == {
        "sub-01_ses-1": ("sub-01/ses-1/anat/sub-01_ses-1_acq-iso08_T1w.nii.gz",
                         "sub-01/ses-1/anat/sub-01_ses-1_acq-T2sel_FLAIR.nii.gz"),
        "sub-01_ses-2": ("sub-01/ses-2/anat/sub-01_ses-2_acq-iso08_T1w.nii.gz",
                         "sub-01/ses-2/anat/sub-01_ses-2_acq-T2sel_FLAIR.nii.gz"),
        "sub-gt": ("sub-gt/anat/sub-gt_acq-iso08_T1w.nii.gz", "sub-gt/anat/sub-gt_acq-T2sel_FLAIR.nii.gz"),
    }


def test_the_public_data_sets_real_list(tmp_path):
    lines = (Path(__file__).parents[1] / "data" / "ds004199" / "files.txt").read_text().splitlines()
    for line in lines:
        if line.endswith(".nii.gz"):
            (tmp_path / line).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / line).symlink_to("content that was never downloaded")
    found = pairs(tmp_path)
    assert len(found) == 170 and all(isinstance(pair, tuple) for pair in found.values())
    assert all(t1.endswith("_T1w.nii.gz") and flair.endswith("_FLAIR.nii.gz") for t1, flair in found.values())


@pytest.mark.parametrize("files, expected", [
    (["pat01/T1.nii.gz", "pat01/FLAIR.nii.gz", "pat 2/x_mprage.nii", "pat 2/x_flair.nii"], ["pat-2", "pat01"]),
    (["p/T1/scan.nii.gz", "p/FLAIR/scan.nii.gz", "q/T1/scan.nii.gz", "q/FLAIR/scan.nii.gz"], ["p", "q"]),
    (["T1/anna.nii.gz", "FLAIR/anna.nii.gz"], ["anna"]),
    (["anna_T1.nii.gz", "anna_FLAIR.nii.gz", "T1_bert.nii.gz", "FLAIR_bert.nii.gz"], ["anna", "bert"]),
    (["anna_3D_FLAIR_sag.nii", "anna_3D_T1_MPRAGE.nii"], ["anna"]),
    (["wrap/p/T1.nii.gz", "wrap/p/FLAIR.nii.gz", "wrap/q/T1.nii.gz", "wrap/q/FLAIR.nii.gz"], ["p", "q"]),
    (["study/lesion03/lesion03_T1.nii.gz", "study/lesion03/lesion03_FLAIR.nii.gz"], ["lesion03"]),
    (["p/T1.nii.gz", "p/FLAIR.nii.gz", "p/old/._T1.nii.gz", "p/.cache/T1.nii.gz"], ["p"]),
])
def test_folders_of_patients_and_flat_folders(tmp_path, files, expected):
    for name in files:
        scan(tmp_path / name)
    found = pairs(tmp_path)
    assert sorted(found) == expected and all(isinstance(pair, tuple) for pair in found.values()), found
    for case, (t1, flair) in found.items():
        assert case_name(case) == case and t1 != flair


def test_files_named_by_contrast_alone_are_the_folders(tmp_path):
    scan(tmp_path / "Müller Hans" / "T1.nii.gz")
    scan(tmp_path / "Müller Hans" / "FLAIR.nii.gz")
    assert pairs(tmp_path / "Müller Hans") == {"Muller-Hans": ("T1.nii.gz", "FLAIR.nii.gz")}


def test_two_people_are_never_paired(tmp_path):
    scan(tmp_path / "anna_T1.nii.gz")
    scan(tmp_path / "bert_FLAIR.nii.gz")
    found = pairs(tmp_path)
    assert "found none that is FLAIR" in found["anna"] and "found none that is T1w" in found["bert"]


def test_ambiguity_lists_what_was_seen_and_costs_only_its_case(tmp_path):
    for name in ("T1_a", "T1_b", "FLAIR", "T1_post_gd", "lesion_mask"):
        scan(tmp_path / "p" / f"{name}.nii.gz")
    scan(tmp_path / "q" / "T1.nii.gz")
    scan(tmp_path / "q" / "FLAIR.nii.gz")
    scan(tmp_path / "r" / "T1.nii.gz")
    found = pairs(tmp_path)
    assert found["q"] == ("q/T1.nii.gz", "q/FLAIR.nii.gz")
    assert "expected one T1w and one FLAIR, found two that are T1w. Seen:" in found["p"]
    for line in ("p/T1_a.nii.gz: T1w: the name says 't1' (16x16x16)", "p/T1_post_gd.nii.gz: other: with contrast agent",
                 "p/lesion_mask.nii.gz: other: a mask or segmentation", "--pair p,T1,FLAIR", "--pairs TABLE"):
        assert line in found["p"]
    assert "found none that is FLAIR" in found["r"]


@pytest.mark.parametrize("names, example", [
    (("FLAIR", "T1_a", "T1_b"), "(such as --pair 'p,p/T1_a.nii.gz,p/FLAIR.nii.gz')"),
    (("FLAIR_a", "FLAIR_b", "x_scan"), "(such as --pair 'p,p/x_scan.nii.gz,p/FLAIR_a.nii.gz')"),
    (("a", "b"), "(such as --pair 'p,p/a.nii.gz,p/b.nii.gz')"),
    (("T1_a", "T1_b"), ""),
    (("FLAIR",), ""),
])
def test_the_example_of_a_pair_never_swaps_the_scans(tmp_path, names, example):
    for name in names:
        scan(tmp_path / "p" / f"{name}.nii.gz")
    problem = pairs(tmp_path)["p"]
    assert f"--pair p,T1,FLAIR{' ' + example if example else ''}, or a row" in problem


def test_a_pair_that_looks_swapped_is_noted(tmp_path):
    for name in ("T1", "FLAIR", "x"):
        scan(tmp_path / "p" / f"{name}.nii.gz")
    swapped = find_cases(tmp_path, manual_pairs=read_manual_pairs(["p,FLAIR.nii.gz,T1.nii.gz"])).cases[0].pair
    assert swapped.scans["T1w"].label == "p/FLAIR.nii.gz"
    assert swapped.notes == (
        "p/FLAIR.nii.gz is pinned as T1w, but looks like a FLAIR (the name says 'flair'): are they mixed up?",
        "p/T1.nii.gz is pinned as FLAIR, but looks like a T1w (the name says 't1'): are they mixed up?")
    assert find_cases(tmp_path, manual_pairs=read_manual_pairs(["p,x.nii.gz,FLAIR.nii.gz"])).cases[0].pair.notes == ()


def test_4d_and_localisers_are_told(tmp_path):
    scan(tmp_path / "p" / "T1.nii.gz", shape=(16, 16, 16, 4))
    scan(tmp_path / "p" / "FLAIR.nii.gz", shape=(64, 64, 3))
    problem = pairs(tmp_path)["p"]
    assert "none that is T1w and none that is FLAIR" in problem
    assert "a series of 4 volumes (shape 16x16x16x4)" in problem and "only 3 slices: a localiser" in problem


def test_volumes_are_preferred_and_the_rest_is_noted(tmp_path):
    scan(tmp_path / "p" / "T1.nii.gz")
    scan(tmp_path / "p" / "T1_brain.nii.gz")
    scan(tmp_path / "p" / "3D_FLAIR.nii.gz")
    scan(tmp_path / "p" / "cor_FLAIR.nii.gz", spacing=(1, 1, 4))
    case = find_cases(tmp_path).cases[0]
    assert [one.label for one in case.pair.scans.values()] == ["p/T1.nii.gz", "p/3D_FLAIR.nii.gz"]
    assert case.pair.notes == ("p/T1_brain.nii.gz looks like a T1w too and was passed over (2D, or a copy)",
                                 "p/cor_FLAIR.nii.gz looks like a FLAIR too and was passed over (2D, or a copy)")


def test_sidecars_tell_what_names_do_not(tmp_path):
    scan(tmp_path / "p" / "a.nii.gz", sidecar={"EchoTime": 0.00254, "InversionTime": 0.85, "MRAcquisitionType": "3D"})
    scan(tmp_path / "p" / "b.nii.gz", sidecar={"EchoTime": 0.388, "InversionTime": 1.8, "SequenceName": "*spcir_278"})
    scan(tmp_path / "p" / "c.nii.gz", sidecar={"SeriesDescription": "T1 MPRAGE", "ContrastBolusAgent": "Gadovist"})
    scan(tmp_path / "p" / "d.nii.gz", sidecar={"SeriesDescription": "T1", "ImageType": ["DERIVED", "SECONDARY"]})
    (tmp_path / "p" / "e.json").write_text("[not a sidecar")
    scan(tmp_path / "p" / "e.nii.gz")
    assert pairs(tmp_path) == {"p": ("p/a.nii.gz", "p/b.nii.gz")}


def test_pins_choose_and_take_scans_out_of_other_cases(tmp_path):
    for name in ("T1_a", "T1_b", "FLAIR"):
        scan(tmp_path / "p" / f"{name}.nii.gz")
    scan(tmp_path / "anna_T1.nii.gz")
    scan(tmp_path / "07_FLAIR.nii.gz")
    table = tmp_path / "pairs.tsv"
    table.write_text("case\tflair\tt1\tnotes\nanna\t07_FLAIR.nii.gz\tanna_T1.nii.gz\tx\nother\t\t\tfailed\n")
    manual_pairs = read_manual_pairs(["p,T1_b.nii.gz,p/FLAIR.nii.gz"], table)
    assert pairs(tmp_path, manual_pairs=manual_pairs) == {"p": ("p/T1_b.nii.gz", "p/FLAIR.nii.gz"),
                                          "anna": ("anna_T1.nii.gz", "07_FLAIR.nii.gz")}


@pytest.mark.parametrize("pin, message", [
    ("p,nothing.nii.gz,FLAIR.nii.gz", "the pair names 'nothing.nii.gz', which is no NIfTI file below"),
    ("p,p/T1.nii.gz,p/T1.nii.gz", "the pair names p/T1.nii.gz as T1w and as FLAIR"),
])
def test_pins_that_do_not_fit_fail_their_case(tmp_path, pin, message):
    scan(tmp_path / "p" / "T1.nii.gz")
    scan(tmp_path / "p" / "FLAIR.nii.gz")
    assert message in pairs(tmp_path, manual_pairs=read_manual_pairs([pin]))["p"]


def test_a_pin_whose_case_is_no_file_name(tmp_path):
    scan(tmp_path / "T1.nii.gz")
    scan(tmp_path / "FLAIR.nii.gz")
    problem = pairs(tmp_path, manual_pairs=read_manual_pairs(["../p,T1.nii.gz,FLAIR.nii.gz"]))["p"]
    assert "the pair's case '../p' cannot be a file's name" in problem


@pytest.mark.parametrize("text, message", [
    ("p,T1", "expected CASE,T1,FLAIR, found 2 parts"),
    ("p,,FLAIR", "found 3 parts or an empty one"),
])
def test_pairs_that_are_none(text, message):
    with pytest.raises(NnunetTVError, match=message):
        read_manual_pairs([text])


def test_a_pair_may_hold_commas_in_quotes():
    assert read_manual_pairs(['p,"a,b.nii",c.nii'])["p"].t1 == "a,b.nii"


def test_a_case_paired_twice():
    with pytest.raises(NnunetTVError, match="case p is paired twice, and differently"):
        read_manual_pairs(["p,a,b", "p,a,c"])


@pytest.mark.parametrize("content, message", [
    ("case\tt1\nx\ty\n", "found no flair"),
    ("case\tt1\tflair\nx\ty\t\n", r"line 2: expected case, t1 and flair, found \['x', 'y', ''\]"),
])
def test_tables_of_pairs_that_are_none(tmp_path, content, message):
    (tmp_path / "t.tsv").write_text(content)
    with pytest.raises(NnunetTVError, match=message):
        read_manual_pairs(table=tmp_path / "t.tsv")


def test_a_table_of_pairs_that_is_not_there(tmp_path):
    with pytest.raises(NnunetTVError, match="the table of pairs cannot be read"):
        read_manual_pairs(table=tmp_path / "none.tsv")


def test_folders_with_nothing_to_find(tmp_path):
    with pytest.raises(NnunetTVError, match="no such folder"):
        find_cases(tmp_path / "none")
    with pytest.raises(NnunetTVError, match="in a BIDS tree, in a folder for each patient"):
        find_cases(tmp_path)
    (tmp_path / "a.mgz").write_bytes(b"x")
    with pytest.raises(NnunetTVError, match=r"it holds 1 files of other formats \(.mgz\): convert or unpack them"):
        find_cases(tmp_path)
    with pytest.raises(NnunetTVError, match=r"expected a folder of scans .-i., found a file"):
        find_cases(tmp_path / "a.mgz")


def test_the_output_is_not_looked_into(tmp_path):
    scan(tmp_path / "p" / "T1.nii.gz")
    scan(tmp_path / "p" / "FLAIR.nii.gz")
    scan(tmp_path / "out" / "scans" / "case-0001_T1w.nii.gz")
    assert list(pairs(tmp_path, exclude=tmp_path / "out")) == ["p"]


def test_what_earlier_runs_wrote_below_the_input_is_not_taken_for_scans(tmp_path):
    scan(tmp_path / "p" / "T1.nii.gz")
    scan(tmp_path / "p" / "FLAIR.nii.gz")
    (tmp_path / "findings" / "prepared" / ".preparation").mkdir(parents=True)
    for channel in ("T1w", "FLAIR"):
        scan(tmp_path / "findings" / "prepared" / "scans" / f"case-0001_{channel}.nii.gz")
    assert list(pairs(tmp_path)) == ["p"]
    scan(tmp_path / "native" / "p_T1w_fcd.nii.gz")
    scan(tmp_path / "native" / "p_FLAIR_fcd.nii.gz")
    assert "a mask or segmentation (the name says 't1w_fcd')" in pairs(tmp_path)["native"]
    assert list(pairs(tmp_path / "findings" / "prepared")) == ["case-0001"]  # asked for by name


def test_links_to_folders_are_followed_once(tmp_path):
    for folder in ("in/p", "elsewhere/q"):
        scan(tmp_path / folder / "T1.nii.gz")
        scan(tmp_path / folder / "FLAIR.nii.gz")
    (tmp_path / "in" / "a_link").symlink_to(tmp_path / "in" / "p")  # a second name of p
    (tmp_path / "in" / "q").symlink_to(tmp_path / "elsewhere" / "q")
    (tmp_path / "elsewhere" / "q" / "loop").symlink_to(tmp_path / "elsewhere" / "q")
    (tmp_path / "elsewhere" / "q" / "up").symlink_to(tmp_path)
    assert pairs(tmp_path / "in") == {"p": ("p/T1.nii.gz", "p/FLAIR.nii.gz"), "q": ("q/T1.nii.gz", "q/FLAIR.nii.gz")}
    (tmp_path / "name").symlink_to(tmp_path / "in")
    assert list(pairs(tmp_path / "name")) == ["p", "q"]


def test_folders_that_fall_together(tmp_path):
    for folder in ("pat 1", "pat-1"):
        scan(tmp_path / folder / "T1.nii.gz")
        scan(tmp_path / folder / "FLAIR.nii.gz")
    assert "'pat 1' and 'pat-1' would both be called pat-1: rename one" in pairs(tmp_path)["pat-1"]


@given(st.text(min_size=1, max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_folders_name_gives_a_files(name):
    result = case_name(name)
    assert result and result.isascii() and not set(result) - set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    assert case_name(result) == result

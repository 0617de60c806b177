"""Cases found in folders of NIfTI files, and the messages where the scans are ambiguous or missing."""

import json
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nnunet_tv.intake.find import find_cases
from nnunet_tv.intake.layout import case_name
from nnunet_tv.intake.manual_pairs import read_manual_pairs
from nnunet_tv.utils.errors import NnunetTVError

PAIR = ("T1.nii.gz", "FLAIR.nii.gz")


def scan(path: Path, *, shape=(16, 16, 16), spacing=(1.0, 1.0, 1.0)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.diag([*spacing, 1.0])), path)


def scans(folder: Path, *names: str) -> None:
    for name in names:
        scan(folder / name)


def by_hand(*pairs: str, table=None) -> dict:
    return {"manual_pairs": read_manual_pairs(pairs, table)}


def found(root: Path, **options) -> dict[str, tuple[str, str] | str]:
    """Labels of the pair, or the problem, by case."""
    return {case.case: tuple(one.label for one in case.pair.scans.values()) if case.pair else case.problem
            for case in find_cases(root, **options).cases}


def test_bids_tree(tmp_path):
    expected = {}
    for name in ("sub-01/ses-1", "sub-01/ses-2", "sub-gt"):
        case = name.replace("/", "_")
        scans(tmp_path / name / "anat", *(f"{case}_{ending}.nii.gz" for ending in (
            "acq-iso08_T1w", "acq-T2sel_FLAIR", "acq-T2sel_FLAIR_roi", "ce-gadolinium_T1w")))
        scans(tmp_path / name / "dwi", f"{case}_dwi.nii.gz")
        expected[case] = (f"{name}/anat/{case}_acq-iso08_T1w.nii.gz", f"{name}/anat/{case}_acq-T2sel_FLAIR.nii.gz")
    scans(tmp_path, "derivatives/sub-01/anat/sub-01_T1w.nii.gz")
    assert found(tmp_path) == expected


def test_file_list_of_ds004199(tmp_path):
    for line in (Path(__file__).parents[1] / "data" / "ds004199" / "files.txt").read_text().splitlines():
        if line.endswith(".nii.gz"):
            (tmp_path / line).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / line).symlink_to("content that was never downloaded")
    pairs = found(tmp_path)
    assert len(pairs) == 170 and all(isinstance(pair, tuple) for pair in pairs.values())
    assert all(t1.endswith("_T1w.nii.gz") and flair.endswith("_FLAIR.nii.gz") for t1, flair in pairs.values())


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
def test_patient_folders_and_flat_folders(tmp_path, files, expected):
    scans(tmp_path, *files)
    pairs = found(tmp_path)
    assert sorted(pairs) == expected and all(isinstance(pair, tuple) for pair in pairs.values()), pairs
    assert all(case_name(case) == case and t1 != flair for case, (t1, flair) in pairs.items())
    scans(tmp_path / "Müller Hans", *PAIR)  # named by contrast alone: the folder is the patient
    assert found(tmp_path / "Müller Hans") == {"Muller-Hans": PAIR}


def test_bad_cases_are_explained_and_others_are_kept(tmp_path):
    scans(tmp_path / "p", *(f"{name}.nii.gz" for name in ("T1_a", "T1_b", "FLAIR", "T1_post_gd", "lesion_mask")))
    for folder in ("q", "pat 1", "pat-1"):
        scans(tmp_path / folder, *PAIR)
    scans(tmp_path, "anna_T1.nii.gz", "bert_FLAIR.nii.gz")  # two people are never paired
    scan(tmp_path / "r" / "T1.nii.gz", shape=(16, 16, 16, 4))
    scan(tmp_path / "r" / "FLAIR.nii.gz", shape=(64, 64, 3))
    cases = found(tmp_path)
    assert cases.pop("q") == ("q/T1.nii.gz", "q/FLAIR.nii.gz")
    for case, parts in {
        "p": ("expected one T1w and one FLAIR, found two that are T1w. Seen:",
              "p/T1_a.nii.gz: T1w: the name contains 't1' (16x16x16)",
              "p/T1_post_gd.nii.gz: other: with contrast agent",
              "p/lesion_mask.nii.gz: other: a mask or segmentation", "--pair p,T1,FLAIR", "--pairs TABLE"),
        "anna": ("found none that is FLAIR",), "bert": ("found none that is T1w",),
        "pat-1": ("'pat 1' and 'pat-1' would both be called pat-1: rename one",),
        "r": ("none that is T1w and none that is FLAIR", "a series of 4 volumes (shape 16x16x16x4)",
              "only 3 slices: a localiser"),
    }.items():
        assert [part for part in parts if part not in cases[case]] == []
    assert len(cases) == 5


@pytest.mark.parametrize("names, example", [
    (("FLAIR", "T1_a", "T1_b"), "(such as --pair 'p,p/T1_a.nii.gz,p/FLAIR.nii.gz')"),
    (("FLAIR_a", "FLAIR_b", "x_scan"), "(such as --pair 'p,p/x_scan.nii.gz,p/FLAIR_a.nii.gz')"),
    (("a", "b"), ""),
    (("T1", "scan_dwi"), ""),
    (("T1", "scan_dwi", "t2_tse", "x_scan"), "(such as --pair 'p,p/T1.nii.gz,p/x_scan.nii.gz')"),
    (("T1_gd", "FLAIR"), ""),
    (("T1_a", "T1_b"), ""),
    (("FLAIR",), ""),
])
def test_example_pair_never_swaps_the_scans(tmp_path, names, example):
    scans(tmp_path / "p", *(f"{name}.nii.gz" for name in names))
    assert f"--pair p,T1,FLAIR{' ' + example if example else ''}, or a row" in found(tmp_path)["p"]


def test_manual_pair_that_seems_swapped_is_flagged(tmp_path):
    scans(tmp_path / "p", *PAIR, "x.nii.gz")
    swapped = find_cases(tmp_path, **by_hand("p,FLAIR.nii.gz,T1.nii.gz")).cases[0].pair
    assert swapped.scans["T1w"].label == "p/FLAIR.nii.gz"
    flag = "{} was chosen by hand as {}, but seems to be a {} (the name contains {!r}): are the two swapped?"
    assert swapped.flags == (flag.format("p/FLAIR.nii.gz", "T1w", "FLAIR", "flair"),
                             flag.format("p/T1.nii.gz", "FLAIR", "T1w", "t1"))
    assert find_cases(tmp_path, **by_hand("p,x.nii.gz,FLAIR.nii.gz")).cases[0].pair.flags == ()


def test_volumes_are_preferred_and_the_rest_is_noted(tmp_path):
    scans(tmp_path / "p", "T1.nii.gz", "T1_brain.nii.gz", "3D_FLAIR.nii.gz")
    scan(tmp_path / "p" / "cor_FLAIR.nii.gz", spacing=(1, 1, 4))
    pair = find_cases(tmp_path).cases[0].pair
    assert [one.label for one in pair.scans.values()] == ["p/T1.nii.gz", "p/3D_FLAIR.nii.gz"]
    assert pair.notes == ("p/T1_brain.nii.gz seems to be a T1w too and was not used (2D, or a copy)",
                          "p/cor_FLAIR.nii.gz seems to be a FLAIR too and was not used (2D, or a copy)")


def test_sidecars_decide_where_names_do_not(tmp_path):
    for name, sidecar in {
        "a": '{"EchoTime": 0.00254, "InversionTime": 0.85, "MRAcquisitionType": "3D"}',
        "b": '{"EchoTime": 0.388, "InversionTime": 1.8, "SequenceName": "*spcir_278"}',
        "c": '{"SeriesDescription": "T1 MPRAGE", "ContrastBolusAgent": "Gadovist"}',
        "d": '{"SeriesDescription": "T1", "ImageType": ["DERIVED", "SECONDARY"]}',
        "e": "[not a sidecar",
    }.items():
        scan(tmp_path / "p" / f"{name}.nii.gz")
        (tmp_path / "p" / f"{name}.json").write_text(sidecar)
    assert found(tmp_path) == {"p": ("p/a.nii.gz", "p/b.nii.gz")}


def test_name_and_sidecar_that_disagree(tmp_path):
    for name, description in {"T1": "t2_flair", "FLAIR": "mprage"}.items():
        scan(tmp_path / "p" / f"{name}.nii.gz")
        (tmp_path / "p" / f"{name}.json").write_text(f'{{"SeriesDescription": "{description}"}}')
    problem = found(tmp_path)["p"]
    assert problem.count("but its header describes a ") == 2 and "found none that is T1w and none that is" in problem
    flags = find_cases(tmp_path, **by_hand("p,T1.nii.gz,FLAIR.nii.gz")).cases[0].pair.flags
    assert ["are the two swapped?" in flag for flag in flags] == [True, True]
    assert find_cases(tmp_path, **by_hand("p,FLAIR.nii.gz,T1.nii.gz")).cases[0].pair.flags  # doubts both ways


@pytest.mark.parametrize("t1, flair", [
    ("TE=2.98;Time=101112.000", "TE=388;Time=101112.000"),  # dcm2niix
    (r"3T 3D GR\IR TR=2300ms/TE=2.98ms/TI=900ms/FA=9deg", r"3T 3D SE\IR TR=5000ms/TE=388ms/TI=1800ms/FA=120deg"),  # SPM
    ("TE=2.98; sec=1.0", "FSL6.0"),
])
def test_times_in_the_header_of_a_file(tmp_path, t1, flair):
    for name, text in {"T1": t1, "FLAIR": flair}.items():
        image = nib.Nifti1Image(np.zeros((16, 16, 16), np.uint8), np.eye(4))
        image.header["descrip"] = text.encode()
        for folder in ("right", "swapped"):
            (tmp_path / folder / "p").mkdir(parents=True, exist_ok=True)
        nib.save(image, tmp_path / "right" / "p" / f"{name}.nii.gz")
        nib.save(image, tmp_path / "swapped" / "p" / f"{'T1' if name == 'FLAIR' else 'FLAIR'}.nii.gz")
    assert found(tmp_path / "right") == {"p": ("p/T1.nii.gz", "p/FLAIR.nii.gz")}
    assert "found none that is FLAIR" in found(tmp_path / "swapped")["p"] or "none that is T1w and none" in found(
        tmp_path / "swapped")["p"]
    flags = find_cases(tmp_path / "swapped", **by_hand("p,T1.nii.gz,FLAIR.nii.gz")).cases[0].pair.flags
    assert any("p/FLAIR.nii.gz was chosen by hand as FLAIR, but" in flag for flag in flags)
    assert len(flags) == 2 or flair == "FSL6.0"


@pytest.mark.parametrize("name", ["scan_dwi", "localizer", "T1_gd", "T2_tse"])
def test_scan_chosen_by_hand_that_does_not_fit_is_flagged(tmp_path, name):
    scans(tmp_path / "p", *PAIR, f"{name}.nii.gz")
    pair = find_cases(tmp_path, **by_hand(f"p,{name}.nii.gz,FLAIR.nii.gz")).cases[0].pair
    assert len(pair.flags) == 1 and f"p/{name}.nii.gz was chosen by hand as T1w" in pair.flags[0]


def test_manual_pairs_take_scans_out_of_other_cases(tmp_path):
    scans(tmp_path, "p/T1_a.nii.gz", "p/T1_b.nii.gz", "p/FLAIR.nii.gz", "anna_T1.nii.gz", "07_FLAIR.nii.gz")
    table = tmp_path / "pairs.tsv"
    table.write_text("case\tflair\tt1\tnotes\nanna\t07_FLAIR.nii.gz\tanna_T1.nii.gz\tx\nother\t\t\tfailed\n")
    assert found(tmp_path, **by_hand("p,T1_b.nii.gz,p/FLAIR.nii.gz", table=table)) == {
        "p": ("p/T1_b.nii.gz", "p/FLAIR.nii.gz"), "anna": ("anna_T1.nii.gz", "07_FLAIR.nii.gz")}


@pytest.mark.parametrize("pair, message", [
    ("p,nothing.nii.gz,FLAIR.nii.gz", "the pair names 'nothing.nii.gz', which is neither a NIfTI file below"),
    ("p,p/T1.nii.gz,p/T1.nii.gz", "the pair names p/T1.nii.gz as T1w and as FLAIR"),
    ("../p,p/T1.nii.gz,p/FLAIR.nii.gz", "the pair's case '../p' is not a valid file name"),
])
def test_manual_pair_that_does_not_fit_fails_its_case(tmp_path, pair, message):
    scans(tmp_path / "p", *PAIR)
    problems = [case.problem for case in find_cases(tmp_path, **by_hand(pair)).cases if case.case == "p"]
    assert message in problems[0]


@pytest.mark.parametrize("pairs, table, message", [
    (["p,T1"], None, "expected CASE,T1,FLAIR, found 2 parts"),
    (["p,,FLAIR"], None, "found 3 parts or an empty one"),
    (["p,a,b", "p,a,c"], None, "case p is paired twice, and differently"),
    ([], "case\tt1\nx\ty\n", "found no flair"),
    ([], "case\tt1\tflair\nx\ty\t\n", r"line 2: expected case, t1 and flair, found \['x', 'y', ''\]"),
    ([], None, "the table of pairs cannot be read"),
])
def test_unusable_manual_pairs(tmp_path, pairs, table, message):
    assert read_manual_pairs(['p,"a,b.nii",c.nii'])["p"].t1 == "a,b.nii", "quoted names may contain commas"
    if table:
        (tmp_path / "t.tsv").write_text(table)
    with pytest.raises(NnunetTVError, match=message):
        read_manual_pairs(pairs, None if pairs else tmp_path / "t.tsv")


@pytest.mark.parametrize("folder, file, message", [
    ("none", "", "no such folder"),
    (".", "", "in a BIDS tree, in a folder for each patient"),
    (".", "a.mgz", r"1 files of other formats \(.mgz\) were left out: convert them"),
    ("a.mgz", "a.mgz", r"expected a folder of scans .-i., found a file"),
])
def test_folders_without_scans(tmp_path, folder, file, message):
    if file:
        (tmp_path / file).write_bytes(b"x")
    with pytest.raises(NnunetTVError, match=message):
        find_cases(tmp_path / folder)


def test_output_and_earlier_results_below_the_input_are_skipped(tmp_path):
    scans(tmp_path / "p", *PAIR)
    scans(tmp_path / "out" / "scans", "case-0001_T1w.nii.gz")
    scans(tmp_path / "findings" / "prepared" / "scans", "case-0001_T1w.nii.gz", "case-0001_FLAIR.nii.gz")
    (tmp_path / "findings" / "prepared" / ".preparation").mkdir(parents=True)
    assert list(found(tmp_path, exclude=tmp_path / "out")) == ["p"]
    assert list(found(tmp_path / "findings" / "prepared")) == ["case-0001"]  # given as the input itself
    scans(tmp_path / "native", "p_T1w_fcd.nii.gz", "p_FLAIR_fcd.nii.gz")
    assert "a mask or segmentation (the name contains 't1w_fcd')" in found(tmp_path)["native"]


def test_links_to_folders_are_followed_once(tmp_path):
    for folder in ("in/p", "elsewhere/q"):
        scans(tmp_path / folder, *PAIR)
    for link, target in {"in/a_link": "in/p", "in/q": "elsewhere/q", "elsewhere/q/loop": "elsewhere/q",
                         "elsewhere/q/up": ".", "name": "in"}.items():
        (tmp_path / link).symlink_to(tmp_path / target)
    assert found(tmp_path / "in") == {name: (f"{name}/T1.nii.gz", f"{name}/FLAIR.nii.gz") for name in ("p", "q")}
    assert list(found(tmp_path / "name")) == ["p", "q"]


@given(st.text(min_size=1, max_size=30))
@settings(max_examples=300, deadline=None)
def test_case_names_are_valid_file_names(name):
    result = case_name(name)
    assert result and result.isascii() and result.replace("-", "").replace("_", "a").isalnum()
    assert case_name(result) == result


def test_protocol_name_of_the_whole_exam_in_sidecars(tmp_path):
    """As dcm2niix writes it for GE; a ProtocolName of one scan counts."""
    for name, echo in {"a": 0.003, "b": 0.12}.items():
        scan(tmp_path / "p" / f"{name}.nii.gz")
        (tmp_path / "p" / f"{name}.json").write_text(json.dumps({
            "ProtocolName": "MRA BRAIN W WO CONTRAST", "SeriesDescription": {"a": "BRAVO", "b": "T2 FLAIR"}[name],
            "EchoTime": echo}))
    assert found(tmp_path) == {"p": ("p/a.nii.gz", "p/b.nii.gz")}
    (tmp_path / "p" / "a.json").write_text('{"ProtocolName": "T1 POST", "EchoTime": 0.003}')
    assert "p/a.nii.gz: other: with contrast agent" in found(tmp_path)["p"]


def test_b_values_beside_a_file(tmp_path):
    """As dcm2niix writes them for diffusion; for some GE series that are not, all are 0."""
    for name in ("T1", "a", "b_FLAIR"):
        scan(tmp_path / "p" / f"{name}.nii.gz")
    (tmp_path / "p" / "a.bval").write_text("1000\n")
    (tmp_path / "p" / "b_FLAIR.bval").write_text("0 0\n")
    assert found(tmp_path) == {"p": ("p/T1.nii.gz", "p/b_FLAIR.nii.gz")}
    (tmp_path / "p" / "b_FLAIR.nii.gz").unlink()
    assert "p/a.nii.gz: other: diffusion (a b-value above 0)" in found(tmp_path)["p"]
    assert "such as" not in found(tmp_path)["p"]


KEYS = ["SeriesDescription", "ProtocolName", "EchoTime", "InversionTime", "ImageType", "ScanningSequence", "FlipAngle",
        "ContrastBolusAgent", "AcquisitionTime", "PhaseContrast", "DiffusionBValue"]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=4), st.sampled_from(["T1", "IR"])),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=2), inner)), max_leaves=3)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6), min_size=2, max_size=2))
@example([{"ProtocolName": ["x"], "EchoTime": 0.003}, {"ProtocolName": ["x"], "EchoTime": 0.1}])
@settings(max_examples=150, deadline=None)
def test_any_sidecar_is_read(sidecars):
    with tempfile.TemporaryDirectory() as folder:
        for name, sidecar in zip("ab", sidecars, strict=True):
            scan(Path(folder, "p", f"{name}.nii"))
            Path(folder, "p", f"{name}.json").write_text(json.dumps(sidecar))
        case, = find_cases(folder).cases
        assert case.case == "p" and (case.pair is None) != (case.problem == "")


def test_surname_that_is_a_word_of_a_sequence(tmp_path):
    scans(tmp_path, "T1_Press.nii.gz", "FLAIR_Press.nii.gz", "Mra_T1.nii.gz", "Mra_FLAIR.nii.gz")
    assert found(tmp_path) == {"Press": ("T1_Press.nii.gz", "FLAIR_Press.nii.gz"),
                               "Mra": ("Mra_T1.nii.gz", "Mra_FLAIR.nii.gz")}


def test_scans_of_clashing_names_are_never_lost_in_silence(tmp_path):
    for folder in ("pat 1", "pat-1"):
        scans(tmp_path / folder, *PAIR)
    result = find_cases(tmp_path, **by_hand("pat-1,pat-1/T1.nii.gz,pat-1/FLAIR.nii.gz"))
    assert "pat 1/T1.nii.gz" in result.remarks[0] and "pat 1/FLAIR.nii.gz" in result.remarks[0]
    pairs = [f"{name},{folder}/T1.nii.gz,{folder}/FLAIR.nii.gz" for name, folder in (("a", "pat 1"), ("b", "pat-1"))]
    assert list(found(tmp_path, **by_hand(*pairs))) == ["a", "b"]
    assert list(found(tmp_path, **by_hand(pairs[0]))) == ["a", "pat-1"]

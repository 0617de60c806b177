"""The layout of ds004199: every subject of the real list is paired; each irregularity is named for its subject."""

from __future__ import annotations

import shutil

import ds004199_tree
import pytest
from nnunet_tv.dataset_conversion.ds004199 import read

from nnunet_tv.utils.errors import NnunetTVError

whole_tree, tree = ds004199_tree.whole_tree, ds004199_tree.tree  # fixtures


def cases(root):
    return {case.case: case for case in read(root).cases}


def problem(root, subject: str) -> str:
    """Problem of `subject`; all others must be without."""
    found = cases(root)
    assert [case.case for case in found.values() if case.problem] == [subject]
    return found[subject].problem


def rewrite_list(root, change) -> None:
    path = root / "participants.tsv"
    path.write_bytes(change(path.read_bytes()))


def test_every_subject_of_the_real_list_is_paired_with_its_own_files(whole_tree):
    found = cases(whole_tree)
    listed = set((ds004199_tree.LIST / "files.txt").read_text(encoding="utf-8").split())
    assert len(found) == 170 and not [case for case in found.values() if case.problem]
    used = {str(path.relative_to(whole_tree)) for case in found.values() for path in case.files.values()}
    assert used == {line for line in listed if line.endswith(".nii.gz")}
    for subject, case in found.items():
        assert list(case.channels) == ["T1w", "FLAIR"]
        assert all(path.name.startswith(f"{subject}_") for path in case.files.values())
        assert case.channels["T1w"].name.endswith("_T1w.nii.gz")
        assert case.channels["FLAIR"].name.endswith("_FLAIR.nii.gz")
        assert (case.group == "patient") == (case.label is not None)
    groups = [case.group for case in found.values()]
    assert groups.count("patient") == 85 and groups.count("control") == 85
    official = [case.assigned for case in found.values() if case.group == "patient"]
    assert official.count("train") == 57 and official.count("test") == 28


def test_the_one_mask_with_another_name_is_paired_by_subject_and_noted(whole_tree):
    noted = {case.case: case.notes for case in read(whole_tree).cases if case.notes}
    assert list(noted) == ["sub-00048"]
    assert "sub-00048_acq-32ch10_FLAIR_roi.nii.gz" in noted["sub-00048"][0]
    assert "sub-00048_acq-T2sel_FLAIR.nii.gz" in noted["sub-00048"][0]


def test_two_candidates_are_listed(tree):
    anat = tree / "sub-00003" / "anat"
    shutil.copy(anat / "sub-00003_acq-iso08_T1w.nii.gz", anat / "sub-00003_acq-iso08_run-2_T1w.nii.gz")
    told = problem(tree, "sub-00003")
    assert "expected one T1w, one FLAIR and one lesion mask (_roi)" in told
    assert "sub-00003_acq-iso08_T1w.nii.gz" in told and "sub-00003_acq-iso08_run-2_T1w.nii.gz" in told


@pytest.mark.parametrize(("pattern", "missing"), [("*_T1w.nii.gz", "T1w"), ("*_FLAIR.nii.gz", "FLAIR"),
                                                  ("*_roi.nii.gz", "lesion mask")])
def test_a_patient_without_one_of_the_files(tree, pattern, missing):
    next((tree / "sub-00001" / "anat").glob(pattern)).unlink()
    expected = f"expected one T1w, one FLAIR and one lesion mask (_roi), found 0 × {missing} (sub-00001_"
    assert expected in problem(tree, "sub-00001")


def test_a_subject_without_images(tree):
    shutil.rmtree(tree / "sub-00001" / "anat")
    assert problem(tree, "sub-00001").endswith(
        "0 × lesion mask (no NIfTI file): complete the download, or leave one of each")


def test_a_control_with_a_mask_is_told_whatever_is_done_with_controls(tree):
    anat = tree / "sub-00002" / "anat"
    shutil.copy(next((tree / "sub-00001" / "anat").glob("*_roi.nii.gz")),
                anat / "sub-00002_acq-T2sel_FLAIR_roi.nii.gz")
    assert "expected one T1w, one FLAIR and no lesion mask, found" in problem(tree, "sub-00002")
    assert cases(tree)["sub-00002"].group == ""


def test_a_file_of_another_subject_is_not_taken(tree):
    anat = tree / "sub-00001" / "anat"
    next(anat.glob("*_T1w.nii.gz")).rename(anat / "sub-00003_acq-iso08_T1w.nii.gz")
    assert "found 0 × T1w (sub-00001_acq-T2sel_FLAIR.nii.gz" in problem(tree, "sub-00001")


def test_hidden_files_and_plain_nifti(tree):
    anat = tree / "sub-00001" / "anat"
    (anat / "._sub-00001_acq-iso08_T1w.nii.gz").write_bytes(b"")
    next(anat.glob("sub*_T1w.nii.gz")).rename(anat / "sub-00001_acq-iso08_T1w.nii")
    assert cases(tree)["sub-00001"].channels["T1w"].name == "sub-00001_acq-iso08_T1w.nii"


def test_links_without_content_are_paired(tree):
    path = next((tree / "sub-00001" / "anat").glob("*_roi.nii.gz"))
    path.unlink()
    path.symlink_to("../../.git/annex/objects/aa/bb/nothing")
    assert cases(tree)["sub-00001"].label == path


def test_a_subject_in_the_list_without_a_folder(tree):
    shutil.rmtree(tree / "sub-00006")
    assert "it is in participants.tsv, but there is no folder for it" in problem(tree, "sub-00006")


def test_a_folder_that_is_not_in_the_list(tree):
    shutil.copytree(tree / "sub-00001", tree / "sub-00999")
    assert "sub-00999: the folder's subject is not in participants.tsv" in problem(tree, "sub-00999")


def test_a_subject_listed_twice(tree):
    rewrite_list(tree, lambda text: text + next(line for line in text.split(b"\r\n") if b"sub-00001" in line) + b"\r\n")
    assert problem(tree, "sub-00001") == "participants.tsv has 2 rows for it: leave the right one"


def test_an_unknown_group(tree):
    rewrite_list(tree, lambda text: text.replace(b"sub-00001\tfcd", b"sub-00001\tFCD?"))
    assert "expected group fcd or hc, found 'FCD?'" in problem(tree, "sub-00001")


def test_an_identifier_that_is_no_subject(tree):
    rewrite_list(tree, lambda text: text + b"../x\tfcd\r\n")
    assert "expected an identifier such as sub-00001" in problem(tree, "../x")


def test_line_ends_and_byte_order_mark_do_not_matter(tree):
    before = read(tree).cases
    rewrite_list(tree, lambda text: text.replace(b"\r\n", b"\n").removeprefix(b"\xef\xbb\xbf"))
    assert read(tree).cases == before


def test_another_folder(tmp_path):
    with pytest.raises(NnunetTVError, match=r"found no participants.tsv: give the data set's own folder"):
        read(tmp_path)
    with pytest.raises(NnunetTVError, match=r"nowhere: no such folder"):
        read(tmp_path / "nowhere")


def test_a_list_of_another_data_set(tree):
    (tree / "participants.tsv").write_text("participant_id\tage\nsub-00001\t3\n")
    with pytest.raises(NnunetTVError, match=r"participants.tsv: expected columns participant_id, group, found "
                                            r"participant_id, age: this is not the list"):
        read(tree)
    (tree / "participants.tsv").write_text("")
    with pytest.raises(NnunetTVError, match=r"found nothing: this is not the list"):
        read(tree)


def test_a_list_that_is_not_text(tree):
    (tree / "participants.tsv").write_bytes(b"\xff\xfe\x00participant_id")
    with pytest.raises(NnunetTVError, match=r"participants.tsv: expected a tab-separated UTF-8 table"):
        read(tree)


def test_the_list_alone(tmp_path):
    shutil.copy(ds004199_tree.LIST / "participants.tsv", tmp_path)
    with pytest.raises(NnunetTVError, match=r"expected subject folders .sub-00001 …., found none"):
        read(tmp_path)

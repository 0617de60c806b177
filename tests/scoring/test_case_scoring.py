"""Folders with probabilities, missing cases, controls and filters: what each row says, and what is named."""

from __future__ import annotations

import re

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.postprocessing import ClusterFilter
from nnunet_tv.scoring.folders import score_controls, score_folders
from nnunet_tv.scoring.rows import LostLesions
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import sha256, write_json

SHAPE = (16, 18, 20)
AFFINE = np.array([[1.5, 0, 0, -20], [0, 2, 0, 5], [0, 0, 3, 7], [0, 0, 0, 1.0]])
BARE = ClusterFilter(min_voxels=0, opening=False, fill_holes=False)


def boxes(*sides, shape=SHAPE):
    result = np.zeros(shape, np.uint8)
    for side in sides:
        result[tuple(slice(*each) for each in side)] = 1
    return result


def cube(x, y, z, side=4):
    return boxes(((x, x + side), (y, y + side), (z, z + side)))


def save(folder, case, data, affine=AFFINE):
    write_volume(Volume(np.asarray(data), affine), folder / f"{case}.nii.gz")


def save_npz(folder, case, lesion):
    """As nnU-Net writes it: (class, z, y, x), float16 or float32."""
    folder.mkdir(exist_ok=True)
    lesion = np.asarray(lesion, np.float32).transpose(2, 1, 0)
    np.savez_compressed(folder / f"{case}.npz", probabilities=np.stack([1 - lesion, lesion]))


def soft(mask, inside=0.75):
    """A map that is above one half where the mask is, and falls around it."""
    return np.where(mask > 0, inside, 0.4 * ndimage.gaussian_filter(mask.astype(float), 1)).astype(np.float32)


@pytest.fixture
def study(tmp_path):
    """Two cases: one hit with a false cluster beside, one missed."""
    save(tmp_path / "ref", "sub-1", cube(2, 3, 4))
    save(tmp_path / "ref", "sub-2", cube(10, 10, 10))
    save(tmp_path / "pred", "sub-1", cube(3, 3, 4) | cube(11, 12, 13, side=2))
    save(tmp_path / "pred", "sub-2", cube(2, 2, 2))
    return tmp_path


def rows_of(scores, stage="raw"):
    return {row.case: row for row in scores.rows if row.stage == stage}


def prediction(study, case):
    return np.asarray(nib.load(study / "pred" / f"{case}.nii.gz").dataobj)


# ---- probabilities ------------------------------------------------------------------------------

def save_all_npz(study):
    for case in ("sub-1", "sub-2"):
        save_npz(study / "prob", case, soft(prediction(study, case)))


def save_all_nifti(study, ending=""):
    for case in ("sub-1", "sub-2"):
        save(study / "prob", case + ending, soft(prediction(study, case)))


@pytest.mark.parametrize("write", [save_all_npz, save_all_nifti, lambda study: save_all_nifti(study, "_prob")])
def test_probabilities_of_every_form(study, write):
    write(study)
    scores = score_folders(study / "ref", [Run("A", 0, study / "pred", probabilities=study / "prob")],
                           cluster_filter=BARE, hits=["any", "center"])
    assert scores.problems == [] and len(scores.inputs) == 6
    row = rows_of(scores)["sub-1"]
    assert [(c.voxels, c.mean_probability) for c in row.score.clusters] == [(64, 0.75), (8, 0.75)]
    expected = score_case(prediction(study, "sub-1"), cube(2, 3, 4), (1.5, 2, 3), affine=AFFINE,
                          probability=soft(prediction(study, "sub-1")), hits=["any", "center"])
    assert row.score == expected and rows_of(scores, "filtered")["sub-1"].score == expected
    assert [(one.case, one.group, one.run) for one in scores.candidates] == [("sub-1", "A", 0), ("sub-2", "A", 0)]
    assert scores.candidates[0].true["any"] == (True, False) and scores.candidates[0].n_lesions == 1


def test_probabilities_beside_the_segmentations(study):
    for case in ("sub-1", "sub-2"):  # CASE.nii.gz there is the mask; CASE_prob.nii.gz is no prediction
        save(study / "pred", f"{case}_prob", soft(prediction(study, case)))
    scores = score_folders(study / "ref", [Run("A", 0, study / "pred", probabilities=study / "pred")])
    assert scores.problems == [] and scores.warnings == [] and len(scores.candidates) == 2


def test_probabilities_of_a_turned_prediction(study):
    # Prediction and .npz stored from the other end of x, the reference not.
    save_all_npz(study)
    data, affine = prediction(study, "sub-1")[::-1], AFFINE.copy()
    affine[:3, 3] += affine[:3, 0] * (SHAPE[0] - 1)
    affine[:3, 0] *= -1
    save(study / "pred", "sub-1", data, affine)
    save_npz(study / "prob", "sub-1", soft(prediction(study, "sub-1")))
    scores = score_folders(study / "ref", [Run("A", 0, study / "pred", probabilities=study / "prob")])
    assert scores.problems == [] and rows_of(scores)["sub-1"].score.clusters[0].mean_probability == 0.75
    assert any("turned" in text for text in scores.warnings)


def test_probabilities_of_the_reorienting_reader(study):
    # nnU-Net's NibabelIOWithReorient leaves the .npz in RAS whatever the file's axes are.
    affine = AFFINE @ np.diag([-1, 1, 1, 1])
    for folder in ("ref", "pred"):
        save(study / folder, "sub-1", np.asarray(nib.load(study / folder / "sub-1.nii.gz").dataobj), affine)
    save_all_npz(study)
    save_npz(study / "prob", "sub-1", soft(prediction(study, "sub-1"))[::-1])
    write_json({"image_reader_writer": "NibabelIOWithReorient"}, study / "prob" / "plans.json")
    scores = score_folders(study / "ref", [Run("A", 0, study / "pred", probabilities=study / "prob")])
    assert rows_of(scores)["sub-1"].score.clusters[0].mean_probability == 0.75


def test_probability_faults_are_named_and_cost_only_themselves(study):
    def check(message):
        scores = score_folders(study / "ref", [Run("A", 0, study / "pred", probabilities=study / "prob")])
        [problem] = scores.problems
        assert re.search(f"^sub-2: .*{message}", problem), problem
        assert rows_of(scores)["sub-1"].score.clusters[0].mean_probability == 0.75
        assert rows_of(scores)["sub-2"].status == "scored" and [one.case for one in scores.candidates] == ["sub-1"]

    save_all_npz(study)
    path = study / "prob" / "sub-2.npz"
    path.unlink()
    check(r"prob: no probability: expected sub-2.npz or sub-2_prob.nii.gz or sub-2.nii.gz; predict with --save_prob")
    save(study / "prob", "sub-2", cube(2, 2, 2))
    check("prob/sub-2.nii.gz: expected probabilities, found a mask of 0 and 1")
    save(study / "prob", "sub-2", soft(cube(2, 2, 2)), AFFINE + 3 * np.eye(4))
    check("prob/sub-2.nii.gz: geometry mismatch: the probability is not on the grid of the reference, 16×18×20 voxels")
    path.write_bytes(b"not a zip")
    check("sub-2.npz: not nnU-Net's probabilities")
    save_npz(study / "prob", "sub-2", np.zeros((4, 4, 4)))
    check(r"sub-2.npz: expected the segmentation's \(16, 18, 20\) voxels, found \(4, 4, 4\): it is not the probability")
    save_npz(study / "prob", "sub-2", soft(cube(10, 2, 2)))
    check("the probability is below one half where the mask is")
    save_npz(study / "prob", "sub-2", soft(cube(2, 2, 2), inside=7))
    check("expected probabilities from 0 to 1, found 0 to 7")
    np.savez(path, probabilities=np.full((3, 20, 18, 16), 0.3))
    check(r"one lesion class, shape \(2, z, y, x\), found shape \(3, 20, 18, 16\)")


# ---- missing predictions ------------------------------------------------------------------------

def test_missing_predictions_that_are_allowed_count_as_empty(study):
    save_all_npz(study)
    (study / "pred" / "sub-2.nii.gz").unlink()
    runs = [Run("A", 0, study / "pred", probabilities=study / "prob")]
    scores = score_folders(study / "ref", runs, allow_missing=True)
    assert scores.problems == []
    [warning] = scores.warnings
    assert warning.startswith("sub-2: missing raw prediction of A, run 0: expected ") and warning.endswith(
        "pred/sub-2.nii.gz; scored as an empty prediction")
    for stage in ("raw", "filtered"):
        row = rows_of(scores, stage)["sub-2"]
        assert (row.status, row.score.status, row.score.detected) == ("missing prediction", "empty prediction", False)
        assert (row.score.fn, row.score.dice, row.score.n_lesions) == (64, 0.0, 1)
        assert "scored as an empty" in row.problem
    assert scores.candidates[1].confidence == () and scores.candidates[1].n_lesions == 1
    assert rows_of(scores)["sub-1"].status == "scored"


def test_a_missing_filtered_prediction_that_is_allowed(study):
    save(study / "pp", "sub-1", cube(3, 3, 4))
    scores = score_folders(study / "ref", [Run("A", 0, study / "pred", study / "pp")], allow_missing=True)
    assert scores.problems == [] and rows_of(scores)["sub-2"].status == "scored"
    assert rows_of(scores, "filtered")["sub-2"].status == "missing prediction"
    assert rows_of(scores, "filtered")["sub-2"].score.predicted_mm3 == 0


def test_unusable_files_are_not_excused_by_allowing_missing_ones(study):
    (study / "pred" / "sub-2.nii.gz").write_bytes(b"?")
    scores = score_folders(study / "ref", [Run("A", 0, study / "pred")], allow_missing=True, cluster_filter=BARE)
    assert [row.status for row in scores.rows] == ["scored", "unusable file"] * 2 and len(scores.problems) == 1
    assert rows_of(scores)["sub-2"].score is None


# ---- options, chosen cases ----------------------------------------------------------------------

def test_hit_rules_and_distances_reach_the_rows(study):
    scores = score_folders(study / "ref", [Run("A", 0, study / "pred")], hits=["overlap:0.9", "any"], distances=True,
                           nsd_tolerance_mm=1.0, cluster_filter=BARE)
    row = rows_of(scores)["sub-1"]
    assert row.score == score_case(prediction(study, "sub-1"), cube(2, 3, 4), (1.5, 2, 3), affine=AFFINE,
                                   hits=["overlap:0.9", "any"], distances=True, nsd_tolerance_mm=1.0)
    assert (row.score.detected, row.score.hits["any"].detected) == (False, True)


def test_chosen_cases(study):
    scores = score_folders(study / "ref", [Run("A", 0, study / "pred")], cases=["sub-2"])
    assert [row.case for row in scores.rows] == ["sub-2", "sub-2"] and scores.warnings == []
    with pytest.raises(NnunetTVError, match=r"ref: no reference \(CASE.nii.gz\) for sub-3, sub-4"):
        score_folders(study / "ref", [Run("A", 0, study / "pred")], cases=["sub-4", "sub-2", "sub-3"])


# ---- lesions lost to the filter -----------------------------------------------------------------

def test_lesions_lost_by_opening_and_by_size_apart(tmp_path):
    # A sheet two voxels thick (opening erases it), a cube of 32 voxels once opened, a large one.
    sheet, small, large = ((1, 9), (1, 9), (1, 3)), ((1, 5), (1, 5), (6, 10)), ((8, 15), (8, 15), (12, 19))
    save(tmp_path / "ref", "sub-1", boxes(sheet, small, large))
    save(tmp_path / "pred", "sub-1", boxes(sheet, small, large))
    for settings, expected in (({}, LostLesions(2, 1, 1)), ({"opening": False}, LostLesions(0, 0, 0)),
                               ({"opening": False, "min_voxels": 100}, LostLesions(1, 0, 1)),
                               ({"min_mm3": 9 * 300}, LostLesions(3, 1, 2)), ({"min_voxels": 0}, LostLesions(1, 1, 0))):
        raw, filtered = score_folders(tmp_path / "ref", [Run("A", 0, tmp_path / "pred")],
                                      cluster_filter=ClusterFilter(**settings)).rows
        assert (raw.lost, filtered.lost) == (None, expected), settings
        assert filtered.score.n_lesions_hit == 3 - expected.by_filter


def test_lesions_lost_under_the_primary_rule(tmp_path):
    # Two clusters of 30 voxels on one lesion of 100: half of it together, and nothing once both are dropped.
    save(tmp_path / "ref", "sub-1", boxes(((0, 10), (0, 10), (0, 1))))
    save(tmp_path / "pred", "sub-1", boxes(((0, 3), (0, 10), (0, 1)), ((6, 9), (0, 10), (0, 1))))
    for hits, lost in ((["overlap:0.6"], 1), (["overlap:0.61", "any"], 0)):
        rows = score_folders(tmp_path / "ref", [Run("A", 0, tmp_path / "pred")], hits=hits,
                             cluster_filter=ClusterFilter(opening=False, min_voxels=31)).rows
        assert rows[1].lost == LostLesions(lost, 0, lost)


def test_lesions_lost_in_given_files_are_only_counted(study):
    save(study / "pp", "sub-1", cube(11, 12, 13, side=2))
    save(study / "pp", "sub-2", cube(10, 10, 10))  # found only after: a gain, not a loss
    scores = score_folders(study / "ref", [Run("A", 0, study / "pred", study / "pp")])
    assert [row.lost for row in scores.rows if row.stage == "filtered"] == [
        LostLesions(1, None, None), LostLesions(0, None, None)]


# ---- controls -----------------------------------------------------------------------------------

def test_controls_need_no_reference(study):
    save(study / "well", "con-1", boxes(((1, 6), (1, 6), (1, 6)), ((9, 10), (9, 10), (9, 10))))
    save(study / "well", "con-2", boxes(), AFFINE @ np.diag([2, 2, 2, 1.0]))
    scores = score_controls([Run("A", 0, study / "well")], hits=["any", "center"])
    assert scores.problems == [] and len(scores.inputs) == 2
    raw, filtered = rows_of(scores), rows_of(scores, "filtered")
    assert [row.status for row in raw.values()] == ["empty reference", "both empty"]
    assert (raw["con-1"].score.n_false_clusters, filtered["con-1"].score.n_false_clusters) == (2, 1)
    assert raw["con-1"].score.detected is None and filtered["con-1"].lost == LostLesions(0, 0, 0)
    assert raw["con-1"].score.clusters[0].centroid_mm == pytest.approx((-20 + 3 * 1.5, 5 + 3 * 2, 7 + 3 * 3))


def test_a_control_that_a_run_lacks_is_named(study):
    for folder, cases in (("one", ("con-1", "con-2")), ("two", ("con-1",))):
        for case in cases:
            save(study / folder, case, boxes())
    scores = score_controls([Run("A", 0, study / "one"), Run("B", 0, study / "two")])
    [problem] = scores.problems
    assert problem.startswith("con-2: missing raw prediction of B, run 0: expected ")
    assert [row.status for row in scores.rows if row.group == "B"] == ["both empty", "missing prediction"] * 2


def test_folders_of_controls_are_checked(study):
    with pytest.raises(NnunetTVError, match="no predictions of controls to score"):
        score_controls([])
    with pytest.raises(NnunetTVError, match="nowhere: no such folder"):
        score_controls([Run("A", 0, study / "nowhere")])
    (study / "empty").mkdir()
    with pytest.raises(NnunetTVError, match=r"empty: expected predictions of controls \(CASE.nii.gz\), found none"):
        score_controls([Run("A", 0, study / "empty")])


# ---- a run whose cases lie in several folders ---------------------------------------------------

def test_a_pooled_run_reads_each_case_where_it_lies(study):
    (study / "fold_1").mkdir()
    (study / "pred" / "sub-2.nii.gz").rename(study / "fold_1" / "sub-2.nii.gz")
    folds = [Run("A", 0, study / "pred"), Run("A", 1, study / "fold_1")]
    pooled = Run("A", 0, study, parts={"sub-1": folds[0], "sub-2": folds[1]})
    scores = score_folders(study / "ref", [pooled], cluster_filter=BARE)
    assert scores.problems == [] and {row.status for row in scores.rows} == {"scored"}
    assert {(row.group, row.run) for row in scores.rows} == {("A", 0)}
    assert scores.inputs[str(study / "fold_1" / "sub-2.nii.gz")] == sha256(study / "fold_1" / "sub-2.nii.gz")

"""One case: probabilities, missing predictions that are allowed, lesions lost to the filter."""

import re

import numpy as np
import pytest
from scipy import ndimage
from scored_folders import AFFINE, SPACING, boxes, cube, flipped, read, rows_of, save, score

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.postprocessing import ClusterFilter
from nnunet_tv.scoring.rows import LostLesions
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.files import write_json


def save_npz(folder, case, lesion):
    """As nnU-Net writes it: (class, z, y, x), float16 or float32."""
    folder.mkdir(exist_ok=True)
    lesion = np.asarray(lesion, np.float32).transpose(2, 1, 0)
    np.savez_compressed(folder / f"{case}.npz", probabilities=np.stack([1 - lesion, lesion]))


def soft(mask, inside=0.75):
    """A map that is above one half where the mask is, and falls around it."""
    return np.where(mask > 0, inside, 0.4 * ndimage.gaussian_filter(mask.astype(float), 1)).astype(np.float32)


def save_all(study, write=save_npz, folder="prob", ending=""):
    for case in ("sub-1", "sub-2"):
        write(study / folder, case + ending, soft(read(study / "pred" / f"{case}.nii.gz")))


def score_prob(study, folder="prob", **options):
    return score(study, Run("A", 0, study / "pred", probabilities=study / folder), **options)


@pytest.mark.parametrize(("write", "folder", "ending"), [
    (save_npz, "prob", ""), (save, "prob", ""), (save, "prob", "_prob"), (save, "pred", "_prob")])
def test_probabilities_of_every_form(study, write, folder, ending):
    save_all(study, write, folder, ending)
    scores = score_prob(study, folder, hits=("any", "center"))
    assert scores.problems == [] and scores.warnings == [] and len(scores.inputs) == 6
    row, prediction = rows_of(scores)["sub-1"], read(study / "pred/sub-1.nii.gz")
    assert [(c.voxels, c.mean_probability) for c in row.score.clusters] == [(64, 0.75), (8, 0.75)]
    assert row.score == rows_of(scores, "filtered")["sub-1"].score == score_case(
        prediction, cube((2, 3, 4)), SPACING, affine=AFFINE, probability=soft(prediction), hits=["any", "center"])
    assert [(one.case, one.group, one.run) for one in scores.candidates] == [("sub-1", "A", 0), ("sub-2", "A", 0)]
    # The peaks are equal; the mean of the small one is higher, which has less of the map's slope around it.
    assert scores.candidates[0].true["any"] == (False, True) and scores.candidates[0].n_lesions == 1


@pytest.mark.parametrize(("turned", "reader"), [(("pred",), ""), (("ref", "pred"), "NibabelIOWithReorient")])
def test_probabilities_of_turned_files(study, turned, reader):
    # Files stored from the other end of x. The .npz has their axes, except that NibabelIOWithReorient leaves it in RAS.
    save_all(study)
    for folder in turned:
        save(study / folder, "sub-1", *flipped(read(study / folder / "sub-1.nii.gz"), 0))
    write_json({"image_reader_writer": reader}, study / "prob" / "plans.json")
    if not reader:
        save_npz(study / "prob", "sub-1", soft(read(study / "pred/sub-1.nii.gz")))
    scores = score_prob(study)
    assert scores.problems == [] and rows_of(scores)["sub-1"].score.clusters[0].mean_probability == 0.75
    assert [text.endswith("turned") for text in scores.warnings] == ([] if reader else [True])


@pytest.mark.parametrize(("write", "message"), [
    (lambda folder: None,
     "prob: no probability: expected sub-2.npz or sub-2_prob.nii.gz or sub-2.nii.gz; predict with"),
    (lambda folder: save(folder, "sub-2", cube((2, 2, 2))),
     "prob/sub-2.nii.gz: expected probabilities, found a mask of 0 and 1"),
    (lambda folder: save(folder, "sub-2", soft(cube((2, 2, 2))), AFFINE + 3 * np.eye(4)),
     "prob/sub-2.nii.gz: geometry mismatch: the probability is not on the grid of the reference, 16×18×20 voxels"),
    (lambda folder: save_npz(folder, "sub-2", np.zeros((4, 4, 4))),
     r"sub-2.npz: expected the segmentation's \(16, 18, 20\) voxels, found \(4, 4, 4\)"),
    (lambda folder: save_npz(folder, "sub-2", soft(cube((10, 2, 2)))),
     "the probability is below one half where the mask is"),
])
def test_probability_faults_are_named_and_affect_only_themselves(study, write, message):
    save_all(study)
    (study / "prob" / "sub-2.npz").unlink()
    write(study / "prob")
    scores = score_prob(study)
    [problem] = scores.problems
    assert re.search(f"^sub-2: .*{message}", problem), problem
    assert rows_of(scores)["sub-1"].score.clusters[0].mean_probability == 0.75
    assert rows_of(scores)["sub-2"].status == "scored" and [one.case for one in scores.candidates] == ["sub-1"]


def test_missing_predictions_that_are_allowed_count_as_empty(study):
    save(study / "pp", "sub-1", cube((3, 3, 4)))
    scores = score(study, Run("A", 0, study / "pred", study / "pp"), allow_missing=True)
    assert scores.problems == [] and rows_of(scores)["sub-2"].status == "scored"
    row = rows_of(scores, "filtered")["sub-2"]
    assert (row.status, row.score.predicted_mm3, row.lost) == ("missing prediction", 0, None)
    save_all(study)
    (study / "pred" / "sub-2.nii.gz").unlink()
    scores = score_prob(study, allow_missing=True)
    assert scores.problems == []
    [warning] = scores.warnings
    assert warning.startswith("sub-2: missing raw prediction of A, run 0: expected ") and warning.endswith(
        "pred/sub-2.nii.gz; scored as an empty prediction")
    for stage in ("raw", "filtered"):
        row = rows_of(scores, stage)["sub-2"]
        assert (row.status, row.score.status, row.score.detected) == ("missing prediction", "empty prediction", False)
        assert (row.score.fn, row.score.dice, row.score.n_lesions, row.lost) == (64, 0.0, 1, None)
        assert "scored as an empty" in row.problem and row.score.measures["average_precision"] is None
    assert scores.candidates[1].confidence == () and scores.candidates[1].n_lesions == 1
    assert rows_of(scores)["sub-1"].status == "scored"


@pytest.mark.parametrize(("settings", "lost"), [
    ({}, (2, 1, 1)), ({"opening": False}, (0, 0, 0)), ({"opening": False, "min_voxels": 100}, (1, 0, 1)),
    ({"min_voxels": 0}, (1, 1, 0)), ({"min_mm3": 9 * 300}, (3, 1, 2)),
    ({"min_mm3": 9 * 32}, (1, 1, 0)), ({"min_mm3": 9 * 32 + 1}, (2, 1, 1))])  # voxels of 9 mm³
def test_lesions_lost_by_opening_and_by_size_apart(tmp_path, settings, lost):
    # A sheet two voxels thick (opening erases it), a cube of 32 voxels once opened, a large one.
    sides = ((1, 9), (1, 9), (1, 3)), ((1, 5), (1, 5), (6, 10)), ((8, 15), (8, 15), (12, 19))
    for folder in ("ref", "pred"):
        save(tmp_path / folder, "sub-1", boxes(*sides))
    raw, filtered = score(tmp_path, cluster_filter=ClusterFilter(**settings)).rows
    assert (raw.lost, filtered.lost, filtered.score.n_lesions_hit) == (None, LostLesions(*lost), 3 - lost[0])


def test_lesions_lost_under_the_primary_rule(tmp_path):
    # Two clusters of 30 voxels on one lesion of 100: half of it together, and nothing once both are dropped.
    save(tmp_path / "ref", "sub-1", boxes(((0, 10), (0, 10), (0, 1))))
    save(tmp_path / "pred", "sub-1", boxes(((0, 3), (0, 10), (0, 1)), ((6, 9), (0, 10), (0, 1))))
    for hits, lost in ((("overlap:0.6",), 1), (("overlap:0.61", "any"), 0)):
        rows = score(tmp_path, hits=hits, cluster_filter=ClusterFilter(opening=False, min_voxels=31)).rows
        assert rows[1].lost == LostLesions(lost, 0, lost)


def test_lesions_lost_in_given_files_are_only_counted(study):
    save(study / "pp", "sub-1", cube((11, 12, 13), side=2))
    save(study / "pp", "sub-2", cube((10, 10, 10)))  # found only after: a gain, not a loss
    scores = score(study, Run("A", 0, study / "pred", study / "pp"))
    assert [row.lost for row in rows_of(scores, "filtered").values()] == [
        LostLesions(1, None, None), LostLesions(0, None, None)]

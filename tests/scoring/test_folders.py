"""Folders of predictions: matching, geometry, and a status for every case."""

from __future__ import annotations

import tracemalloc

import nibabel as nib
import numpy as np
import pytest

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.postprocessing import ClusterFilter
from nnunet_tv.scoring.folders import on_grid_of, score_folders
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import NnunetTVError

SHAPE = (10, 12, 14)
AFFINE = np.array([[1.5, 0, 0, -20], [0, 2, 0, 5], [0, 0, 3, 7], [0, 0, 0, 1.0]])
BARE = ClusterFilter(min_voxels=0, opening=False, fill_holes=False)


def cube(*starts, shape=SHAPE, side=3):
    result = np.zeros(shape, np.uint8)
    for x, y, z in starts:
        result[x:x + side, y:y + side, z:z + side] = 1
    return result


def save(folder, case, data, affine=AFFINE):
    write_volume(Volume(data, affine), folder / f"{case}.nii.gz")


@pytest.fixture
def folders(tmp_path):
    """One reference, perfectly predicted."""
    save(tmp_path / "ref", "sub-1", cube((2, 2, 2)))
    save(tmp_path / "pred", "sub-1", cube((2, 2, 2)))
    return tmp_path


def score(folders, *extra, **options):
    options = {"cluster_filter": BARE, **options}
    return score_folders(folders / "ref", [Run("A", 0, folders / "pred"), *extra], **options)


def statuses(scores):
    return {(row.case, row.stage): row.status for row in scores.rows}


def test_rows_are_ordered_and_equal_the_array_scores(folders):
    save(folders / "ref", "sub-2", cube((5, 5, 5)))
    save(folders / "pred", "sub-2", cube((6, 5, 5), (0, 0, 0)))
    for case in ("sub-1", "sub-2"):
        save(folders / "other", case, cube((1, 1, 1)))
    scores = score(folders, Run("A", 1, folders / "other"), Run("B", 0, folders / "other", folders / "pred"))
    assert [(row.group, row.run, row.stage, row.case) for row in scores.rows] == [
        (group, run, stage, case)
        for group, run in (("A", 0), ("A", 1), ("B", 0)) for stage in ("raw", "filtered") for case in ("sub-1", "sub-2")
    ]
    assert scores.problems == []
    row = scores.rows[1]
    assert row.score == score_case(cube((6, 5, 5), (0, 0, 0)), cube((5, 5, 5)), (1.5, 2, 3), affine=AFFINE)
    assert row.score.n_false_clusters == 1 and row.score.reference_mm3 == 27 * 9
    assert scores.rows[10:][0].score.dice == 1.0  # the filtered folder of B is the raw one of A
    assert len(scores.inputs) == 6 and all(len(digest) == 64 for digest in scores.inputs.values())


def test_filter_in_memory(folders):
    big = cube((2, 2, 2), side=5)
    save(folders / "ref", "sub-1", big)
    speck = big.copy()
    speck[9, 9, 9] = 1
    save(folders / "pred", "sub-1", speck)
    raw, filtered = (row.score for row in score(folders, cluster_filter=ClusterFilter(opening=False)).rows)
    assert (raw.n_false_clusters, raw.fp) == (1, 1) and (filtered.n_false_clusters, filtered.fp) == (0, 0)
    # 125 voxels of 9 mm³
    for size, left in ((1125, 125), (1126, 0)):
        by_size = ClusterFilter(opening=False, min_mm3=size)
        _, filtered = (row.score for row in score(folders, cluster_filter=by_size).rows)
        assert filtered.tp == left


def test_workers_give_the_same(folders):
    save(folders / "ref", "sub-2", cube((5, 5, 5)))
    save(folders / "pred", "sub-2", cube((6, 5, 5)))
    assert score(folders, processes=2) == score(folders)


def test_nnunet_leftovers_are_ignored_and_extra_predictions_are_named(folders):
    for name in ("dataset.json", "plans.json", "summary.json", "sub-1.npz", "sub-1.pkl", ".partial-3-sub-9.nii.gz"):
        (folders / "pred" / name).write_bytes(b"?")
    save(folders / "pred", "sub-8", cube((1, 1, 1)))
    save(folders / "pred", "sub-9", cube((1, 1, 1)))
    scores = score(folders)
    assert scores.problems == [] and len(scores.rows) == 2
    [warning] = scores.warnings
    assert "pred: 2 predictions without a reference, not scored: sub-8, sub-9" in warning


def test_missing_predictions_are_named_and_the_others_scored(folders):
    for case in ("sub-2", "sub-3"):
        save(folders / "ref", case, cube((5, 5, 5)))
    scores = score(folders)
    assert statuses(scores) == {
        ("sub-1", "raw"): "scored", ("sub-1", "filtered"): "scored",
        ("sub-2", "raw"): "missing prediction", ("sub-2", "filtered"): "missing prediction",
        ("sub-3", "raw"): "missing prediction", ("sub-3", "filtered"): "missing prediction",
    }
    assert len(scores.problems) == 2
    assert scores.problems[0].startswith("sub-2: missing raw prediction of A, run 0: expected ")
    assert "pred/sub-2.nii.gz; predict it" in scores.problems[0] and scores.problems[1].startswith("sub-3:")


def test_missing_filtered_prediction(folders):
    (folders / "empty").mkdir()
    scores = score_folders(folders / "ref", [Run("A", 0, folders / "pred", folders / "empty")])
    assert statuses(scores) == {("sub-1", "raw"): "scored", ("sub-1", "filtered"): "missing prediction"}
    assert "missing filtered prediction of A, run 0" in scores.problems[0]


def test_statuses_of_empties(folders):
    save(folders / "ref", "sub-2", cube())
    save(folders / "pred", "sub-2", cube((1, 1, 1)))
    save(folders / "ref", "sub-3", cube())
    save(folders / "pred", "sub-3", cube())
    save(folders / "ref", "sub-4", cube((1, 1, 1)))
    save(folders / "pred", "sub-4", cube())
    raw = [row.status for row in score(folders).rows if row.stage == "raw"]
    assert raw == ["scored", "empty reference", "both empty", "empty prediction"]


def flipped(data, axis):
    """The same image in the world, stored from the other end of one axis."""
    affine = AFFINE.copy()
    affine[:3, 3] += affine[:3, axis] * (data.shape[axis] - 1)
    affine[:3, axis] *= -1
    return np.flip(data, axis), affine


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flipped_storage_of_one_grid_is_turned(folders, axis):
    data = cube((1, 2, 3), (6, 8, 9))
    save(folders / "ref", "sub-1", data)
    save(folders / "pred", "sub-1", *flipped(data, axis))
    scores = score(folders)
    assert scores.rows[0].score.dice == 1.0 and scores.problems == []
    assert any("sub-1: raw prediction of A, run 0 is stored as" in text and text.endswith("turned")
               for text in scores.warnings)


def test_permuted_axes_of_one_grid_are_turned():
    data = cube((1, 2, 3))
    permuted = Volume(data.transpose(2, 0, 1), AFFINE[:, [2, 0, 1, 3]])
    np.testing.assert_array_equal(on_grid_of(permuted, Volume(data, AFFINE)).data, data)


def test_equal_voxels_with_flipped_geometry_are_not_compared_voxel_by_voxel(folders):
    # The bytes agree, the world does not: a mirrored lesion.
    data = cube((0, 2, 3))
    save(folders / "ref", "sub-1", data)
    save(folders / "pred", "sub-1", data, flipped(data, 0)[1])
    score_row = score(folders).rows[0]
    assert score_row.score.tp == 0 and score_row.score.detected is False


@pytest.mark.parametrize(
    ("shape", "change"),
    [(SHAPE, (0, 3, 1.5)), (SHAPE, (0, 0, 1.6)), ((10, 12, 13), None), (SHAPE[::-1], None)],
)
def test_other_grids_are_refused_by_name(folders, shape, change):
    affine = AFFINE.copy()
    if change:
        affine[change[0], change[1]] += change[2]
    save(folders / "pred", "sub-1", cube((2, 2, 2), shape=shape), affine)
    scores = score(folders)
    assert set(statuses(scores).values()) == {"geometry mismatch"} and len(scores.problems) == 1
    message = scores.problems[0]
    assert message.startswith("sub-1: ")
    assert "pred/sub-1.nii.gz: geometry mismatch: raw prediction of A, run 0 has " in message
    assert "its reference 10×12×14 voxels of 1.5×2×3 mm, RAS, first voxel at (-20, 5, 7) mm" in message


def test_rounding_of_the_affine_is_no_mismatch(folders):
    save(folders / "pred", "sub-1", cube((2, 2, 2)), AFFINE + 1e-6)
    assert score(folders).problems == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (cube((2, 2, 2)) * 255, "labels 0 .* and 1 .*, found 0, 255"),
        (cube((2, 2, 2)) * 2, "found 0, 2"),
        (np.zeros((*SHAPE, 2), np.uint8), "expected a 3D image, found shape"),
    ],
)
@pytest.mark.parametrize("folder", ["ref", "pred"])
def test_unusable_files_are_named_and_cost_only_themselves(folders, folder, data, message):
    for case in ("sub-1", "sub-2"):
        for each in ("ref", "pred"):
            save(folders / each, case, cube((2, 2, 2)))
    nib.save(nib.Nifti1Image(data, AFFINE), folders / folder / "sub-2.nii.gz")
    scores = score(folders)
    assert statuses(scores)["sub-2", "raw"] == statuses(scores)["sub-2", "filtered"] == "unusable file"
    assert statuses(scores)["sub-1", "raw"] == "scored"
    [problem] = scores.problems
    with pytest.raises(AssertionError, match=f"^sub-2: .*{folder}/sub-2.nii.gz: .*{message}"):
        raise AssertionError(problem)


def test_volumes_that_cannot_be_opened_are_named(folders):
    for folder in ("ref", "pred"):
        save(folders / folder, "sub-1", cube((2, 2, 0), shape=(10, 12, 2)))
    scores = score(folders, cluster_filter=ClusterFilter())
    assert statuses(scores) == {("sub-1", "raw"): "scored", ("sub-1", "filtered"): "cannot be filtered"}
    assert ("pred/sub-1.nii.gz: the raw prediction is scored but cannot be filtered: expected at least 3 voxels along "
            "each axis") in scores.problems[0]


def test_folders_that_would_mislead_are_refused(folders, tmp_path):
    with pytest.raises(NnunetTVError, match="no predictions to score"):
        score_folders(folders / "ref", [])
    with pytest.raises(NnunetTVError, match="nowhere: no such folder"):
        score(folders, Run("B", 0, tmp_path / "nowhere"))
    with pytest.raises(NnunetTVError, match="ref: given as predictions and as references"):
        score(folders, Run("B", 0, tmp_path / "pred", tmp_path / "ref"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NnunetTVError, match=r"empty: expected references \(CASE.nii.gz\), found none"):
        score_folders(tmp_path / "empty", [Run("A", 0, folders / "pred")])


def test_equal_runs_are_named(folders):
    (folders / "copy").mkdir()
    (folders / "copy" / "sub-1.nii.gz").write_bytes((folders / "pred" / "sub-1.nii.gz").read_bytes())
    scores = score(folders, Run("A", 1, folders / "copy"), Run("B", 0, folders / "copy"))
    first, second = scores.warnings
    assert first.startswith("the predictions of A, run 0, and A, run 1, are the same files, byte by byte")
    assert second.startswith("the predictions of A, run 0, and B, run 0, are the same files, byte by byte")


def test_one_folder_as_raw_and_filtered_is_refused(folders):
    with pytest.raises(NnunetTVError, match="given as raw and as post-processed predictions of C"):
        score(folders, Run("C", 0, folders / "pred", folders / "pred"))


def test_memory_does_not_grow_with_runs_and_cases(tmp_path):
    shape = (48, 48, 48)
    for case in range(4):
        save(tmp_path / "ref", f"sub-{case}", cube((9, 9, 9), shape=shape))
        for run in range(6):
            save(tmp_path / f"run{run}", f"sub-{case}", cube((9, 9 + run, 9), shape=shape))
    runs = [Run("A", run, tmp_path / f"run{run}") for run in range(6)]

    def peak(some):
        tracemalloc.start()
        score_folders(tmp_path / "ref", some)
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    peak(runs)  # imports and caches
    two = peak(runs[:2])
    assert two > 48**3  # the measurement sees arrays
    assert peak(runs) < two + 48**3

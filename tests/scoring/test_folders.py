"""Folders of predictions: matching, geometry, and a status for every case."""

import json
import re
import tracemalloc
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
from scored_folders import AFFINE, SHAPE, SPACING, boxes, cube, flipped, read, rows_of, save, score

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.postprocessing import ClusterFilter
from nnunet_tv.scoring.case_scoring import ScoringOptions
from nnunet_tv.scoring.folders import score_controls, score_folders
from nnunet_tv.scoring.rows import CaseFlow
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import NnunetTVError


@pytest.fixture
def folders(tmp_path):
    """One reference, perfectly predicted."""
    save(tmp_path / "ref", "sub-1", cube((2, 2, 2)))
    save(tmp_path / "pred", "sub-1", cube((2, 2, 2)))
    return tmp_path


def statuses(scores):
    """Status of each case, raw and filtered."""
    raw, filtered = rows_of(scores), rows_of(scores, "filtered")
    return {case: (row.status, filtered[case].status) for case, row in raw.items()}


def test_rows_are_ordered_and_equal_the_array_scores(study):
    for case in ("sub-1", "sub-2"):
        save(study / "other", case, cube((1, 1, 1)))
    options = {"hits": ("overlap:0.9", "any"), "distances": True, "nsd_tolerance_mm": 1.0, "connectivity": 6}
    scores = score(study, Run("A", 0, study / "pred"), Run("A", 1, study / "other"),
                   Run("B", 0, study / "other", study / "pred"), **options)
    assert [(row.group, row.run, row.stage, row.case) for row in scores.rows] == [
        (*run, stage, case) for run in (("A", 0), ("A", 1), ("B", 0)) for stage in ("raw", "filtered")
        for case in ("sub-1", "sub-2")]
    assert scores.problems == [] and len(scores.inputs) == 6 and all(len(each) == 64 for each in scores.inputs.values())
    first = scores.rows[0].score
    assert first == score_case(read(study / "pred/sub-1.nii.gz"), cube((2, 3, 4)), SPACING, affine=AFFINE, **options)
    assert (first.detected, first.hits["any"].detected, first.reference_mm3) == (False, True, 64 * 9)
    assert scores.rows[10].score == first  # the filtered folder of B is the raw one of A


def test_workers_give_the_same(study):
    assert score(study, processes=2) == score(study)


def test_chosen_cases(study):
    scores = score(study, cases=["sub-2"])
    assert [row.case for row in scores.rows] == ["sub-2", "sub-2"] and scores.warnings == []
    with pytest.raises(NnunetTVError, match=r"ref: no reference \(CASE.nii.gz\) for sub-3, sub-4"):
        score(study, cases=["sub-4", "sub-2", "sub-3"])


def test_the_flow_of_cases(study):
    for folder, cases in (("ref", ("sub-3",)), ("pred", ("sub-3", "sub-9")), ("post", ("sub-1", "sub-2", "sub-8"))):
        for case in cases:
            save(study / folder, case, cube((2, 2, 2)))
    run = Run("A", 0, study / "pred", study / "post")
    flow = score(study, run, cases=["sub-2", "sub-1"]).flow
    assert (flow.references, flow.left_out) == (("sub-1", "sub-2", "sub-3"), ("sub-3",))
    assert flow.unscored == {str(study / "pred"): ("sub-3", "sub-9"), str(study / "post"): ("sub-8",)}
    assert CaseFlow.from_dict(json.loads(json.dumps(asdict(flow)))) == flow
    save(study / "post", "sub-3", cube((2, 2, 2)))
    flow = score(study, run).flow
    assert (flow.references, flow.left_out) == (("sub-1", "sub-2", "sub-3"), ())
    assert flow.unscored == {str(study / "pred"): ("sub-9",), str(study / "post"): ("sub-8",)}
    assert score_controls([Run("A", 0, study / "pred")]).flow is None


def test_the_flow_of_a_cross_validation(study):
    """A case that another fold validates is not expected in this fold's folder."""
    for folder, cases in (("one", ("sub-1", "sub-2")), ("two", ("sub-2",))):
        for case in cases:
            save(study / folder, case, cube((2, 2, 2)))
    one, two = Run("A", 0, study / "one"), Run("A", 1, study / "two")
    pooled = Run("A", 0, study, parts={"sub-1": one, "sub-2": two})
    assert score(study, pooled, cases=["sub-1", "sub-2"]).flow.unscored == {str(study / "one"): ("sub-2",)}


def test_nnunet_leftovers_are_ignored_and_extra_predictions_are_named(folders):
    for name in ("dataset.json", "plans.json", "summary.json", "sub-1.npz", "sub-1.pkl", ".partial-3-sub-9.nii.gz"):
        (folders / "pred" / name).write_bytes(b"?")
    for case in ("sub-8", "sub-9"):
        save(folders / "pred", case, cube((1, 1, 1)))
    scores = score(folders)
    assert scores.problems == [] and len(scores.rows) == 2
    [warning] = scores.warnings
    assert "pred: 2 predictions without a reference, not scored: sub-8, sub-9" in warning


def test_missing_predictions_are_named_and_the_others_scored(folders):
    for case in ("sub-2", "sub-3"):
        save(folders / "ref", case, cube((5, 5, 5)))
    (folders / "empty").mkdir()
    scores = score(folders)
    missing = ("missing prediction", "missing prediction")
    assert statuses(scores) == {"sub-1": ("scored", "scored"), "sub-2": missing, "sub-3": missing}
    first, second = scores.problems
    assert re.match(r"sub-2: missing raw prediction of A, run 0: expected .*pred/sub-2.nii.gz; predict it", first)
    assert second.startswith("sub-3:")
    scores = score(folders, Run("A", 0, folders / "pred", folders / "empty"), cases=["sub-1"])
    assert statuses(scores) == {"sub-1": ("scored", "missing prediction")}
    assert "missing filtered prediction of A, run 0" in scores.problems[0]


@pytest.mark.parametrize("stored", [
    *(lambda data, axis=axis: flipped(data, axis) for axis in range(3)),
    lambda data: (data.transpose(2, 0, 1), AFFINE[:, [2, 0, 1, 3]])], ids=["x", "y", "z", "permuted"])
def test_other_axes_of_one_grid_are_turned(folders, stored):
    data = cube((1, 2, 3), (6, 8, 9))
    save(folders / "ref", "sub-1", data)
    save(folders / "pred", "sub-1", *stored(data))
    scores = score(folders)
    assert scores.rows[0].score.dice == 1.0 and scores.problems == []
    [warning] = scores.warnings
    assert warning.startswith("sub-1: raw prediction of A, run 0 is stored as") and warning.endswith("turned")
    runs = [Run("A", number, folders / "pred") for number in range(3)]
    [warning] = [text for text in score_folders(folders / "ref", runs).warnings if text.endswith("turned")]
    assert warning.startswith("sub-1: raw prediction of A, run 0 and 2 other predictions are stored as")


def test_equal_voxels_with_flipped_geometry_are_not_compared_voxel_by_voxel(folders):
    # The bytes agree, the world does not: a mirrored lesion.
    data = cube((0, 2, 3))
    save(folders / "ref", "sub-1", data)
    save(folders / "pred", "sub-1", data, flipped(data, 0)[1])
    row = score(folders).rows[0]
    assert row.score.tp == 0 and row.score.detected is False


@pytest.mark.parametrize(("shape", "change"), [
    (SHAPE, (0, 3, 1.5)), (SHAPE, (0, 0, 1.6)), ((*SHAPE[:2], 19), None), (SHAPE[::-1], None)])
def test_other_grids_are_refused_by_name(folders, shape, change):
    affine = AFFINE.copy()
    if change:
        affine[change[0], change[1]] += change[2]
    save(folders / "pred", "sub-1", cube((2, 2, 2), shape=shape), affine)
    scores = score(folders)
    [message] = scores.problems
    assert statuses(scores) == {"sub-1": ("geometry mismatch", "geometry mismatch")}
    assert re.match("sub-1: .*pred/sub-1.nii.gz: geometry mismatch: raw prediction of A, run 0 has ", message)
    assert "its reference 16×18×20 voxels of 1.5×2×3 mm, RAS, first voxel at (-20, 5, 7) mm" in message


def test_rounding_of_the_affine_is_no_mismatch(folders):
    save(folders / "pred", "sub-1", cube((2, 2, 2)), AFFINE + 1e-6)
    assert score(folders).problems == []


@pytest.mark.parametrize("folder", ["ref", "pred"])
def test_unusable_files_are_named_and_affect_only_themselves(study, folder):
    save(study / folder, "sub-2", cube((2, 2, 2)) * 255)
    scores = score(study, allow_missing=True)  # which does not excuse them
    assert statuses(scores) == {"sub-1": ("scored", "scored"), "sub-2": ("unusable file", "unusable file")}
    [problem] = scores.problems
    assert re.search(f"^sub-2: .*{folder}/sub-2.nii.gz: .*labels 0 .* and 1 .*, found 0, 255", problem)
    assert rows_of(scores)["sub-2"].score is None


def test_volumes_that_cannot_be_filtered_are_named(folders):
    for folder in ("ref", "pred"):
        save(folders / folder, "sub-1", boxes(((2, 5), (2, 5), (0, 2)), shape=(10, 12, 2)))
    scores = score(folders, cluster_filter=ClusterFilter())
    assert statuses(scores) == {"sub-1": ("scored", "cannot be filtered")}
    assert ("pred/sub-1.nii.gz: the raw prediction is scored but cannot be filtered: expected at least 3 voxels along "
            "each axis") in scores.problems[0]


def test_misleading_folders_are_refused(folders):
    for name in ("empty", "swapped"):
        (folders / name).mkdir()
    (folders / "swapped" / "plans.json").write_text("{}")
    pred, score_them = folders / "pred", partial(score_folders, folders / "ref")
    for work, runs, message in (
        (score_them, [Run("B", 0, folders / "nowhere")], "nowhere: no such folder"),
        (score_them, [Run("B", 0, pred, folders / "ref")], "ref: given as predictions and as references"),
        (score_them, [Run("C", 0, pred, pred)], "given as raw and as post-processed predictions of C"),
        (score_them, [], "no predictions to score"),
        (partial(score_folders, folders / "swapped"), [Run("A", 0, pred)], "swapped: .* found plans.json"),
        (partial(score_folders, folders / "empty"), [Run("A", 0, pred)],
         r"empty: expected references \(CASE.nii.gz\), found none"),
        (score_controls, [], "no predictions of controls to score"),
        (score_controls, [Run("A", 0, folders / "nowhere")], "nowhere: no such folder"),
        (score_controls, [Run("A", 0, folders / "empty")], "empty: expected predictions of controls"),
    ):
        with pytest.raises(NnunetTVError, match=message):
            work(runs)


def test_equal_runs_are_named(folders):
    (folders / "copy").mkdir()
    (folders / "copy" / "sub-1.nii.gz").write_bytes((folders / "pred" / "sub-1.nii.gz").read_bytes())
    runs = [Run("A", 0, folders / "pred"), Run("A", 1, folders / "copy"), Run("B", 0, folders / "copy")]
    first, second = score(folders, *runs).warnings
    assert first.startswith("the predictions of A, run 0, and A, run 1, are the same files, byte by byte")
    assert second.startswith("the predictions of A, run 0, and B, run 0, are the same files, byte by byte")


def test_controls_need_no_reference(study):
    save(study / "well", "con-1", boxes(((1, 6), (1, 6), (1, 6)), ((9, 10), (9, 10), (9, 10))))
    save(study / "well", "con-2", boxes(), AFFINE @ np.diag([2, 2, 2, 1.0]))
    scores = score_controls([Run("A", 0, study / "well")], options=ScoringOptions(hits=("any", "center")))
    assert scores.problems == [] and len(scores.inputs) == 2
    raw, filtered = rows_of(scores), rows_of(scores, "filtered")
    assert [row.status for row in raw.values()] == ["empty reference", "both empty"]
    assert (raw["con-1"].score.n_false_clusters, filtered["con-1"].score.n_false_clusters) == (2, 1)
    assert raw["con-1"].score.detected is None and filtered["con-1"].lost.by_filter == 0
    assert raw["con-1"].score.clusters[0].centroid_mm == pytest.approx((-20 + 3 * 1.5, 5 + 3 * 2, 7 + 3 * 3))


def test_probabilities_of_controls_give_candidates_that_are_all_false(study):
    for case, places in (("con-1", [(1, 1, 1), (9, 9, 9)]), ("con-2", [])):
        data = cube(*places)
        save(study / "well", case, data)
        save(study / "soft", case, (0.2 + 0.4 * data * np.linspace(1, 2, 16)[:, None, None]).astype(np.float32))
    run = Run("A", 0, study / "well", probabilities=study / "soft")
    scores = score_controls([run], options=ScoringOptions(hits=("any", "distance:20")))
    assert scores.problems == [] and len(scores.inputs) == 4
    first, second = scores.candidates
    assert (first.case, first.group, first.run, first.n_lesions) == ("con-1", "A", 0, 0)
    assert first.true == {"any": (False,), "distance:20": (False,)} and first.lesions["any"] == ((),)
    assert first.confidence[0] == pytest.approx(0.2 + 0.4 * (1 + 12 / 15)) and second.confidence == pytest.approx([0.2])
    assert rows_of(scores)["con-1"].score.clusters[0].peak_probability == pytest.approx(first.confidence[0])


@pytest.mark.parametrize(("write", "message"), [
    (lambda folder: (folder / "con-2.nii.gz").unlink(), "con-2: .*soft: no probability: expected con-2.npz or"),
    (lambda folder: save(folder, "con-2", cube((2, 2, 2))), "con-2: .*expected probabilities, found a mask of 0 and 1"),
    (lambda folder: save(folder.parent / "well", "con-2", cube((2, 2, 2))), "con-2: .*one half where the mask is"),
    (lambda folder: save(folder, "con-2", np.zeros(SHAPE, np.float32), AFFINE @ np.diag([2, 1, 1, 1.0])),
     "con-2: .*geometry mismatch")])
def test_faulty_probabilities_of_controls_are_named(study, write, message):
    for case in ("con-1", "con-2"):
        save(study / "well", case, cube())
        save(study / "soft", case, np.full(SHAPE, 0.25, np.float32))
    write(study / "soft")
    scores = score_controls([Run("A", 0, study / "well", probabilities=study / "soft")])
    [problem] = scores.problems
    assert re.search(message, problem) and [one.case for one in scores.candidates] == ["con-1"]


def test_a_control_that_a_run_lacks_is_named(tmp_path):
    for folder, case in (("one", "con-1"), ("one", "con-2"), ("two", "con-1")):
        save(tmp_path / folder, case, boxes())
    scores = score_controls([Run("A", 0, tmp_path / "one"), Run("B", 0, tmp_path / "two")],
                            options=ScoringOptions(allow_missing=True))  # of patients only
    [problem] = scores.problems
    assert problem.startswith("con-2: missing raw prediction of B, run 0: expected ")
    assert [row.status for row in scores.rows if row.group == "B"] == ["both empty", "missing prediction"] * 2


def test_memory_does_not_grow_with_runs_and_cases(tmp_path):
    shape = (72, 72, 72)  # large enough that rows, which are kept, count little beside one array
    for case in range(4):
        save(tmp_path / "ref", f"sub-{case}", cube((9, 9, 9), shape=shape))
        for run in range(6):
            save(tmp_path / f"run{run}", f"sub-{case}", cube((9, 9 + run, 9), shape=shape))

    def peak(n_runs):
        tracemalloc.start()
        score(tmp_path, *(Run("A", run, tmp_path / f"run{run}") for run in range(n_runs)))
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    peak(6)  # imports and caches
    two = peak(2)
    assert two > 72**3  # the measurement sees arrays
    assert peak(6) < two + 72**3

"""Agreement of predictions of two scans, from files."""

from dataclasses import asdict

import numpy as np
import pytest
from scored_folders import AFFINE, BARE, SHAPE, cube, flipped, save

from nnunet_tv.postprocessing import ClusterFilter
from nnunet_tv.scoring.case_scoring import ScoringOptions
from nnunet_tv.scoring.rescans import RescanRow, compare_rescans
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import sha256

OPTIONS = ScoringOptions(cluster_filter=BARE)


def make_run(folder, number=0, group="A", rescan="again", **other):
    name = "first" if group == "A" else group
    return Run(group, number, folder / f"{name}{number or ''}", rescan=folder / f"{rescan}{number or ''}", **other)


@pytest.fixture
def scans(tmp_path):
    """Two subjects: one shifted by a voxel of four, one with nothing."""
    save(tmp_path / "first", "sub-1", cube((2, 3, 4)))
    save(tmp_path / "again", "sub-1", cube((3, 3, 4)))
    for folder in ("first", "again"):
        save(tmp_path / folder, "sub-2", np.zeros(SHAPE, np.uint8))
    return tmp_path


def values(rescans, stage="raw"):
    return {(row.run, row.case): row.agreement.dice for row in rescans.rows if row.stage == stage}


def test_rows(scans):
    save(scans / "first", "not-scanned-again", cube((1, 1, 1)))
    found = compare_rescans([make_run(scans)], options=OPTIONS)
    assert values(found) == values(found, "filtered") == {(0, "sub-1"): 0.75, (0, "sub-2"): None}
    assert [(row.stage, row.case) for row in found.rows] == [
        ("raw", "sub-1"), ("raw", "sub-2"), ("filtered", "sub-1"), ("filtered", "sub-2")]
    one = found.rows[0]
    assert (one.agreement.n_both, one.agreement.first_mm3) == (1, 64 * 9.0)
    assert RescanRow.from_dict(asdict(one)) == one
    assert found.inputs[str(scans / "again" / "sub-1.nii.gz")] == sha256(scans / "again" / "sub-1.nii.gz")
    assert len(found.inputs) == 4 and not found.problems and not found.warnings


def test_both_predictions_are_filtered_by_the_same_filter(scans):
    save(scans / "again", "sub-1", cube((3, 3, 4)) | cube((12, 12, 14), side=2))
    save(scans / "filtered", "sub-1", cube((8, 8, 8)))  # a file that is not used
    run = make_run(scans, filtered=scans / "filtered")
    found = compare_rescans([run], options=ScoringOptions(cluster_filter=ClusterFilter(min_voxels=20, opening=False)))
    assert values(found)[0, "sub-1"] == pytest.approx(2 * 48 / (64 + 72))
    assert values(found, "filtered")[0, "sub-1"] == 0.75


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_axis_directions_may_differ(scans, axis):
    data, affine = flipped(cube((3, 3, 4)), axis)
    save(scans / "again", "sub-1", data, affine)
    assert values(compare_rescans([make_run(scans)], options=OPTIONS))[0, "sub-1"] == 0.75


def test_healthy_subjects_are_found_among_the_controls(scans):
    (scans / "healthy").mkdir()
    (scans / "first" / "sub-2.nii.gz").rename(scans / "healthy" / "sub-2.nii.gz")
    (without,) = compare_rescans([make_run(scans)], options=OPTIONS).problems
    assert "sub-2" in without and str(scans / "first" / "sub-2.nii.gz") in without
    controls = [Run("B", 0, scans / "first"), Run("A", 0, scans / "healthy")]
    found = compare_rescans([make_run(scans)], controls, options=OPTIONS)
    assert (0, "sub-2") in values(found) and not found.problems
    save(scans / "healthy", "sub-1", cube((2, 3, 4)))  # the same file twice
    assert not compare_rescans([make_run(scans)], controls, options=OPTIONS).problems
    save(scans / "healthy", "sub-1", cube((2, 3, 5)))
    (problem,) = compare_rescans([make_run(scans)], controls, options=OPTIONS).problems
    assert "sub-1" in problem and str(scans / "healthy") in problem and "differ" in problem


def test_another_grid_names_the_case(scans):
    moved = AFFINE.copy()
    moved[0, 3] += 1
    save(scans / "again", "sub-1", cube((3, 3, 4)), moved)
    found = compare_rescans([make_run(scans)], options=OPTIONS)
    assert len(found.problems) == 1 and "sub-1" in found.problems[0] and "(-19, 5, 7)" in found.problems[0]
    assert {row.case for row in found.rows} == {"sub-2"}


def test_every_run_has_every_subject(scans):
    save(scans / "first1", "sub-1", cube((2, 3, 4)))
    save(scans / "again1", "sub-1", cube((2, 3, 4)))
    runs = [make_run(scans), make_run(scans, 1)]
    found = compare_rescans(runs, options=OPTIONS, processes=2)
    assert values(found) == {(0, "sub-1"): 0.75, (0, "sub-2"): None, (1, "sub-1"): 1.0}
    assert len(found.problems) == 1 and str(scans / "again1" / "sub-2.nii.gz") in found.problems[0]
    (warning,) = found.warnings  # and not of empty ones
    assert "sub-1" in warning and "the same file" in warning


def test_an_unusable_file_is_a_problem(scans):
    (scans / "again" / "sub-1.nii.gz").write_bytes(b"?")
    (problem,) = compare_rescans([make_run(scans)], options=OPTIONS).problems
    assert "sub-1" in problem and "not a readable NIfTI image" in problem


@pytest.mark.parametrize(("folder", "message"), [
    ("gone", "gone: no such folder"), ("empty", "found none"),
    ("first", "first: given as predictions of the first and of the second"),
    ("healthy", "healthy: given as predictions of the first and")])
def test_unusable_folders(scans, folder, message):
    (scans / "empty").mkdir()
    save(scans / "healthy", "sub-1", cube((2, 3, 4)))
    with pytest.raises(NnunetTVError, match=message):
        compare_rescans([make_run(scans, rescan=folder)], [Run("A", 0, scans / "healthy")])


def test_nothing_is_compared_without_second_scans(scans):
    assert compare_rescans([Run("A", 0, scans / "first")]).rows == []

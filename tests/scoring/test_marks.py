"""Voxels that predictions mark: sides, true and false, union over runs."""

import nibabel as nib
import numpy as np
import pytest
from scored_folders import AFFINE, BARE, SHAPE, cube, flipped, save

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume, canonical
from nnunet_tv.metrics.components import find_components
from nnunet_tv.scoring.case_scoring import ScoringOptions
from nnunet_tv.scoring.folders import score_controls, score_folders
from nnunet_tv.scoring.marks import find_marks, unite
from nnunet_tv.scoring.runs import Run

ANY = {"case": "sub-1", "group": "A", "stage": "raw", "rule": "any"}


def volume_of(marks, values=None):
    flat = np.zeros(np.prod(marks.grid.shape), bool)
    flat[marks.voxels if values is None else marks.voxels[values]] = True
    return flat.reshape(marks.grid.shape)


@pytest.mark.parametrize("codes", ["RAS", "LAS", "PSR", "ILA"])
def test_the_same_place_in_any_storage_order(codes):
    data = (np.random.default_rng(0).random(SHAPE) > 0.9).astype(np.uint8)
    turn = nib.orientations.ornt_transform(nib.io_orientation(AFFINE), nib.orientations.axcodes2ornt(codes))
    stored = Volume(np.ascontiguousarray(nib.apply_orientation(data, turn)),
                    AFFINE @ nib.orientations.inv_ornt_aff(turn, SHAPE))
    assert stored.orientation == codes
    empty = find_components(np.zeros(stored.shape, bool))
    marks = find_marks(find_components(stored.data > 0), empty, stored.grid, **ANY)
    assert marks.grid.matches(Grid(SHAPE, AFFINE)) and marks.grid.matches(canonical(stored).grid)
    np.testing.assert_array_equal(volume_of(marks), data)
    assert marks.false.all() and (np.diff(marks.voxels) > 0).all()


def test_oblique_axes():
    angle = np.deg2rad(20)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    data, affine = flipped(cube((3, 3, 4)) > 0, 0)
    affine = turned @ affine
    marks = find_marks(find_components(np.ascontiguousarray(data)), find_components(np.zeros(SHAPE, bool)),
                       Grid(SHAPE, affine), **ANY)
    expected = Grid(SHAPE, affine).to_mm(np.argwhere(data)).mean(axis=0)
    np.testing.assert_allclose(marks.grid.to_mm(np.argwhere(volume_of(marks))).mean(axis=0), expected)


@pytest.fixture
def study(tmp_path):
    """A lesion, hit by both runs; a false cluster in run 1."""
    save(tmp_path / "ref", "sub-1", cube((2, 3, 4)))
    save(tmp_path / "run0", "sub-1", cube((3, 3, 4)))
    data, affine = flipped(cube((2, 2, 4), (11, 12, 14)), 0)
    save(tmp_path / "run1", "sub-1", data, affine)
    return tmp_path


def test_runs_of_a_subject_are_united(study):
    runs = [Run("A", number, study / f"run{number}") for number in (0, 1)]
    scores = score_folders(study / "ref", runs, options=ScoringOptions(cluster_filter=BARE))
    assert [(one.case, one.group, one.stage) for one in scores.marks] == [
        ("sub-1", "A", stage) for stage in ("raw", "filtered")]
    for one in scores.marks:
        np.testing.assert_array_equal(volume_of(one), cube((3, 3, 4), (2, 2, 4), (11, 12, 14)))
        np.testing.assert_array_equal(volume_of(one, one.false), cube((11, 12, 14)))


def test_true_and_false_follow_the_primary_hit_rule(study):
    (raw, _) = score_folders(study / "ref", [Run("A", 0, study / "run0")],
                             options=ScoringOptions(cluster_filter=BARE, hits=("overlap:0.9", "any"))).marks
    assert raw.false.all()


def test_all_marks_of_controls_are_false(study):
    marks = score_controls([Run("A", 0, study / "run0")], options=ScoringOptions(cluster_filter=BARE)).marks
    assert [one.false.all() and len(one.voxels) for one in marks] == [64, 64]


def test_an_empty_prediction_has_marks_without_voxels(study):
    save(study / "run0", "sub-1", np.zeros(SHAPE, np.uint8))
    (raw, _) = score_folders(study / "ref", [Run("A", 0, study / "run0")]).marks
    assert len(raw.voxels) == len(raw.false) == 0 and raw.grid.shape == SHAPE


def test_marks_on_different_grids_stay_apart(study):
    moved = AFFINE.copy()
    moved[2, 3] += 3
    save(study / "run1", "sub-1", cube((2, 2, 4)), moved)
    runs = [Run("A", number, study / f"run{number}") for number in (0, 1)]
    marks = score_controls(runs, options=ScoringOptions(cluster_filter=BARE)).marks
    assert [(one.stage, one.grid.affine[2, 3]) for one in marks] == [("raw", 7), ("raw", 10), ("filtered", 7),
                                                                     ("filtered", 10)]
    assert unite([]) == []

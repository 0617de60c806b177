"""Counts of subjects and flagged places."""

from dataclasses import asdict

import numpy as np
import pytest

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.metrics.components import find_components
from nnunet_tv.reporting.cohort.brain import CohortBrain
from nnunet_tv.reporting.cohort.maps import Cohort, count_marks, file_stems, make_map, other_grid
from nnunet_tv.scoring.marks import find_marks
from nnunet_tv.utils.files import json_text

SHAPE = (40, 44, 42)
GRID = Grid(SHAPE, np.array([[2.0, 0, 0, -40], [0, 2, 0, -44], [0, 0, 2, -40], [0, 0, 0, 1]]))
BRAIN = CohortBrain((2, 2, 2), np.ones(SHAPE, bool), int(np.prod(SHAPE)), "", None, "")
PLANTED = (8, 22, 20)  # at x = -24 mm: left


def ball(centre, radius=3):
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    return ((grid - np.asarray(centre)) ** 2).sum(axis=-1) <= radius ** 2


def marks_of(case, mask, *, lesions=None, grid=GRID):
    empty = np.zeros(mask.shape, bool)
    return find_marks(find_components(np.ascontiguousarray(mask)),
                      find_components(np.ascontiguousarray(empty if lesions is None else lesions)), grid, case=case,
                      group="A", stage="raw", rule="any")


def random_ball(rng):
    return ball([rng.integers(4, side - 4) for side in SHAPE])


def cohort(n_planted, *, n=10, seed=0, grid=GRID, stored=lambda mask: mask):
    """Subjects with three clusters anywhere, and some of them with one at the same place."""
    rng = np.random.default_rng(seed)
    masks = [random_ball(rng) | random_ball(rng) | random_ball(rng) for _ in range(n)]
    return [marks_of(f"sub-{number}", stored(mask | ball(PLANTED)) if number < n_planted else stored(mask), grid=grid)
            for number, mask in enumerate(masks)]


def test_counts():
    marks = [marks_of("a", ball(PLANTED), lesions=ball(PLANTED)), marks_of("b", ball(PLANTED) | ball((30, 30, 30))),
             marks_of("c", np.zeros(SHAPE, bool))]
    np.testing.assert_array_equal(count_marks(marks), 2 * ball(PLANTED) + ball((30, 30, 30)))
    np.testing.assert_array_equal(count_marks(marks, false=True), ball(PLANTED) * 1 + ball((30, 30, 30)))


def test_a_constant_cluster_is_flagged_where_it_is():
    found, counts = make_map(cohort(8), BRAIN, controls={"sub-0", "sub-1", "sub-9"})
    (place,) = found.places
    assert (found.n_subjects, found.n_controls, found.n_marked, found.most) == (10, 3, 10, 8) and found.limit <= 6
    assert (place.n_subjects, place.n_false, place.n_controls) == (8, 8, 2)
    np.testing.assert_allclose(place.centroid_mm, (-24, 0, 0), atol=1)
    assert place.centroid_mm[0] < 0 and place.volume_mm3 == pytest.approx(ball(PLANTED).sum() * 8, rel=0.2)
    assert counts[PLANTED] == 8


@pytest.mark.parametrize("seed", range(5))
def test_random_clusters_are_not_flagged(seed):
    found, _ = make_map(cohort(0, seed=seed), BRAIN)
    assert found.places == () and found.limit is not None and 1 <= found.most < found.limit


def test_of_a_lesion_in_the_same_lobe_only_the_false_clusters_are_counted():
    marks = [marks_of(f"sub-{number}", ball(PLANTED), lesions=ball(PLANTED, 1 if number < 5 else 0)
                      if number < 5 else None) for number in range(8)]
    (place,) = make_map(marks, BRAIN)[0].places
    assert (place.n_subjects, place.n_false) == (8, 3)


@pytest.mark.parametrize("flip", [(), (0,), (1, 2), (0, 1, 2)])
def test_left_stays_left_in_any_storage_order(flip):
    affine = GRID.affine.copy()
    for axis in flip:
        affine[:3, 3] += affine[:3, axis] * (SHAPE[axis] - 1)
        affine[:3, axis] *= -1
    marks = cohort(8, grid=Grid(SHAPE, affine), stored=lambda mask: np.flip(mask, flip))
    found, counts = make_map([*marks[:5], *cohort(8)[5:]], BRAIN)  # some subjects are stored like this
    assert other_grid([*marks, *cohort(8)]) == ""
    assert found.places[0].centroid_mm[0] < -20 and counts[PLANTED] == 8


def test_marks_outside_of_the_brain_are_searched_too():
    brain = np.zeros(SHAPE, bool)
    brain[15:, 5:-5, 5:-5] = True
    found, _ = make_map(cohort(8), CohortBrain((2, 2, 2), brain, int(brain.sum()), "", None, ""))
    assert len(found.places) == 1 and found.places[0].centroid_mm[0] < 0


def test_an_unknown_brain_is_small_and_everywhere():
    known = make_map(cohort(8), BRAIN)[0]
    unknown = make_map(cohort(8), CohortBrain((2, 2, 2), None, BRAIN.n_voxels // 4, "", None, ""))[0]
    assert known.limit < unknown.limit <= 8 and len(unknown.places) == 1


def test_several_places_are_ordered_by_false_clusters():
    lesion = ball((30, 10, 10))
    marks = [marks_of(f"sub-{number}", lesion | (ball(PLANTED) if number < 6 else False), lesions=lesion)
             for number in range(10)]
    first, second = make_map(marks, BRAIN)[0].places
    assert (first.n_subjects, first.n_false) == (6, 6) and (second.n_subjects, second.n_false) == (10, 0)


@pytest.mark.parametrize("masks", [[0], [0, 0, 0], [1], [1, 0], [1, 1]])
def test_few_subjects_and_no_marks(masks):
    marks = [marks_of(f"sub-{number}", ball(PLANTED) * mask > 0) for number, mask in enumerate(masks)]
    found, counts = make_map(marks, CohortBrain((2, 2, 2), None, 10_000, "", None, ""))
    assert found.places == () and found.most == counts.max() == min(1, sum(masks)) * sum(masks)
    assert (found.peak_mm is None) == (not any(masks))


def test_the_record_of_a_map_survives_json():
    import json

    found, _ = make_map(cohort(8), BRAIN, stem="A")
    whole = Cohort((found,), brain="b", background="c")
    assert Cohort.from_dict(json.loads(json_text(asdict(whole)))) == whole


def test_other_grids_are_named():
    moved = Grid(SHAPE, GRID.affine + np.eye(4)[0][:, None] * np.eye(4)[3])
    marks = [marks_of("sub-1", ball(PLANTED)), marks_of("sub-2", ball(PLANTED)),
             marks_of("sub-3", ball(PLANTED), grid=moved)]
    assert other_grid(marks[:2]) == ""
    reason = other_grid(marks)
    assert "sub-1" in reason and "sub-3" in reason and "(-39, -44, -40)" in reason


def test_names_of_files():
    stems = file_stems(["Dice+TV", "a/b", "../a b", "A_B", "<&>", "été", "A_B", "x" * 300])
    assert stems["Dice+TV"] == "Dice+TV" and stems["été"] == "été" and len(stems["x" * 300]) == 60
    assert [stems[name] for name in ("a/b", "../a b", "A_B", "<&>")] == ["a_b", "a_b-2", "A_B-3", "group"]

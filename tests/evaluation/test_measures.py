"""Scores of one case, with answers counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from nnunet_tv.evaluation import score_case

ISOTROPIC = (1.0, 1.0, 1.0)


def mask(*boxes, shape=(12, 12, 12)):
    result = np.zeros(shape, np.uint8)
    for box in boxes:
        result[tuple(slice(*side) for side in box)] = 1
    return result


def counts(score):
    return score.tp, score.fp, score.fn


def clusters(score):
    return score.n_clusters, score.n_false_clusters, score.n_lesions, score.n_lesions_hit


CUBE = ((2, 5), (2, 5), (2, 5))  # 27 voxels


def test_shifted_cube():
    score = score_case(mask(((3, 6), (2, 5), (2, 5))), mask(CUBE), ISOTROPIC)
    assert score.status == "scored" and counts(score) == (18, 9, 9)
    assert score.dice == pytest.approx(2 / 3) and score.detected is True
    assert clusters(score) == (1, 0, 1, 1)


def test_diagonal_touch_is_one_cluster_only_with_26():
    # A true cluster and a speck that touches it with a corner.
    prediction = mask(CUBE, ((5, 6), (5, 6), (5, 6)))
    assert clusters(score_case(prediction, mask(CUBE), ISOTROPIC)) == (1, 0, 1, 1)
    for connectivity in (18, 6):
        assert clusters(score_case(prediction, mask(CUBE), ISOTROPIC, connectivity=connectivity)) == (2, 1, 1, 1)


def test_edge_touch_is_one_cluster_with_26_and_18():
    prediction = mask(CUBE, ((5, 6), (5, 6), (4, 5)))
    found = [score_case(prediction, mask(CUBE), ISOTROPIC, connectivity=c).n_false_clusters for c in (26, 18, 6)]
    assert found == [0, 0, 1]


def test_a_cluster_that_covers_two_lesions():
    reference = mask(((1, 3), (1, 3), (1, 3)), ((8, 10), (1, 3), (1, 3)))
    score = score_case(mask(((0, 11), (0, 4), (0, 4))), reference, ISOTROPIC)
    assert counts(score) == (16, 160, 0) and clusters(score) == (1, 0, 2, 2)
    assert score.dice == pytest.approx(32 / 192)


def test_two_clusters_on_one_lesion_and_one_beside():
    reference = mask(((1, 11), (4, 6), (4, 6)))
    prediction = mask(((1, 3), (4, 6), (4, 6)), ((8, 10), (4, 6), (4, 6)), ((5, 6), (10, 11), (10, 11)))
    score = score_case(prediction, reference, ISOTROPIC)
    assert counts(score) == (16, 1, 24) and clusters(score) == (3, 1, 1, 1)


def test_a_miss_beside_the_lesion():
    score = score_case(mask(((8, 10), (8, 10), (8, 10))), mask(CUBE), ISOTROPIC)
    assert (score.status, score.detected, score.dice) == ("scored", False, 0.0)
    assert counts(score) == (0, 8, 27) and clusters(score) == (1, 1, 1, 0)


def test_empties():
    nothing, something = mask(), mask(CUBE, ((8, 9), (8, 9), (8, 9)))
    both = score_case(nothing, nothing, ISOTROPIC)
    assert (both.status, both.dice, both.detected, both.n_false_clusters) == ("both empty", 1.0, None, 0)
    healthy = score_case(something, nothing, ISOTROPIC)
    assert (healthy.status, healthy.dice, healthy.detected) == ("empty reference", 0.0, None)
    assert counts(healthy) == (0, 28, 0) and clusters(healthy) == (2, 2, 0, 0)
    missed = score_case(nothing, something, ISOTROPIC)
    assert (missed.status, missed.dice, missed.detected) == ("empty prediction", 0.0, False)
    assert counts(missed) == (0, 0, 28) and clusters(missed) == (0, 0, 2, 0)


def test_anisotropic_spacing_changes_volumes_only():
    plain, thick = (score_case(mask(CUBE), mask(CUBE), spacing) for spacing in (ISOTROPIC, (0.5, 0.8, 4.0)))
    assert thick.reference_mm3 == thick.predicted_mm3 == pytest.approx(27 * 1.6)
    assert counts(plain) == counts(thick) and clusters(plain) == clusters(thick) and plain.dice == thick.dice == 1


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_equals_a_plain_loop_on_random_masks(connectivity):
    random = np.random.default_rng(7)
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    for _ in range(60):
        shape = tuple(random.integers(3, 14, 3))
        prediction, reference = (random.random(shape) < random.choice([0.0, 0.02, 0.1, 0.5]) for _ in range(2))
        labels, n = ndimage.label(prediction, structure)
        false = sum(not (reference & (labels == label)).any() for label in range(1, n + 1))
        score = score_case(prediction, reference, ISOTROPIC, connectivity=connectivity)
        assert (score.n_clusters, score.n_false_clusters) == (n, false)
        assert counts(score) == ((prediction & reference).sum(), (prediction & ~reference).sum(),
                                 (~prediction & reference).sum())


def test_inputs_are_not_changed():
    prediction, reference = mask(CUBE), mask(CUBE)
    before = prediction.copy()
    score_case(prediction, reference, ISOTROPIC)
    np.testing.assert_array_equal(prediction, before)


@pytest.mark.parametrize(
    ("prediction", "reference", "spacing", "message"),
    [
        (mask(), mask(shape=(12, 12, 11)), ISOTROPIC, r"\(12, 12, 12\) and reference \(12, 12, 11\) differ in shape"),
        (mask()[None], mask(), ISOTROPIC, r"3D prediction, found shape \(1, 12, 12, 12\)"),
        (mask(), mask()[0], ISOTROPIC, r"3D reference, found shape \(12, 12\)"),
        (mask() + 2, mask(), ISOTROPIC, "prediction of 0 and 1, found 2"),
        (mask(), mask(CUBE) * 255, ISOTROPIC, "reference of 0 and 1, found 0, 255"),
        (mask(), mask(), (1, 1), r"three positive numbers, found \(1, 1\)"),
        (mask(), mask(), (1, 0, 1), r"three positive numbers, found \(1, 0, 1\)"),
    ],
)
def test_unusable_arrays_are_named(prediction, reference, spacing, message):
    with pytest.raises(ValueError, match=message):
        score_case(prediction, reference, spacing)


def test_unusable_connectivity_is_named():
    with pytest.raises(ValueError, match="connectivity 6, 18 or 26, found 8"):
        score_case(mask(), mask(), ISOTROPIC, connectivity=8)

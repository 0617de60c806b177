"""Scores of one case, with answers counted by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from masks import ISOTROPIC, mask, voxels
from scipy import ndimage

from nnunet_tv.metrics.average_precision import average_precision
from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.scores import ClusterScore, LesionScore
from nnunet_tv.scoring.rows import CaseRow, LostLesions


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


def test_measures_of_a_shifted_cube():
    measures = score_case(mask(((3, 6), (2, 5), (2, 5))), mask(CUBE), ISOTROPIC).measures
    # 18 shared, 9 too many, 9 missed.
    assert measures["sensitivity"] == measures["precision"] == pytest.approx(2 / 3)
    assert measures["f2"] == pytest.approx(5 * 18 / (5 * 18 + 4 * 9 + 9))
    assert (measures["lesion_precision"], measures["lesion_recall"], measures["lesion_f1"]) == (1, 1, 1)
    assert measures["average_precision"] is None


def test_f2_weighs_misses_more_than_false_alarms():
    small, large = mask(CUBE), mask(((2, 5), (2, 5), (2, 8)))
    assert score_case(large, small, ISOTROPIC).measures["f2"] == pytest.approx(5 * 27 / (5 * 27 + 27))
    assert score_case(small, large, ISOTROPIC).measures["f2"] == pytest.approx(5 * 27 / (5 * 27 + 4 * 27))


def test_lesion_wise_measures():
    # Two of three lesions found, by two of five clusters.
    reference = voxels((1, 1, 1), (4, 1, 1), (7, 1, 1))
    prediction = voxels((1, 1, 1), (4, 1, 1), (1, 9, 9), (4, 9, 9), (7, 9, 9))
    measures = score_case(prediction, reference, ISOTROPIC).measures
    assert (measures["lesion_precision"], measures["lesion_recall"]) == pytest.approx((2 / 5, 2 / 3))
    assert measures["lesion_f1"] == pytest.approx(2 * (2 / 5) * (2 / 3) / (2 / 5 + 2 / 3))


def test_measures_of_empties():
    nothing, something = mask(), mask(CUBE)
    keys = ("sensitivity", "precision", "f2", "lesion_precision", "lesion_recall", "lesion_f1", "average_precision")
    for prediction, reference, expected in (
        (nothing, nothing, [None, None, 1, None, None, 1, None]), (something, nothing, [None, 0, 0, 0, None, 0, None]),
        (nothing, something, [0, None, 0, None, 0, 0, None]),
    ):
        measures = score_case(prediction, reference, ISOTROPIC).measures
        assert [measures[key] for key in keys] == expected


def test_clusters_and_lesions_are_described():
    # Cluster of 8 voxels, 4 of them lesion, and a speck; voxels of 1 x 2 x 3 mm, x mirrored, from (10, 20, 30) on.
    prediction, reference = mask(((2, 4), (2, 4), (2, 4)), ((9, 10), (9, 10), (9, 10))), mask(((3, 6), (2, 4), (2, 4)))
    affine = np.array([[-1, 0, 0, 10], [0, 2, 0, 20], [0, 0, 3, 30], [0, 0, 0, 1.0]])
    score = score_case(prediction, reference, (1, 2, 3), affine=affine)
    assert score.clusters == (
        ClusterScore(1, 8, 48.0, (7.5, 25.0, 37.5), 4, None, None, None, {"any": True}),
        ClusterScore(2, 1, 6.0, (1.0, 38.0, 57.0), 0, None, None, None, {"any": False}),
    )
    assert score.lesions == (LesionScore(1, 12, 72.0, (6.0, 25.0, 37.5), 4, {"any": True}),)
    assert score_case(prediction, reference, (1, 2, 3)).clusters[1].centroid_mm == (9.0, 18.0, 27.0)


def test_clusters_are_ranked_by_mean_then_peak_probability_then_volume():
    prediction = mask(((0, 3), (0, 1), (0, 1)), ((6, 8), (0, 1), (0, 1))) | voxels((0, 6, 6), (9, 9, 9))
    probability = np.zeros(prediction.shape, np.float32)
    probability[0:3, 0, 0] = 0.75
    probability[6:8, 0, 0] = (0.5, 1.0)  # the same mean, a higher peak
    probability[0, 6, 6] = probability[9, 9, 9] = 0.875
    score = score_case(prediction, mask(CUBE), ISOTROPIC, probability=probability)
    assert [(c.rank, c.voxels, c.mean_probability, c.peak_probability) for c in score.clusters] == [
        (1, 1, 0.875, 0.875), (2, 1, 0.875, 0.875), (3, 2, 0.75, 1.0), (4, 3, 0.75, 0.75)]
    assert [c.voxels for c in score_case(prediction, mask(CUBE), ISOTROPIC).clusters] == [3, 2, 1, 1]


def test_average_precision_by_hand():
    # Falling: 0.9 lesion, 0.8 background, 0.7 lesion, 0.7 background: 1/2 * 1 + 1/2 * 2/4.
    probability, reference = np.zeros((4, 1, 1)), np.zeros((4, 1, 1), bool)
    probability[:, 0, 0], reference[[0, 2]] = (0.9, 0.8, 0.7, 0.7), True
    assert average_precision(probability, reference) == pytest.approx(0.75)
    assert average_precision(probability, np.zeros_like(reference)) is None
    assert average_precision(np.zeros_like(probability), reference) == 0.5  # the prevalence


def test_average_precision_equals_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")  # comes with nilearn
    random = np.random.default_rng(5)
    for step in (0.0, 0.05):  # without and with ties
        reference = random.random((9, 8, 7)) < 0.1
        probability = np.clip(random.normal(0.3 + 0.3 * reference, 0.2), 0, 1)
        probability = np.round(probability / step) * step if step else probability
        expected = sklearn.average_precision_score(reference.ravel(), probability.ravel())
        assert average_precision(probability, reference) == pytest.approx(expected)
        score = score_case(probability > 0.5, reference, ISOTROPIC, probability=probability)
        assert score.measures["average_precision"] == pytest.approx(expected)


@pytest.mark.parametrize(("options", "message"), [
    ({"probability": np.zeros((12, 12, 11))}, r"probability \(12, 12, 11\) and reference .* differ in shape"),
    ({"probability": np.full((12, 12, 12), 1.5)}, "probabilities from 0 to 1, found 1.5 to 1.5"),
    ({"probability": np.full((12, 12, 12), np.nan)}, "probabilities from 0 to 1, found nan to nan"),
    ({"affine": np.eye(3)}, r"affine of shape \(4, 4\), found \(3, 3\)"),
])
def test_unusable_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        score_case(mask(), mask(), ISOTROPIC, **options)


def test_the_order_of_memory_does_not_matter():
    random = np.random.default_rng(11)
    prediction, reference, probability = (random.random((9, 8, 7)) < share for share in (0.1, 0.1, 2.0))
    options = {"hits": ["any", "center", "distance:2"], "distances": True, "probability": probability * 0.5}
    plain = score_case(prediction, reference, (1, 2, 3), **options)
    turned = [np.asfortranarray(array) for array in (prediction, reference.astype(np.uint8))]
    assert score_case(*turned, (1, 2, 3), **options) == plain


def test_scores_survive_json():
    score = score_case(voxels((1, 1, 1), (5, 5, 5)), mask(CUBE), ISOTROPIC, hits=["any", "distance:4"], distances=True)
    row = CaseRow("sub-1", "A", 0, "filtered", score.status, score, lost=LostLesions(1, 1, 0))
    assert CaseRow.from_dict(json.loads(json.dumps(asdict(row), allow_nan=False))) == row
    missing = CaseRow("sub-1", "A", 0, "raw", "missing prediction", None, "missing")
    assert CaseRow.from_dict(json.loads(json.dumps(asdict(missing)))) == missing

"""Scores of one case, with results counted by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from masks import ISOTROPIC, mask, voxels

from nnunet_tv.metrics.average_precision import average_precision
from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.scores import CaseScore, ClusterScore, LesionScore

CUBE = ((2, 5), (2, 5), (2, 5))  # 27 voxels
NOTHING = mask()
CORNER, EDGE = mask(CUBE, ((5, 6), (5, 6), (5, 6))), mask(CUBE, ((5, 6), (5, 6), (4, 5)))


@pytest.mark.parametrize(("prediction", "reference", "status", "voxel_counts", "clusters", "dice", "detected"), [
    # voxel_counts: TP, FP, FN; clusters: clusters, false ones, lesions, lesions found
    (mask(((3, 6), (2, 5), (2, 5))), mask(CUBE), "scored", (18, 9, 9), (1, 0, 1, 1), 2 / 3, True),
    (mask(((0, 11), (0, 4), (0, 4))), mask(((1, 3), (1, 3), (1, 3)), ((8, 10), (1, 3), (1, 3))),
     "scored", (16, 160, 0), (1, 0, 2, 2), 32 / 192, True),
    (mask(((1, 3), (4, 6), (4, 6)), ((8, 10), (4, 6), (4, 6)), ((5, 6), (10, 11), (10, 11))),
     mask(((1, 11), (4, 6), (4, 6))), "scored", (16, 1, 24), (3, 1, 1, 1), 32 / 57, True),
    (mask(((8, 10), (8, 10), (8, 10))), mask(CUBE), "scored", (0, 8, 27), (1, 1, 1, 0), 0.0, False),
    (NOTHING, NOTHING, "both empty", (0, 0, 0), (0, 0, 0, 0), 1.0, None),
    (mask(CUBE, ((8, 9), (8, 9), (8, 9))), NOTHING, "empty reference", (0, 28, 0), (2, 2, 0, 0), 0.0, None),
    (NOTHING, mask(CUBE, ((8, 9), (8, 9), (8, 9))), "empty prediction", (0, 0, 28), (0, 0, 2, 0), 0.0, False),
], ids=["shifted", "one cluster on two lesions", "two clusters on one lesion", "miss", "both empty", "empty reference",
        "empty prediction"])
def test_counts(prediction, reference, status, voxel_counts, clusters, dice, detected):
    score = score_case(prediction, reference, ISOTROPIC)
    assert (score.status, score.dice, score.detected) == (status, pytest.approx(dice), detected)
    assert (score.tp, score.fp, score.fn) == voxel_counts
    assert (score.n_clusters, score.n_false_clusters, score.n_lesions, score.n_lesions_hit) == clusters


@pytest.mark.parametrize(("prediction", "false"), [(CORNER, [0, 1, 1]), (EDGE, [0, 0, 1])])
def test_connectivity(prediction, false):
    scores = [score_case(prediction, mask(CUBE), ISOTROPIC, connectivity=c) for c in (26, 18, 6)]
    assert [score.n_false_clusters for score in scores] == false


def test_anisotropic_spacing_changes_volumes_only():
    plain, thick = (score_case(CORNER, mask(CUBE), spacing) for spacing in (ISOTROPIC, (0.5, 0.8, 4.0)))
    assert thick.reference_mm3 == pytest.approx(27 * 1.6) and thick.predicted_mm3 == pytest.approx(28 * 1.6)
    assert plain.hits == thick.hits and plain.dice == thick.dice
    assert [plain.measures[key] for key in MEASURES] == [thick.measures[key] for key in MEASURES]


def test_inputs_are_not_changed():
    prediction, reference = mask(CUBE), mask(CUBE)
    score_case(prediction, reference, ISOTROPIC)
    np.testing.assert_array_equal(prediction, mask(CUBE))
    np.testing.assert_array_equal(reference, mask(CUBE))


@pytest.mark.parametrize(("prediction", "reference", "spacing", "options", "message"), [
    (NOTHING, mask(shape=(12, 12, 11)), ISOTROPIC, {},
     r"\(12, 12, 12\) and reference \(12, 12, 11\) differ in shape"),
    (NOTHING[None], NOTHING, ISOTROPIC, {}, r"3D prediction, found shape \(1, 12, 12, 12\)"),
    (NOTHING + 2, NOTHING, ISOTROPIC, {}, "prediction of 0 and 1, found 2"),
    (NOTHING, mask(CUBE) * 255, ISOTROPIC, {}, "reference of 0 and 1, found 0, 255"),
    (NOTHING, NOTHING, (1, 1), {}, r"three positive numbers, found \(1, 1\)"),
    (NOTHING, NOTHING, (1, 0, 1), {}, r"three positive numbers, found \(1, 0, 1\)"),
    (NOTHING, NOTHING, ISOTROPIC, {"connectivity": 8}, "connectivity 6, 18 or 26, found 8"),
    (NOTHING, NOTHING, ISOTROPIC, {"nsd_tolerance_mm": -1}, "expected nsd_tolerance_mm from 0, found -1"),
    (NOTHING, NOTHING, ISOTROPIC, {"affine": np.eye(3)}, r"affine of shape \(4, 4\), found \(3, 3\)"),
    (NOTHING, NOTHING, ISOTROPIC, {"probability": np.zeros((12, 12, 11))},
     r"probability \(12, 12, 11\) and reference .* differ in shape"),
    (NOTHING, NOTHING, ISOTROPIC, {"probability": np.full((12, 12, 12), 1.5)}, "from 0 to 1, found 1.5 to 1.5"),
    (NOTHING, NOTHING, ISOTROPIC, {"probability": np.full((12, 12, 12), np.nan)}, "from 0 to 1, found nan to nan"),
])
def test_unusable_arguments_are_named(prediction, reference, spacing, options, message):
    with pytest.raises(ValueError, match=message):
        score_case(prediction, reference, spacing, **options)


MEASURES = ("sensitivity", "precision", "f2", "lesion_precision", "lesion_recall", "lesion_f1")


@pytest.mark.parametrize(("prediction", "reference", "expected"), [
    # 18 shared, 9 too many, 9 missed
    (mask(((3, 6), (2, 5), (2, 5))), mask(CUBE), [2 / 3, 2 / 3, 5 * 18 / (5 * 18 + 4 * 9 + 9), 1, 1, 1]),
    # F2 weights misses more than false alarms.
    (mask(((2, 5), (2, 5), (2, 8))), mask(CUBE), [1, 0.5, 5 * 27 / (5 * 27 + 27), 1, 1, 1]),
    (mask(CUBE), mask(((2, 5), (2, 5), (2, 8))), [0.5, 1, 5 * 27 / (5 * 27 + 4 * 27), 1, 1, 1]),
    # Two of three lesions found, by two of five clusters.
    (voxels((1, 1, 1), (4, 1, 1), (1, 9, 9), (4, 9, 9), (7, 9, 9)), voxels((1, 1, 1), (4, 1, 1), (7, 1, 1)),
     [2 / 3, 2 / 5, 10 / (10 + 4 + 3), 2 / 5, 2 / 3, 0.5]),
    (NOTHING, NOTHING, [None, None, 1, None, None, 1]),
    (mask(CUBE), NOTHING, [None, 0, 0, 0, None, 0]),
    (NOTHING, mask(CUBE), [0, None, 0, None, 0, 0]),
])
def test_measures(prediction, reference, expected):
    measures = score_case(prediction, reference, ISOTROPIC).measures
    assert [measures[key] for key in MEASURES] == [value if value is None else pytest.approx(value)
                                                   for value in expected]
    assert measures["average_precision"] is None


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


@pytest.mark.parametrize("step", [0.0, 0.05])  # without and with ties
def test_average_precision_equals_scikit_learn(step):
    sklearn = pytest.importorskip("sklearn.metrics")  # comes with nilearn
    random = np.random.default_rng(5)
    reference = random.random((9, 8, 7)) < 0.1
    probability = np.clip(random.normal(0.3 + 0.3 * reference, 0.2), 0, 1)
    probability = np.round(probability / step) * step if step else probability
    expected = sklearn.average_precision_score(reference.ravel(), probability.ravel())
    score = score_case(probability > 0.5, reference, ISOTROPIC, probability=probability)
    assert score.measures["average_precision"] == pytest.approx(expected)


def test_the_order_of_memory_does_not_matter():
    random = np.random.default_rng(11)
    prediction, reference, probability = (random.random((9, 8, 7)) < share for share in (0.1, 0.1, 2.0))
    options = {"hits": ["any", "center", "distance:2"], "distances": True, "probability": probability * 0.5}
    turned = [np.asfortranarray(array) for array in (prediction, reference.astype(np.uint8))]
    assert score_case(*turned, (1, 2, 3), **options) == score_case(prediction, reference, (1, 2, 3), **options)


def test_scores_survive_json():
    score = score_case(voxels((1, 1, 1), (5, 5, 5)), mask(CUBE), ISOTROPIC, hits=["any", "distance:4"], distances=True)
    assert CaseScore.from_dict(json.loads(json.dumps(asdict(score), allow_nan=False))) == score

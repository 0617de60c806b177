"""Scores of one case, with results counted by hand."""

import json
from dataclasses import asdict
from itertools import product

import numpy as np
import pytest
from masks import ISOTROPIC, mask, voxels

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.froc_candidates import find_candidates
from nnunet_tv.metrics.scores import CaseScore, ClusterScore, LesionScore

CUBE = ((2, 5), (2, 5), (2, 5))  # 27 voxels
NOTHING, BOX = mask(), mask(CUBE)
MEASURES = ("sensitivity", "precision", "f2", "lesion_precision", "lesion_recall", "lesion_f1")


@pytest.mark.parametrize(("prediction", "reference", "status", "dice", "measures"), [
    # 18 shared, 9 too many, 9 missed
    (mask(((3, 6), (2, 5), (2, 5))), BOX, "scored", 2 / 3, [2 / 3, 2 / 3, 5 * 18 / (5 * 18 + 4 * 9 + 9), 1, 1, 1]),
    # F2 weights misses more than false alarms.
    (mask(((2, 5), (2, 5), (2, 8))), BOX, "scored", 2 / 3, [1, 0.5, 5 * 27 / (5 * 27 + 27), 1, 1, 1]),
    (BOX, mask(((2, 5), (2, 5), (2, 8))), "scored", 2 / 3, [0.5, 1, 5 * 27 / (5 * 27 + 4 * 27), 1, 1, 1]),
    # Two of three lesions found, by two of five clusters.
    (voxels((1, 1, 1), (4, 1, 1), (1, 9, 9), (4, 9, 9), (7, 9, 9)), voxels((1, 1, 1), (4, 1, 1), (7, 1, 1)),
     "scored", 0.5, [2 / 3, 2 / 5, 10 / (10 + 4 + 3), 2 / 5, 2 / 3, 0.5]),
    (voxels((8, 8, 8)), BOX, "scored", 0, [0, 0, 0, 0, 0, 0]),
    (NOTHING, NOTHING, "both empty", 1, [None, None, 1, None, None, 1]),
    (BOX, NOTHING, "empty reference", 0, [None, 0, 0, 0, None, 0]),
    (NOTHING, BOX, "empty prediction", 0, [0, None, 0, None, 0, 0]),
])
def test_measures(prediction, reference, status, dice, measures):
    score = score_case(prediction, reference, ISOTROPIC)
    assert (score.status, score.dice) == (status, pytest.approx(dice))
    assert [score.measures[key] for key in MEASURES] == pytest.approx(measures)
    assert score.measures["average_precision"] is None


@pytest.mark.parametrize(("prediction", "reference", "spacing", "options", "message"), [
    (NOTHING, mask(shape=(12, 12, 11)), ISOTROPIC, {}, r"\(12, 12, 12\) and reference \(12, 12, 11\) differ in shape"),
    (NOTHING[None], NOTHING, ISOTROPIC, {}, r"3D prediction, found shape \(1, 12, 12, 12\)"),
    (NOTHING + 2, NOTHING, ISOTROPIC, {}, "prediction of 0 and 1, found 2"),
    (NOTHING, BOX * 255, ISOTROPIC, {}, "reference of 0 and 1, found 0, 255"),
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


def test_clusters_are_ranked_by_peak_then_mean_probability_then_volume():
    prediction = mask(((0, 3), (0, 1), (0, 1)), ((6, 8), (0, 1), (0, 1))) | voxels((0, 6, 6), (9, 9, 9))
    probability = np.zeros(prediction.shape, np.float32)
    probability[0:3, 0, 0] = 0.875
    probability[6:8, 0, 0] = (0.5, 1.0)  # the highest peak, the lowest mean
    probability[0, 6, 6], probability[9, 9, 9] = 0.875, 0.9375
    score = score_case(prediction, BOX, ISOTROPIC, probability=probability)
    assert [(c.rank, c.voxels, c.mean_probability, c.peak_probability) for c in score.clusters] == [
        (1, 2, 0.75, 1.0), (2, 1, 0.9375, 0.9375), (3, 3, 0.875, 0.875), (4, 1, 0.875, 0.875)]


def test_rank_and_froc_use_one_confidence():
    # Blobs of one map: the rank of a cluster in clusters.csv is the order of the same cluster in FROC.
    random = np.random.default_rng(7)
    probability = np.zeros((24, 24, 24), np.float32)
    for x, y, z in product(range(1, 24, 6), repeat=3):
        probability[x:x + 2, y:y + 2, z:z + 2] = random.choice(np.linspace(0.2, 1, 9), (2, 2, 2))
    score = score_case(probability >= 0.1, mask(CUBE, shape=probability.shape), ISOTROPIC, probability=probability)
    found = find_candidates(probability, mask(CUBE, shape=probability.shape), ISOTROPIC)
    assert found.confidence == tuple(c.peak_probability for c in score.clusters) and len(found.confidence) == 64
    assert found.true["any"] == tuple(c.true["any"] for c in score.clusters)


def test_scores_survive_json():
    score = score_case(voxels((1, 1, 1), (5, 5, 5)), BOX, ISOTROPIC, hits=["any", "distance:4"], distances=True)
    assert CaseScore.from_dict(json.loads(json.dumps(asdict(score), allow_nan=False))) == score

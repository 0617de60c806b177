"""Lesion F1 with each cluster and each lesion counted once, by hand."""

import numpy as np
import pytest
from masks import ISOTROPIC, mask, voxels

from nnunet_tv.metrics.case_metrics import score_case

LESION, OTHER = ((1, 4), (1, 4), (1, 8)), ((7, 9), (1, 4), (1, 4))
SPECKS = voxels((1, 1, 1), (1, 1, 4), (1, 1, 7))


def f1(prediction, reference, rule="any"):
    return score_case(prediction, reference, ISOTROPIC, hits=[rule]).measures["lesion_f1"]


def test_three_specks_in_one_lesion_are_one_hit_and_two_false_alarms():
    assert f1(SPECKS, mask(LESION)) == 2 * 1 / (2 * 1 + 2)


def test_one_cluster_over_two_lesions_is_one_hit_and_one_miss():
    assert f1(mask(((1, 9), (1, 4), (1, 4))), mask(LESION, OTHER)) == pytest.approx(2 * 1 / (2 * 1 + 1))


def test_the_matching_is_the_largest_and_not_the_first():
    # The large cluster touches both lesions, the speck only the first: greedy by overlap would leave it alone.
    prediction = mask(((3, 9), (1, 4), (1, 4))) | voxels((1, 1, 7))
    assert f1(prediction, mask(LESION, OTHER)) == 1
    assert score_case(prediction, mask(LESION, OTHER), ISOTROPIC).n_clusters == 2


@pytest.mark.parametrize(("prediction", "reference", "expected"), [
    (mask(), mask(), 1), (mask(), mask(LESION), 0), (SPECKS, mask(), 0), (mask(OTHER), mask(LESION), 0),
    (mask(LESION, OTHER), mask(LESION, OTHER), 1)])
def test_edges(prediction, reference, expected):
    assert f1(prediction, reference) == expected


def test_pairs_follow_the_primary_rule():
    lesion, speck = mask(LESION), voxels((1, 1, 1))  # 1 of 63 voxels
    assert [f1(speck, lesion, rule) for rule in ("any", "overlap:0.1", "center", "distance:0")] == [1, 0, 1, 1]
    near = voxels((1, 6, 1))  # 3 mm from the lesion
    assert [f1(near, lesion, rule) for rule in ("any", "distance:2", "distance:3")] == [0, 0, 1]


def test_a_cluster_that_covers_a_lesion_but_is_not_true_does_not_match():
    reference, prediction = voxels((2, 2, 2)), mask(((1, 5), (1, 5), (1, 5)))  # 1 of 64 voxels is lesion
    score = score_case(prediction, reference, ISOTROPIC, hits=["overlap:0.1"])
    assert score.n_lesions_hit == 1 and score.n_false_clusters == 1 and score.measures["lesion_f1"] == 0


def test_precision_and_recall_count_hits():
    measures = score_case(SPECKS, mask(LESION, OTHER), ISOTROPIC).measures
    assert (measures["lesion_precision"], measures["lesion_recall"]) == (1, 0.5)


def test_masks_that_cannot_be_written_to_are_scored():
    prediction, reference = (np.asarray(part, kind) for part, kind in ((SPECKS, np.uint8), (mask(LESION), bool)))
    for array in (prediction, reference):
        array.setflags(write=False)
    assert score_case(prediction, reference, ISOTROPIC).tp == 3
    assert score_case(np.asfortranarray(prediction), reference.T.copy().T, ISOTROPIC, distances=True).tp == 3

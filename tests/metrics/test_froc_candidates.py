"""Candidate clusters: known maps, monotone curves, histograms that hold the hard segmentation."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
from masks import ISOTROPIC, mask, voxels

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.froc_candidates import BINS, FrocCandidates, find_candidates


def hills():
    """Three candidates: 0.9 on lesion 1, 0.6 beside, 0.3 on lesion 2 (whose peak is 0.3)."""
    probability = np.zeros((12, 12, 12), np.float32)
    probability[1:3, 1:3, 1:3], probability[1, 1, 1] = 0.6, 0.9
    probability[9, 9, 1] = 0.6
    probability[1, 9, 9] = 0.3
    return probability, mask(((1, 4), (1, 3), (1, 3)), ((1, 2), (9, 11), (9, 10)))


def test_candidates_by_hand():
    probability, reference = hills()
    found = find_candidates(probability, reference, ISOTROPIC, case="sub-1", group="A", run=2,
                            hits=["any", "overlap:0.6", "distance:0"])
    assert (found.case, found.group, found.run, found.n_lesions, found.threshold) == ("sub-1", "A", 2, 2, 0.1)
    assert found.confidence == pytest.approx((0.9, 0.6, 0.3))
    assert found.true["any"] == (True, False, True) and found.lesions["any"] == ((1,), (), (2,))
    # The first covers 8 of lesion 1's 12 voxels, the third 1 of lesion 2's 2.
    assert found.true["overlap:0.6"] == (True, False, True) and found.lesions["overlap:0.6"] == ((1,), (), ())
    assert found.true["distance:0"] == found.true["any"] and found.lesions["distance:0"] == found.lesions["any"]


def test_a_candidate_on_two_lesions_and_two_on_one():
    probability = mask(((0, 11), (0, 4), (0, 4))) * 0.8
    reference = mask(((1, 3), (1, 3), (1, 3)), ((8, 10), (1, 3), (1, 3)))
    assert find_candidates(probability, reference, ISOTROPIC).lesions["any"] == ((1, 2),)
    two = voxels((1, 1, 1), (6, 1, 1)) * 0.8
    assert find_candidates(two, mask(((1, 8), (1, 3), (1, 3))) > 0, ISOTROPIC).lesions["any"] == ((1,), (1,))


def test_empties():
    nothing, something = np.zeros((5, 5, 5), np.float32), voxels((1, 1, 1), shape=(5, 5, 5))
    silent = find_candidates(nothing, something > 0, ISOTROPIC)
    assert (silent.n_lesions, silent.confidence, silent.lesions) == (1, (), {"any": ()})
    rules = ["any", "center", "distance:9", "overlap:1"]
    healthy = find_candidates(something * 0.7, nothing > 0, ISOTROPIC, hits=rules)
    assert healthy.n_lesions == 0 and set(healthy.true.values()) == {(False,)}
    assert sum(healthy.lesion_histogram) == 0 and sum(healthy.background_histogram) == 125


def test_histograms_hold_the_hard_segmentation():
    random = np.random.default_rng(3)
    probability, reference = random.random((20, 20, 20), np.float32), random.random((20, 20, 20)) < 0.2
    probability[0, 0, :4] = (0.5, np.nextafter(np.float32(0.5), np.float32(0)), 1.0, 0.0)
    found = find_candidates(probability, reference, ISOTROPIC)
    score = score_case(probability >= 0.5, reference, ISOTROPIC)
    assert len(found.lesion_histogram) == BINS
    upper = [sum(part[BINS // 2:]) for part in (found.lesion_histogram, found.background_histogram)]
    assert upper == [score.tp, score.fp]
    assert sum(found.lesion_histogram) == reference.sum()


def test_size_does_not_depend_on_the_volume():
    sizes = [len(json.dumps(asdict(find_candidates(voxels((1, 1, 1), shape=(n,) * 3) * 0.5, np.zeros((n,) * 3, bool),
                                                   ISOTROPIC)))) for n in (8, 80)]
    assert abs(sizes[0] - sizes[1]) < 20  # digits of the counts


def test_candidates_survive_json():
    found = find_candidates(*hills(), ISOTROPIC, hits=["any", "center"])
    assert FrocCandidates.from_dict(json.loads(json.dumps(asdict(found)))) == found


@pytest.mark.parametrize("threshold", [0, 1.1, float("nan")])
def test_threshold_is_checked(threshold):
    with pytest.raises(ValueError, match=f"expected a threshold above 0 and up to 1, found {threshold}"):
        find_candidates(*hills(), ISOTROPIC, threshold=threshold)


@pytest.mark.parametrize(("probability", "message"), [
    (np.zeros((12, 12, 11)), "differ in shape"), (np.full((12, 12, 12), 2.0), "from 0 to 1, found 2 to 2"),
])
def test_probabilities_are_checked(probability, message):
    with pytest.raises(ValueError, match=message):
        find_candidates(probability, mask(), ISOTROPIC)

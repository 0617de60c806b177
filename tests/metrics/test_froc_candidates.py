"""Candidate clusters of known maps, and counts that hold the hard segmentation."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from masks import ISOTROPIC, mask

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.froc_candidates import FrocCandidates, find_candidates


def hills():
    """Three candidates: 0.9 on lesion 1, 0.6 beside, 0.3 on lesion 2 (whose peak is 0.3)."""
    probability = np.zeros((12, 12, 12), np.float32)
    probability[1:3, 1:3, 1:3], probability[1, 1, 1] = 0.6, 0.9
    probability[9, 9, 1] = 0.6
    probability[1, 9, 9] = 0.3
    return probability, mask(((1, 4), (1, 3), (1, 3)), ((1, 2), (9, 11), (9, 10)))


def test_candidates_by_hand():
    found = find_candidates(*hills(), ISOTROPIC, case="sub-1", group="A", run=2,
                            hits=["any", "overlap:0.6", "distance:0"])
    assert (found.case, found.group, found.run, found.n_lesions, found.threshold) == ("sub-1", "A", 2, 2, 0.1)
    assert found.confidence == pytest.approx((0.9, 0.6, 0.3))
    assert found.true["any"] == (True, False, True) and found.lesions["any"] == ((1,), (), (2,))
    # The first covers 8 of lesion 1's 12 voxels, the third 1 of lesion 2's 2.
    assert found.true["overlap:0.6"] == (True, False, True) and found.lesions["overlap:0.6"] == ((1,), (), ())
    assert found.true["distance:0"] == found.true["any"] and found.lesions["distance:0"] == found.lesions["any"]
    assert FrocCandidates.from_dict(json.loads(json.dumps(asdict(found)))) == found
    on_two = find_candidates(mask(((0, 11), (0, 12), (0, 12))) * 0.8, hills()[1], ISOTROPIC)
    assert on_two.lesions["any"] == ((1, 2),)


def test_counts_hold_the_hard_segmentation():
    random = np.random.default_rng(3)
    probability, reference = random.random((20, 20, 20), np.float32), random.random((20, 20, 20)) < 0.2
    probability[0, 0, :4] = (0.5, np.nextafter(np.float32(0.5), np.float32(0)), 1.0, 0.0)
    found = find_candidates(probability, reference, ISOTROPIC)
    score = score_case(probability >= 0.5, reference, ISOTROPIC)
    counts = found.counts()
    hard = counts.edges >= 0
    assert [counts.lesion[hard].sum(), counts.background[hard].sum()] == [score.tp, score.fp]
    assert [counts.lesion.sum(), counts.background.sum()] == [reference.sum(), (~reference).sum()]
    assert sum(found.reliability.lesion[5:]) == score.tp and sum(found.reliability.voxels[5:]) == score.tp + score.fp


def test_voxels_are_not_counted_on_request():
    found = find_candidates(*hills(), ISOTROPIC, count_voxels=False)
    assert (found.voxels, found.reliability) == ("", None) and len(found.confidence) == 3
    assert FrocCandidates.from_dict(json.loads(json.dumps(asdict(found)))) == found


@pytest.mark.parametrize(("probability", "threshold", "message"), [
    *((hills()[0], threshold, f"expected a threshold above 0 and up to 1, found {threshold}")
      for threshold in (0, 1.1, float("nan"))),
    (np.zeros((12, 12, 11)), 0.1, "differ in shape"), (np.full((12, 12, 12), 2.0), 0.1, "from 0 to 1, found 2 to 2"),
])
def test_unusable_arguments_are_named(probability, threshold, message):
    with pytest.raises(ValueError, match=message):
        find_candidates(probability, mask(), ISOTROPIC, threshold=threshold)

"""Hit rules on masks whose results are counted by hand."""

import numpy as np
import pytest
from masks import ISOTROPIC, mask, voxels

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.hit_rules import HitRule, parse_rules


@pytest.mark.parametrize(("text", "spelling"), [
    ("any", "any"), (" center ", "center"), ("overlap:0.10", "overlap:0.1"), ("overlap:1", "overlap:1"),
    ("distance:20.0", "distance:20"), ("distance:0", "distance:0")])
def test_one_spelling_of_each_rule(text, spelling):
    rule = HitRule.parse(text)
    assert str(rule) == spelling and HitRule.parse(spelling) == HitRule.parse(rule) == rule


@pytest.mark.parametrize(("text", "message"), [
    ("all", "expected a hit rule any, overlap:0.1 .* found all"),
    ("any:1", "expected a hit rule .* found any:1"),
    ("overlap", "expected a hit rule .* found overlap"),
    ("overlap:x", "expected a hit rule .* found 'overlap:x'"),
    *((f"overlap:{value}", f"a share above 0 and up to 1 in the hit rule, found overlap:{value}")
      for value in ("0", "1.5", "nan")),
    *((f"distance:{value}", f"a distance in mm from 0 in the hit rule, found distance:{value}")
      for value in ("-1", "inf")),
    ([], r"expected at least one hit rule: any, overlap:0\.1"),
    (["overlap:0.1", "any", "overlap:0.10"], "hit rule overlap:0.1 is given twice"),
])
def test_unusable_rules_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_rules(text)


ROW, ARM = mask(((0, 10), (0, 1), (0, 1))), mask(((0, 2), (0, 8), (0, 2)))
ARCH = ARM | mask(((6, 8), (0, 8), (0, 2)), ((0, 8), (0, 2), (0, 2)))  # its centre of mass is in the hollow
FLOAT32 = (float(np.float32(0.8)),) * 3  # 0.800000011920929


@pytest.mark.parametrize(("prediction", "reference", "spacing", "expected"), [
    # Lesion of 10 voxels, cluster of 4 of which 2 are shared: half of the cluster, a fifth of the lesion.
    (mask(((8, 12), (0, 1), (0, 1))), ROW, ISOTROPIC, {
        "overlap:0.2": (True, 0, 1, 1), "overlap:0.21": (False, 0, 1, 0), "overlap:0.5": (False, 0, 1, 0),
        "overlap:0.51": (False, 1, 0, 0)}),
    # 7 of 100 voxels, where 0.07 * 100 > 7 in floating point
    (mask(((0, 7), (0, 1), (0, 1))), mask(((0, 10), (0, 10), (0, 1))), ISOTROPIC, {"overlap:0.07": (True, 0, 1, 1)}),
    (ARCH, ARCH, ISOTROPIC, {"any": (True, 0, 1, 1), "center": (False, 1, 0, 0)}),
    (ARM, ARCH, ISOTROPIC, {"center": (True, 0, 1, 1)}),
    # a centre halfway, from either end
    *((voxels((4, 0, 0), (5, 0, 0)), voxels(*lesions), ISOTROPIC, {"center": expected}) for lesions, expected in (
        ([(4, 0, 0)], (True, 0, 1, 1)), ([(5, 0, 0)], (True, 0, 1, 1)), ([(3, 0, 0), (6, 0, 0)], (False, 1, 0, 0)))),
    # Two voxels apart along x (0.5 mm each) and one along z (4 mm): sqrt(1 + 16) = 4.1231 mm.
    (voxels((2, 2, 2)), voxels((4, 2, 3)), (0.5, 0.8, 4.0), {
        "any": (False, 1, 0, 0), "distance:4.12": (False, 1, 0, 0), "distance:4.13": (True, 0, 1, 1)}),
    (voxels((0, 0, 0)), voxels((5, 0, 0)), FLOAT32, {"distance:4": (True, 0, 1, 1)}),
])
def test_counts_by_hand(prediction, reference, spacing, expected):
    score = score_case(prediction, reference, spacing, hits=list(expected))
    assert {rule: (counts.detected, counts.n_false_clusters, counts.n_true_clusters, counts.n_lesions_found)
            for rule, counts in score.hits.items()} == expected


def test_each_cluster_and_lesion_has_its_own_distance():
    score = score_case(voxels((0, 0, 0), (9, 0, 0)), voxels((2, 0, 0), (0, 9, 0)), (1, 2, 1), hits=["distance:2"])
    assert [(c.distance_mm, c.true["distance:2"]) for c in score.clusters] == [(2.0, True), (7.0, False)]
    assert [lesion.found["distance:2"] for lesion in score.lesions] == [False, True]  # in the order of their voxels

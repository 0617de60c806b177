"""Hit rules on masks whose results are counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from masks import ISOTROPIC, mask, voxels

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.hit_rules import HitRule, parse_rules


def hits(prediction, reference, *rules, spacing=ISOTROPIC):
    score = score_case(prediction, reference, spacing, hits=rules)
    return {rule: (c.detected, c.n_false_clusters, c.n_true_clusters, c.n_lesions_found)
            for rule, c in score.hits.items()}


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
    ("overlap:0", "a share above 0 and up to 1 in the hit rule, found overlap:0"),
    ("overlap:1.5", "a share above 0 and up to 1 in the hit rule, found overlap:1.5"),
    ("overlap:nan", "a share above 0 and up to 1 in the hit rule, found overlap:nan"),
    ("distance:-1", "a distance in mm from 0 in the hit rule, found distance:-1"),
    ("distance:inf", "a distance in mm from 0 in the hit rule, found distance:inf"),
    ([], r"expected at least one hit rule: any, overlap:0\.1"),
    (["overlap:0.1", "any", "overlap:0.10"], "hit rule overlap:0.1 is given twice"),
])
def test_unusable_rules_are_named(text, message):
    with pytest.raises(ValueError, match=message):
        parse_rules(text)


def test_overlap_counts_each_side_by_its_own_size():
    # Lesion of 10 voxels, cluster of 4 of which 2 are shared: half of the cluster, a fifth of the lesion.
    lesion, cluster = mask(((0, 10), (0, 1), (0, 1))), mask(((8, 12), (0, 1), (0, 1)))
    found = hits(cluster, lesion, "overlap:0.2", "overlap:0.21", "overlap:0.5", "overlap:0.51")
    assert found == {"overlap:0.2": (True, 0, 1, 1), "overlap:0.21": (False, 0, 1, 0),
                     "overlap:0.5": (False, 0, 1, 0), "overlap:0.51": (False, 1, 0, 0)}
    # Several clusters add up for the lesion.
    assert hits(voxels((0, 0, 0), (5, 0, 0), (9, 0, 0)), lesion, "overlap:0.3") == {"overlap:0.3": (True, 0, 3, 1)}


def test_a_share_is_exact():
    assert 0.07 * 100 > 7  # in floating point, which would lose this lesion
    lesion = mask(((0, 10), (0, 10), (0, 1)))
    assert hits(mask(((0, 7), (0, 1), (0, 1))), lesion, "overlap:0.07")["overlap:0.07"][3] == 1


def test_centre_beside_a_curved_lesion():
    # An arch of three boxes; its centre of mass is in the hollow.
    arch = mask(((0, 2), (0, 8), (0, 2)), ((6, 8), (0, 8), (0, 2)), ((0, 8), (0, 2), (0, 2)))
    assert hits(arch, arch, "any", "center") == {"any": (True, 0, 1, 1), "center": (False, 1, 0, 0)}
    assert hits(mask(((0, 2), (0, 8), (0, 2))), arch, "center") == {"center": (True, 0, 1, 1)}
    # A cluster over two lesions has its centre in neither.
    lesions, cluster = voxels((1, 1, 1), (9, 1, 1)), mask(((1, 10), (1, 2), (1, 2)))
    assert hits(cluster, lesions, "any", "center") == {"any": (True, 0, 1, 2), "center": (False, 1, 0, 0)}


def test_centre_halfway_counts_from_either_end():
    pair = voxels((4, 0, 0), (5, 0, 0))  # centre at 4.5
    for lesion in (voxels((4, 0, 0)), voxels((5, 0, 0))):
        assert hits(pair, lesion, "center")["center"] == (True, 0, 1, 1)
        assert hits(pair[::-1], lesion[::-1], "center")["center"] == (True, 0, 1, 1)
    assert hits(pair, voxels((3, 0, 0), (6, 0, 0)), "center")["center"] == (False, 1, 0, 0)


def test_distance_in_mm():
    # Two voxels apart along x (0.5 mm each) and one along z (4 mm): sqrt(1 + 16) = 4.1231 mm.
    found = hits(voxels((2, 2, 2)), voxels((4, 2, 3)), "any", "distance:4.12", "distance:4.13", spacing=(0.5, 0.8, 4.0))
    assert found == {"any": (False, 1, 0, 0), "distance:4.12": (False, 1, 0, 0), "distance:4.13": (True, 0, 1, 1)}
    spacing = (float(np.float32(0.8)),) * 3  # 0.800000011920929
    assert hits(voxels((0, 0, 0)), voxels((5, 0, 0)), "distance:4", spacing=spacing)["distance:4"] == (True, 0, 1, 1)


def test_distance_zero_is_a_shared_voxel_inside_too():
    big, inside = mask(((0, 9), (0, 9), (0, 9))), voxels((4, 4, 4))  # the surfaces are 4 mm apart
    for prediction, reference in ((big, inside), (inside, big)):
        assert hits(prediction, reference, "distance:0") == {"distance:0": (True, 0, 1, 1)}
        assert score_case(prediction, reference, ISOTROPIC, distances=True).clusters[0].distance_mm == 0


def test_each_cluster_and_lesion_has_its_own_distance():
    score = score_case(voxels((0, 0, 0), (9, 0, 0)), voxels((2, 0, 0), (0, 9, 0)), (1, 2, 1), hits=["distance:2"])
    assert [(c.distance_mm, c.true["distance:2"]) for c in score.clusters] == [(2.0, True), (7.0, False)]
    assert [lesion.found["distance:2"] for lesion in score.lesions] == [False, True]  # in the order of their voxels


@pytest.mark.parametrize("rule", ["any", "overlap:0.5", "center", "distance:5"])
def test_empties(rule):
    nothing, something = mask(), voxels((1, 1, 1), (8, 8, 8))
    assert [hits(*pair, rule)[rule] for pair in ((nothing, nothing), (something, nothing), (nothing, something))] == [
        (None, 0, 0, 0), (None, 2, 0, 0), (False, 0, 0, 0)]


@pytest.mark.parametrize(("rules", "detected", "false"), [(("any", "distance:3"), False, 1),
                                                          (("distance:3", "any"), True, 0)])
def test_the_first_rule_is_the_primary_one(rules, detected, false):
    score = score_case(voxels((2, 2, 2)), voxels((2, 2, 5)), ISOTROPIC, hits=rules)
    assert (score.detected, score.n_false_clusters, score.n_lesions_hit) == (detected, false, 1 - false)

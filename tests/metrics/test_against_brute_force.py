"""Every count against a second implementation: scipy labels, a full mask per component, all pairs of voxels."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.froc_candidates import find_candidates

RULES = ("any", "overlap:0.1", "overlap:0.5", "overlap:1", "center", "distance:0", "distance:2", "distance:4")
STRUCTURES = {6: 1, 18: 2, 26: 3}


def parts_of(mask, connectivity):
    labels, n = ndimage.label(mask, ndimage.generate_binary_structure(3, STRUCTURES[connectivity]))
    return [labels == number for number in range(1, n + 1)]


def gap(first, second, spacing):
    """Smallest distance between the voxel centres of two masks."""
    if not (first.any() and second.any()):
        return np.inf
    a, b = np.argwhere(first) * spacing, np.argwhere(second) * spacing
    return np.linalg.norm(a[:, None] - b[None], axis=-1).min()


def centre_inside(part, other):
    """Whether one of the voxels that are nearest to the centre of mass is in `other`."""
    voxels = np.argwhere(part)
    sides = []
    for axis in range(3):
        centre = Fraction(int(voxels[:, axis].sum()), len(voxels))
        distances = {index: abs(index - centre) for index in range(part.shape[axis])}
        sides.append([index for index, distance in distances.items() if distance == min(distances.values())])
    return any(other[place] for place in itertools.product(*sides))


def expected_counts(rule, clusters, lesions, prediction, reference, spacing):
    kind, _, value = rule.partition(":")
    if kind == "any":
        true = [bool((part & reference).any()) for part in clusters]
        found = [bool((part & prediction).any()) for part in lesions]
    elif kind == "overlap":
        share = Fraction(value)
        true = [(part & reference).sum() >= share * int(part.sum()) for part in clusters]
        found = [(part & prediction).sum() >= share * int(part.sum()) for part in lesions]
    elif kind == "center":
        true = [centre_inside(part, reference) for part in clusters]
        found = [any(centre_inside(part, lesion) for part in clusters) for lesion in lesions]
    else:
        true = [gap(part, reference, spacing) <= float(value) + 1e-5 for part in clusters]
        found = [gap(part, prediction, spacing) <= float(value) + 1e-5 for part in lesions]
    return (any(found) if lesions else None, len(true) - sum(true), sum(true), sum(found))


def may_match(rule, cluster, lesion, reference, spacing):
    """Whether the cluster is true and, as the whole prediction, finds the lesion."""
    *_, true, _ = expected_counts(rule, [cluster], [], cluster, reference, spacing)
    *_, found = expected_counts(rule, [], [lesion], cluster, reference, spacing)
    if rule == "center":
        found = centre_inside(cluster, lesion)
    return bool(true and found)


def most_pairs(allowed):
    """Most pairs of any assignment of rows to columns, each used once; all of them are tried."""
    if not allowed:
        return 0
    first, *rest = allowed
    found = [1 + most_pairs([[*row[:place], False, *row[place + 1:]] for row in rest])
             for place, may in enumerate(first) if may]
    return max([*found, most_pairs(rest)])


@st.composite
def pairs(draw):
    """Two masks of one shape in any order of memory."""
    shape = draw(st.tuples(*[st.integers(1, 7)] * 3))
    masks = []
    for _ in range(2):
        share = draw(st.sampled_from([0.0, 0.03, 0.1, 0.3, 0.6, 1.0]))
        noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random(shape)
        mask = np.asarray(noise < share, order=draw(st.sampled_from("CF")))
        masks.append(np.flip(mask) if draw(st.booleans()) else mask)
    return masks


quick = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(pairs(), st.sampled_from([6, 18, 26]), st.sampled_from([(1.0, 1.0, 1.0), (0.5, 0.8, 4.0), (1.5, 3.0, 0.7)]),
       st.permutations(RULES))
def test_counts(pair, connectivity, spacing, rules):
    prediction, reference = (mask.copy(order="K") for mask in pair)
    score = score_case(*pair, spacing, connectivity=connectivity, hits=rules, distances=True)
    np.testing.assert_array_equal(pair, (prediction, reference))  # unchanged
    clusters, lesions = parts_of(prediction, connectivity), parts_of(reference, connectivity)
    assert (score.tp, score.fp, score.fn) == (
        (prediction & reference).sum(), (prediction & ~reference).sum(), (~prediction & reference).sum())
    assert (score.n_clusters, score.n_lesions) == (len(clusters), len(lesions))
    assert (score.predicted_mm3, score.reference_mm3) == pytest.approx(
        (prediction.sum() * np.prod(spacing), reference.sum() * np.prod(spacing)))
    for rule in rules:
        counts = score.hits[rule]
        assert (counts.detected, counts.n_false_clusters, counts.n_true_clusters, counts.n_lesions_found) == (
            expected_counts(rule, clusters, lesions, prediction, reference, spacing)), rule
    primary = score.hits[rules[0]]
    assert (score.detected, score.n_false_clusters, score.n_lesions_hit) == (
        primary.detected, primary.n_false_clusters, primary.n_lesions_found)
    described = [(c.voxels, c.overlap_voxels, *c.centroid_mm) for c in score.clusters]
    expected = [(part.sum(), (part & reference).sum(), *(np.argwhere(part).mean(axis=0) * spacing))
                for part in clusters]
    np.testing.assert_allclose(sorted(described), sorted(expected))
    assert [c.voxels for c in score.clusters] == sorted((part.sum() for part in clusters), reverse=True)
    if lesions:
        gaps = sorted(gap(part, reference, spacing) for part in clusters)
        assert sorted(c.distance_mm for c in score.clusters) == pytest.approx(gaps)
    else:
        assert all(c.distance_mm is None for c in score.clusters)


@quick
@given(pairs(), st.integers(0, 2**32 - 1))
def test_candidates(pair, seed):
    _, reference = pair
    spacing = (0.5, 0.8, 4.0)
    random = np.random.default_rng(seed)
    probability = np.round(random.random(reference.shape) ** 3, 2)
    found = find_candidates(probability, reference, spacing, threshold=0.3, hits=RULES)
    parts, lesions = parts_of(probability >= 0.3, 26), parts_of(reference, 26)
    assert sorted(found.confidence) == sorted(probability[part].max() for part in parts)
    assert list(found.confidence) == sorted(found.confidence, reverse=True) and found.n_lesions == len(lesions)
    for rule in RULES:
        # A lesion that a candidate finds alone is one that a prediction of that candidate alone finds.
        alone = [expected_counts(rule, [part], lesions, part, reference, spacing) for part in parts]
        peaks = [probability[part].max() for part in parts]
        expected = sorted((peak, counts[2], counts[3]) for peak, counts in zip(peaks, alone, strict=True))
        assert expected == sorted(zip(found.confidence, map(int, found.true[rule]), map(len, found.lesions[rule]),
                                      strict=True)), rule


@st.composite
def few_parts(draw):
    """Two masks of at most six components each, several of which touch the same one of the other."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    masks = [random.random((5, 4, 4)) < share for share in (random.uniform(0, 0.12), random.uniform(0, 0.3))]
    for mask in masks:
        for part in parts_of(mask, 26)[6:]:
            mask &= ~part
    return masks if draw(st.booleans()) else masks[::-1]


@quick
@given(few_parts(), st.sampled_from(RULES))
def test_lesion_f1_has_the_most_pairs_of_all_assignments(pair, rule):
    prediction, reference = pair
    spacing = (1.0, 0.7, 2.0)
    clusters, lesions = parts_of(prediction, 26), parts_of(reference, 26)
    tp = most_pairs([[may_match(rule, cluster, lesion, reference, spacing) for lesion in lesions]
                     for cluster in clusters])
    fp, fn = len(clusters) - tp, len(lesions) - tp
    score = score_case(prediction, reference, spacing, hits=[rule])
    assert score.measures["lesion_f1"] == pytest.approx(2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1)

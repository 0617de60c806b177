"""Average precision and calibration of maps, alone and pooled, against scikit-learn."""

import numpy as np
import pytest
from masks import ISOTROPIC
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.probability import (
    CELLS_PER_LOGIT,
    ProbabilityCounts,
    ReliabilityCounts,
    average_precision,
    merged,
)

SHAPE = (60, 50, 40)
RNG = np.random.default_rng(11)


def lesion(voxels=900):
    reference = np.zeros(SHAPE, bool)
    reference.flat[RNG.choice(reference.size, voxels, replace=False)] = True
    return reference


def normal(reference, background, inside, *, dtype=np.float32):
    """A map whose logits are normal: (mean, standard deviation) of the background and of the lesion."""
    logits = np.where(reference, RNG.normal(*inside, SHAPE), RNG.normal(*background, SHAPE))
    return expit(logits).astype(dtype)


def saturated(reference):
    """Most lesion voxels at 1 or a step of float32 below it, as some of the background; the rest at 1e-9."""
    inside = RNG.choice([1.0, 1 - 1e-7, 1 - 3e-7, 0.999, 1e-9], SHAPE, p=[0.3, 0.3, 0.1, 0.1, 0.2])
    outside = RNG.choice([1.0, 1 - 1e-7, 1 - 3e-7, 1e-5, 1e-9], SHAPE, p=[0.002, 0.002, 0.003, 0.003, 0.99])
    return np.where(reference, inside, outside).astype(np.float32)


def sparse(reference):
    """Exactly 0 nearly everywhere, also in part of the lesion."""
    values = RNG.random(SHAPE) ** np.where(reference, 0.5, 2)
    return np.where(RNG.random(SHAPE) < np.where(reference, 0.6, 0.002), values, 0).astype(np.float32)


def with_map(make, *options, voxels=900, **more):
    reference = lesion(voxels)
    return make(reference, *options, **more), reference


MAPS = {
    "ordinary": with_map(normal, (-8, 2.5), (1, 3)),
    "poor": with_map(normal, (-3, 1.5), (-1, 2)),
    "saturated": with_map(saturated),
    "sure": with_map(normal, (-12, 5), (14, 8)),
    "sparse": with_map(sparse),
    "narrow": with_map(normal, (0, 0.02), (0.04, 0.02)),
    "narrower": with_map(normal, (0, 1e-5), (3e-5, 1e-5)),
    "small": with_map(normal, (-8, 2.5), (-2, 2), voxels=7),
    "half precision": tuple(np.asarray(part, np.float16).astype(np.float32) if part.dtype != bool else part
                            for part in with_map(normal, (-7, 2.5), (6, 5))),
    "rounded": (lambda pair: (np.round(pair[0], 3), pair[1]))(with_map(normal, (-5, 2), (2, 2))),
    "double": with_map(normal, (-8, 3), (25, 20), dtype=float),
    "constant": (np.full(SHAPE, 0.3, np.float32), lesion()),
    "no lesion": with_map(normal, (-1, 0.3), (0, 1), voxels=0),
}
STUDIES = {
    **{name: [name] for name in MAPS if name != "no lesion"},
    "without a lesion": ["ordinary", "no lesion", "no lesion"],
    "unlike": ["saturated", "ordinary", "narrow", "half precision"],
    "sure and poor": ["sure", "poor", "sparse"],
    "one loss": ["ordinary"] * 3 + ["small", "saturated"],
    "all": [*MAPS],
}


def area(counts):
    tp, fp = np.cumsum(counts.lesion), np.cumsum(counts.background)
    return (counts.lesion * tp / (tp + fp)).sum() / tp[-1]


@pytest.mark.parametrize("study", STUDIES)
def test_average_precision_of_pooled_counts_equals_scikit_learn(study):
    maps = [MAPS[name] for name in STUDIES[study]]
    expected = average_precision_score(*(np.concatenate([pair[part].ravel() for pair in maps]) for part in (1, 0)))
    counts = [ProbabilityCounts.decode(ProbabilityCounts.of(*pair).encode()) for pair in maps]
    pooled = ProbabilityCounts.pooled(counts, np.ones(len(maps)))
    assert area(pooled) == pytest.approx(expected, abs=0.0025)
    assert area(merged(pooled)) == pytest.approx(expected, abs=0.0025)
    assert all(len(one.encode()) < 16_000 for one in counts)
    weighted = ProbabilityCounts.pooled(counts * 2, [0.5] * 2 * len(maps))
    np.testing.assert_allclose([weighted.lesion, weighted.background], [pooled.lesion, pooled.background])


@pytest.mark.parametrize("name", MAPS)
def test_counts_above_each_edge_are_exact(name):
    probability, reference = MAPS[name]
    counts = ProbabilityCounts.of(probability, reference)
    assert (np.diff(counts.edges) < 0).all()
    with np.errstate(divide="ignore"):
        logits = np.clip(logit(probability.astype(float)), -128, 128)
    for mask, above in ((reference, np.cumsum(counts.lesion)), (~reference, np.cumsum(counts.background))):
        # scipy's logit and ours differ by rounding, and a step of float32 is two cells or more around one half.
        found = np.sort(logits[mask])
        for shift in (-0.01, 0.01):
            expected = len(found) - np.searchsorted(found, (counts.edges + shift) / CELLS_PER_LOGIT)
            assert (np.sign(shift) * (above - expected) >= 0).all()
        assert above[-1] == mask.sum()
    place = np.searchsorted(-counts.edges, 0, side="right")
    assert counts.lesion[:place].sum() == (probability[reference] >= 0.5).sum()
    assert counts.background[:place].sum() == (probability[~reference] >= 0.5).sum()


def test_neighbours_of_one_half_are_apart():
    half = np.float32(0.5)
    values = np.array([np.nextafter(half, np.float32(0)), half, np.nextafter(half, np.float32(1))])
    counts = ProbabilityCounts.of(values[None, None], np.array([[[False, True, False]]]))
    assert counts.lesion.tolist() == [0, 1, 0] and counts.background.tolist() == [1, 0, 1] and counts.edges[1] == 0


def test_counts_do_not_depend_on_the_order_of_memory():
    probability, reference = MAPS["ordinary"]
    expected = ProbabilityCounts.of(probability, reference).encode()
    assert ProbabilityCounts.of(np.asfortranarray(probability), reference).encode() == expected
    assert ProbabilityCounts.of(np.asfortranarray(probability), np.asfortranarray(reference)).encode() == expected
    assert ProbabilityCounts.of(probability[::-1], reference[::-1]).encode() == expected
    empty = ProbabilityCounts.of(np.zeros((0, 1, 1)), np.zeros((0, 1, 1), bool))
    assert empty.encode() == "" and ProbabilityCounts.decode("").edges.shape == (0,)


def test_counts_on_other_edges():
    counts = ProbabilityCounts(np.array([30, 20, 10, 0]), np.array([1, 0, 2, 3]), np.array([0, 4, 5, 6]))
    lesion, background = counts.within(np.array([20, 5, -1]))
    assert lesion.tolist() == [1, 2, 3] and background.tolist() == [4, 5, 6]


@pytest.mark.parametrize("name", MAPS)
def test_reliability_equals_scikit_learn(name):
    probability, reference = MAPS[name]
    found = ReliabilityCounts.of(probability, reference)
    truth, values = reference.ravel(), probability.ravel().astype(float)
    assert sum(found.squared_error) / truth.size == pytest.approx(brier_score_loss(truth, values), abs=1e-9)
    # scikit-learn puts a value at an edge into the bin below; 0.9 in float32 is 2.4e-8 less, the one below 0.5 is 3e-8.
    shares, means = calibration_curve(truth, (values + 2.6e-8).clip(0, 1), n_bins=10)
    filled = np.array(found.voxels) > 0
    np.testing.assert_allclose(np.array(found.lesion)[filled] / np.array(found.voxels)[filled], shares)
    np.testing.assert_allclose(np.array(found.probability)[filled] / np.array(found.voxels)[filled], means, atol=1e-7)
    assert sum(found.voxels) == truth.size and sum(found.voxels[1:]) == (probability >= 0.1).sum()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_bin_of_reliability_contains_its_lower_edge(dtype):
    steps = (np.arange(11) / 10).astype(dtype)
    found = ReliabilityCounts.of(steps, np.arange(11) == 10)
    assert found.voxels == (1,) * 9 + (2,) and found.lesion == (0,) * 9 + (1,)
    assert ReliabilityCounts.of(np.array([0, 1, 1]), np.array([False, True, False])).squared_error[9] == 1
    rounding = ReliabilityCounts.of(np.array([-1e-4, 1 + 1e-4]), np.array([False, True]))
    assert rounding.squared_error == (0,) * 10 and rounding.probability[9] == 1


def test_average_precision_by_hand():
    # Falling: 0.9 lesion, 0.8 background, 0.7 lesion, 0.7 background: 1/2 * 1 + 1/2 * 2/4.
    probability, reference = np.zeros((4, 1, 1)), np.zeros((4, 1, 1), bool)
    probability[:, 0, 0], reference[[0, 2]] = (0.9, 0.8, 0.7, 0.7), True
    assert average_precision(probability, reference) == pytest.approx(0.75)
    assert average_precision(probability, np.zeros_like(reference)) is None
    assert average_precision(np.zeros_like(probability), reference) == 0.5  # the prevalence


@pytest.mark.parametrize("name", MAPS)
def test_average_precision_equals_scikit_learn(name):
    probability, reference = MAPS[name]
    score = score_case(probability > 0.5, reference, ISOTROPIC, probability=probability)
    if reference.any():
        expected = average_precision_score(reference.ravel(), probability.ravel())
        assert score.measures["average_precision"] == pytest.approx(expected)
    else:
        assert score.measures["average_precision"] is None

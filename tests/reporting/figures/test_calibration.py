"""Calibration of voxels and clusters by hand, and against scikit-learn."""

import numpy as np
import pytest
from masks import ISOTROPIC
from report_rows import make_candidates
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from nnunet_tv.metrics.froc_candidates import find_candidates
from nnunet_tv.metrics.probability import ReliabilityCounts
from nnunet_tv.reporting.figures.calibration import (
    ALL_VOXELS,
    CLUSTERS,
    LIKELY_VOXELS,
    calibrate_clusters,
    calibrate_voxels,
    calibration_table,
    reliability_table,
)
from nnunet_tv.reporting.figures.calibration_drawing import draw_reliability

SHAPE = (24, 22, 20)


def counts(number, lesion, probability, error):
    """Counts in bins 0 and 5; the other bins are empty."""
    columns = ([each[0], *[0] * 4, each[1], *[0] * 4] for each in (number, lesion, probability, error))
    return ReliabilityCounts(*map(tuple, columns))


def ece(truth, values, bins=10):
    """Expected calibration error with equal bins, as it is defined."""
    place = np.minimum((values * bins + 1e-9).astype(int), bins - 1)
    return sum((place == one).mean() * abs(values[place == one].mean() - truth[place == one].mean())
               for one in range(bins) if (place == one).any())


def maps(subjects, runs, *, seed=0):
    rng = np.random.default_rng(seed)
    for subject in range(subjects):
        reference = np.zeros(SHAPE, bool)
        if subject:  # the first has no lesion
            reference[4:4 + rng.integers(2, 12), 5:12, 5:12] = True
        for run in range(runs):
            logits = rng.normal(-5, 2.5, SHAPE) + 6 * reference
            yield subject, run, expit(logits).astype(np.float32), reference


def clusters_of(cases):
    """Confidence and truth of all candidates."""
    return (np.concatenate([getter(one) for runs in cases.values() for one in runs])
            for getter in (lambda one: one.confidence, lambda one: one.true["any"]))


def test_voxels_by_hand():
    cases = {"a": [make_candidates("a", (), (), reliability=counts((90, 10), (0, 4), (0.9, 5.5), (0.1, 2.5)))],
             "b": [make_candidates("b", (), (), reliability=counts((100, 0), (1, 0), (2.1, 0), (0.9, 0)))]}
    everything, likely = calibrate_voxels(cases, name="A")
    assert (everything.of, likely.of, everything.number, likely.number) == (ALL_VOXELS, LIKELY_VOXELS, 200, 10)
    assert (everything.share.value, likely.share.value) == (5 / 200, 0.4)
    assert (everything.probability, likely.probability) == pytest.approx((8.5 / 200, 0.55))
    assert (everything.brier.value, likely.brier.value) == pytest.approx((3.5 / 200, 0.25))
    assert everything.ece.value == pytest.approx(190 / 200 * (3 - 1) / 190 + 10 / 200 * 0.15)
    assert likely.ece.value == pytest.approx(0.15)
    assert (everything.brier.n, likely.brier.n, likely.share.n) == (2, 1, 1)  # subjects with such a voxel
    assert [(one.low, one.high, one.number, one.share.value) for one in everything.bins] == [
        (0, 0.1, 190, pytest.approx(1 / 190)), (0.5, 0.6, 10, 0.4)]
    assert likely.bins == everything.bins[1:]
    assert likely.brier.low is likely.ece.low is likely.share.low is None  # of one subject


@pytest.mark.parametrize(("subjects", "runs"), [(2, 1), (8, 1), (6, 3)])
def test_voxels_equal_scikit_learn(subjects, runs):
    made, cases = list(maps(subjects, runs, seed=subjects)), {}
    for subject, run, probability, reference in made:
        one = find_candidates(probability, reference, ISOTROPIC, case=f"s{subject}", run=run)
        cases.setdefault(one.case, []).append(one)
    truth, values = (np.concatenate([each[part].ravel() for each in made]) for part in (3, 2))
    for found, chosen in zip(calibrate_voxels(cases), (values >= 0, values >= np.float32(0.1)), strict=True):
        t, p = truth[chosen], values[chosen].astype(float)
        assert found.number == t.size and found.share.value == pytest.approx(t.mean())
        assert found.brier.value == pytest.approx(brier_score_loss(t, p), abs=1e-9)
        assert found.brier.low < found.brier.value < found.brier.high
        assert found.ece.value == pytest.approx(ece(t, p), abs=1e-6) and found.ece.low < found.ece.high
        shares, means = calibration_curve(t, p, n_bins=10)
        np.testing.assert_allclose([one.share.value for one in found.bins], shares)
        np.testing.assert_allclose([one.probability for one in found.bins], means)
        for part in (found.share, *(one.share for one in found.bins)):
            assert part.n == subjects
            if subjects > 2 or part.low is not None:
                assert 0 <= part.low < part.value < part.high <= 1


@pytest.mark.parametrize("number", [100, 1000])
def test_clusters_equal_scikit_learn(number):
    rng, cases = np.random.default_rng(3), {}
    for subject in range(number // 20):
        for run in range(2):
            confidence = np.sort(rng.uniform(0.1, 1, 10))[::-1]
            finds = rng.random(10) < confidence ** 2
            cases.setdefault(f"s{subject}", []).append(make_candidates(f"s{subject}", confidence, finds, run=run))
    found = calibrate_clusters(cases, "any", name="A")
    p, t = clusters_of(cases)
    assert (found.of, found.number, found.brier.n) == (CLUSTERS, number, number // 20) and len(found.bins) == 10
    assert found.brier.value == pytest.approx(brier_score_loss(t, p)) and found.share.value == pytest.approx(t.mean())
    shares, means = calibration_curve(t, p, n_bins=10, strategy="quantile")
    np.testing.assert_allclose([one.share.value for one in found.bins], shares)
    np.testing.assert_allclose([one.probability for one in found.bins], means)
    assert [one.number for one in found.bins] == [number // 10] * 10
    assert found.ece.value == pytest.approx(np.mean(np.abs(shares - means)))
    assert found.probability == pytest.approx(p.mean())
    for one in found.bins:
        assert one.low <= one.probability <= one.high and one.share.low < one.share.high


def test_clusters_of_one_subject_count_as_one():
    cases = {"a": [make_candidates("a", (0.9,) * 50, (True,) * 50)]}
    share = calibrate_clusters(cases, "any").bins[0].share
    assert (share.value, share.n) == (1, 1) and share.low == pytest.approx(0.025) and share.high == 1


def test_equal_confidences_are_in_one_bin():
    cases = {f"s{i}": [make_candidates(f"s{i}", (1.0, 1.0, 0.4), (True, False, False))] for i in range(20)}
    found = calibrate_clusters(cases, "any")
    assert [(one.low, one.high, one.number, one.share.value) for one in found.bins] == [
        (0.4, 0.4, 20, 0), (1, 1, 40, 0.5)]
    assert found.brier.value == pytest.approx((20 * 0.16 + 20) / 60)
    assert found.ece.value == pytest.approx(20 / 60 * 0.4 + 40 / 60 * 0.5)
    assert found.brier.low is None and found.ece.low is None  # all subjects agree


def test_runs_of_a_subject_are_averaged():
    # Three runs of one subject weigh as much as the one run of the other.
    cases = {"a": [make_candidates("a", (0.8,), (True,), run=run) for run in range(3)],
             "b": [make_candidates("b", (0.6,), (False,))]}
    found = calibrate_clusters(cases, "any")
    assert found.brier.value == pytest.approx((0.04 + 0.36) / 2) and found.number == 4
    assert found.share.value == pytest.approx(0.5) and found.probability == pytest.approx(0.7)
    assert len(found.bins) == 1


def test_without_clusters_or_likely_voxels_figures_are_undefined(tmp_path):
    nothing = find_candidates(np.zeros(SHAPE, np.float32), np.ones(SHAPE, bool), ISOTROPIC, case="a")
    everything, likely = calibrate_voxels({"a": [nothing]}, name="A")
    clusters = calibrate_clusters({"a": [nothing]}, "any", name="A")
    assert everything.brier.value == 1 and everything.ece.value == 1 and everything.share.value == 1
    for one in (likely, clusters):
        assert (one.number, one.probability, one.bins) == (0, None, ())
        assert [part.value for part in (one.share, one.brier, one.ece)] == [None] * 3
    table = calibration_table([everything, likely, clusters], "any", 0.1, 0)
    assert table.texts()[1] == ["A", LIKELY_VOXELS, "0", *["undefined (n = 0)"], "undefined",
                                *["undefined (n = 0)"] * 2]
    assert [row[1] for row in reliability_table([everything, likely, clusters], 0).rows] == [ALL_VOXELS]
    draw_reliability([clusters], tmp_path / "nothing", labels=("p", "s"))


def test_tables_and_figure(tmp_path):
    cases = {}
    for subject, run, probability, reference in maps(5, 2):
        one = find_candidates(probability, reference, ISOTROPIC, case=f"s{subject}", run=run)
        cases.setdefault(one.case, []).append(one)
    found = [*calibrate_voxels(cases, name="A"), calibrate_clusters(cases, "any", name="A")]
    table = calibration_table(found, "any", 0.1, 7)
    assert [row[1] for row in table.rows] == [ALL_VOXELS, LIKELY_VOXELS, CLUSTERS]
    assert table.texts()[0][4] == f"{found[0].probability:.5f}" and table.texts()[1][4] == f"{found[1].probability:.3f}"
    assert "seed 7" in table.notes[-1] and "seed 0" in reliability_table(found, 0).notes[-1]
    rows = reliability_table(found, 0).rows
    assert [row[1] for row in rows].count(ALL_VOXELS) == len(found[0].bins) and len(rows) == len(
        found[0].bins) + len(found[2].bins)
    first, second = (draw_reliability(found[:1], tmp_path / folder / "voxels", labels=("p", "s"))
                     for folder in ("one", "two"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert [path.suffix for path in first] == [".png", ".svg"]

"""Precision and recall of pooled voxels by hand, and against scikit-learn."""

import numpy as np
import pytest
from masks import ISOTROPIC
from report_rows import make_candidates
from scipy.special import expit
from sklearn.metrics import average_precision_score

from nnunet_tv.metrics.froc_candidates import find_candidates
from nnunet_tv.reporting.figures.curve_drawing import draw_precision_recall
from nnunet_tv.reporting.figures.precision_recall import precision_recall, precision_recall_table

VOXELS = make_candidates("a", (), (), inside=(1, 1, 2), outside=(6, 2, 0))
SHAPE = (30, 30, 20)


def test_precision_recall_of_pooled_voxels():
    # Bins of probability, low to high. From the top: 2 of 2, 3 of 5, 4 of 12 voxels are lesion.
    curve, area, chance = precision_recall({"a": [VOXELS]}, name="A")
    assert curve.x == (0.5, 0.75, 1.0) and curve.y == pytest.approx([1, 3 / 5, 4 / 12])
    assert area.value == pytest.approx(0.5 * 1 + 0.25 * 3 / 5 + 0.25 / 3) and area.low is None
    assert chance == 4 / 12
    pooled, area_of_two, _ = precision_recall({"a": [VOXELS], "b": [VOXELS]})
    assert pooled.y == pytest.approx(curve.y) and area_of_two.value == pytest.approx(area.value) and area_of_two.n == 2
    assert precision_recall_table({"A": (area, chance)}, 0).texts()[0][2] == "0.33333"


def make_maps(subjects, runs, *, seed, without=0):
    """Maps of unlike subjects: how sure the network is, and how large the lesion, differs."""
    rng = np.random.default_rng(seed)
    for subject in range(subjects):
        reference = np.zeros(SHAPE, bool)
        if subject >= without:
            reference[5:5 + rng.integers(2, 12), 5:12, 5:12] = True
        scale, shift = rng.uniform(0.02, 10), rng.normal(0, 2)
        for run in range(runs):
            logits = rng.normal(-6, 2, SHAPE) + rng.normal(5, 2, SHAPE) * reference + shift
            yield subject, run, expit(scale * logits).astype(np.float32), reference


@pytest.mark.parametrize(("subjects", "runs", "without"), [(1, 1, 0), (1, 3, 0), (7, 2, 0), (6, 1, 3)])
def test_area_equals_scikit_learn_over_all_voxels(subjects, runs, without):
    maps = list(make_maps(subjects, runs, seed=subjects, without=without))
    cases = {}
    for subject, run, probability, reference in maps:
        found = find_candidates(probability, reference, ISOTROPIC, case=f"s{subject}", run=run)
        cases.setdefault(found.case, []).append(found)
    curve, area, chance = precision_recall(cases)
    truth, values = (np.concatenate([each[part].ravel() for each in maps]) for part in (3, 2))
    assert area.value == pytest.approx(average_precision_score(truth, values), abs=0.0025)
    assert chance == pytest.approx(truth.mean()) and area.n == subjects
    assert (curve.n, curve.n_lesion) == (subjects, subjects - without)
    found = np.cumsum(truth[np.argsort(-values)])
    for recall, precision in zip(curve.x, curve.y, strict=True):  # as many voxels, from the top, hold as much lesion
        voxels = round(recall * truth.sum() / precision)
        assert recall * truth.sum() == pytest.approx(found[voxels - 1], rel=1e-9 if len(maps) == 1 else 0.04)
    if subjects > 2:
        assert area.low < area.value < area.high
    else:
        assert (subjects > 1) == (area.low is not None)


def test_a_subject_without_a_lesion_counts_with_its_background():
    healthy = make_candidates("b", (), (), inside=(0, 0, 0), outside=(0, 4, 4), n_lesions=0)
    _, area, chance = precision_recall({"a": [VOXELS], "b": [healthy]})
    assert area.value == pytest.approx(0.5 * 2 / 6 + 0.25 * 3 / 13 + 0.25 * 4 / 20) and chance == 4 / 20


def test_the_drawn_curve_is_small(tmp_path):
    cases = {}
    for subject, run, probability, reference in make_maps(20, 3, seed=2):
        found = find_candidates(probability, reference, ISOTROPIC, case=f"s{subject}", run=run)
        cases.setdefault(found.case, []).append(found)
    curve, _, _ = precision_recall(cases)
    files = draw_precision_recall([curve] * 3, tmp_path / "curve")
    assert len(curve.x) < 2000 and all(path.stat().st_size < 400_000 for path in files)

"""ROC curves of subjects."""

import numpy as np
import pytest
from report_rows import make_candidates
from sklearn.metrics import auc, roc_auc_score, roc_curve

from nnunet_tv.reporting.figures.roc import roc, roc_table
from nnunet_tv.reporting.figures.roc_drawing import draw_roc
from nnunet_tv.reporting.statistics import Interval, auc_interval


def subjects(scores, run=0, lesions=1):
    """Candidates of subjects by their largest confidence, 0 without a candidate; each has a lesser one as well."""
    return [make_candidates(f"s{number}", [score, 0.1] if score else [], [False] * 2 if score else [], run=run,
                            n_lesions=lesions) for number, score in enumerate(scores)]


def test_hand_made_subjects():
    curve = roc(subjects([0.9, 0.5, 0.0]), subjects([0.6, 0.0], lesions=0), name="A")
    # 0.9 alone; then a control; then a patient; then a patient and a control that are equal.
    assert curve.x == (0, 0, 0.5, 0.5, 1, 1) and curve.y == pytest.approx((0, 1 / 3, 1 / 3, 2 / 3, 1, 1))
    assert curve.area == auc_interval((2 + 1 + 0.5) / 6, 3, 2)
    assert (curve.name, curve.runs, curve.patients, curve.controls) == ("A", 1, 3, 2)


@pytest.mark.parametrize("digits", [0, 1, 6])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (14, 85), (30, 4)])
def test_the_curve_passes_scikit_learns_points_and_has_its_area(m, n, digits):
    rng = np.random.default_rng(m)
    ours, theirs = rng.beta(3, 2, m).round(digits), rng.beta(2, 3, n).round(digits)
    curve = roc(subjects(ours), subjects(theirs, lesions=0))
    truth, scores = [1] * m + [0] * n, [*ours, *theirs]
    assert curve.area.value == pytest.approx(roc_auc_score(truth, scores))
    assert auc(curve.x, curve.y) == pytest.approx(curve.area.value)
    for x, y in zip(*roc_curve(truth, scores, drop_intermediate=False)[:2], strict=True):
        low, high = curve.y[2 * round(x * n):][:2]
        assert low - 1e-9 <= y <= high + 1e-9


def test_runs_are_averaged_and_paired_by_number():
    rng = np.random.default_rng(1)
    ours, theirs = ([rng.random(size).round(1) for _ in range(3)] for size in (6, 9))
    patients = [one for run, scores in enumerate(ours) for one in subjects(scores, run)]
    controls = [one for run, scores in enumerate(theirs[:2]) for one in subjects(scores, run, 0)]
    curve = roc(patients, controls)
    areas = [roc_auc_score([1] * 6 + [0] * 9, [*a, *b]) for a, b in zip(ours[:2], theirs[:2], strict=True)]
    assert curve.area.value == pytest.approx(np.mean(areas)) and curve.runs == 2
    assert auc(curve.x, curve.y) == pytest.approx(np.mean(areas))
    assert (np.diff(curve.x) >= 0).all() and (np.diff(curve.y) >= -1e-12).all()
    assert roc(subjects([0.5]), subjects([0.1], run=1, lesions=0)) is None and roc([], []) is None


@pytest.mark.parametrize(("ours", "theirs", "area"), [([0.9] * 14, [0.0] * 85, 1), ([0.0], [0.9], 0), ([0], [0], 0.5)])
def test_edges_have_an_interval(ours, theirs, area):
    found = roc(subjects(ours), subjects(theirs, lesions=0)).area
    assert found.value == area and found.high - found.low > 0.05


def test_table_and_figure(tmp_path):
    marks = [("a_$1", Interval(0.2, 0.1, 0.4, 5, ""), Interval(1.0, 0.5, 1.0, 3, "")),
             ("none", Interval(0.2, None, None, 5, ""), Interval(0.4, 0.3, 0.5, 3, ""))]
    curves = [roc(subjects([0.9, 0.5, 0.0]), subjects([0.6, 0.0], lesions=0), name=name, marks=marks)
              for name in ("_A$", "B")]
    [first, _] = roc_table(curves, 0.1).rows
    assert first[:4] == ("_A$", 1, 3, 2) and first[4] == curves[0].area
    paths = draw_roc(curves, tmp_path / "roc")
    assert [path.name for path in paths] == ["roc.png", "roc.svg"]
    assert all(path.stat().st_size > 5000 for path in paths)
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in draw_roc(curves, tmp_path / "roc")] == before

"""FROC against points computed by hand, and against a brute force over every threshold."""

import time

import numpy as np
import pytest
from report_rows import make_candidates

from nnunet_tv.reporting.figures.curve_drawing import draw_froc
from nnunet_tv.reporting.figures.curves import by_case
from nnunet_tv.reporting.figures.froc import POINTS, froc, froc_table
from nnunet_tv.reporting.statistics import clopper_pearson

#: Two patients and a healthy subject.
CANDIDATES = [
    make_candidates("a", (0.9, 0.6), (True, False)),
    make_candidates("b", (0.8, 0.5), (False, True)),
    make_candidates("c", (0.7,), (False,), n_lesions=0),
    make_candidates("a", (0.9,), (True,), group="other"),
]


def test_froc_of_three_subjects():
    curve, points = froc(by_case(CANDIDATES, "A"), "any", name="A")
    # Thresholds 0.9, 0.8, 0.7, 0.6, 0.5: false 0, 1, 2, 3, 3 in three subjects; found 1, 1, 1, 1, 2 of two.
    assert curve.x == pytest.approx([0, 0, 1, 1]) and curve.y == (0, 0.5, 1, 1)  # where detection rises, and the end
    assert (curve.n, curve.n_lesion) == (3, 2)
    assert [point for point, _ in points] == [0.125, 0.25, 0.5, 1.0]  # the last is the curve's end
    assert [share.value for _, share in points] == [0.5, 0.5, 0.5, 1.0] and points[0][1].n == 2
    assert all(low <= high for low, high in zip(curve.low, curve.high, strict=True))
    assert froc(by_case(CANDIDATES, "A"), "any", name="A") == (curve, points)
    table = froc_table({"A": points}, "any", 0.1, 0)
    assert table.rows[3] == ("A", 1.0, points[3][1]) and "fixed on other subjects" in table.notes[0]


def test_froc_averages_runs_within_subjects():
    runs = [make_candidates("a", (0.9,), (True,)), make_candidates("a", (0.8,), (False,), run=1)]
    curve, _ = froc(by_case(runs, "A"), "any")
    assert curve.x == (0, 0, 0.5) and curve.y == (0, 0.5, 0.5) and curve.n == 1


def test_froc_without_candidates():
    nothing, points = froc(by_case([make_candidates("a", (), ())], "A"), "any")
    assert (nothing.x, nothing.y, nothing.grid) == ((0, 0), (0, 0), (0,))
    assert [(point, share.value, share.n) for point, share in points] == [(0, 0, 1)]


def brute_force(candidates, rule="any"):
    """False clusters per subject and share detected at every threshold, subject by subject and run by run."""
    subjects = {}
    for one in candidates:
        subjects.setdefault(one.case, []).append(one)
    with_lesion = [runs for runs in subjects.values() if runs[0].n_lesions]
    steps = []
    for threshold in sorted({value for one in candidates for value in one.confidence}, reverse=True):
        false = found = 0.0
        for runs in subjects.values():
            false += sum(value >= threshold and not true for one in runs
                         for value, true in zip(one.confidence, one.true[rule], strict=True)) / len(runs)
        for runs in with_lesion:
            found += sum(any(value >= threshold and lesions for value, lesions in zip(
                one.confidence, one.lesions[rule], strict=True)) for one in runs) / len(runs)
        steps.append((false / len(subjects), found / len(with_lesion)))
    return steps


def best(steps, most_false):
    return max((found for false, found in steps if false <= most_false + 1e-9), default=0.0)


def random_candidates(subjects, runs, number, *, seed, digits=None, lesions=1.0, true=0.02):
    """Candidates at random; rounding to `digits` makes ties. True ones are surer than false ones."""
    rng, made = np.random.default_rng(seed), []
    for subject in range(subjects):
        for run in range(runs):
            n_lesions = int(subject < lesions * subjects)
            finds = (rng.random(number) < true) & bool(n_lesions)
            confidence = rng.beta(1 + 3 * finds, 2)
            confidence = np.maximum(confidence if digits is None else np.round(confidence, digits), 0.1)
            order = np.argsort(-confidence, kind="stable")
            made.append(make_candidates(f"s{subject:03}", confidence[order].tolist(), finds[order].tolist(), run=run,
                                        n_lesions=n_lesions))
    return made


@pytest.mark.parametrize(("subjects", "runs", "number", "options"), [
    (85, 1, 60, {}), (85, 1, 60, {"digits": 1}), (14, 10, 20, {"digits": 2}), (20, 3, 30, {"lesions": 0.5}),
    (1, 1, 7, {"true": 0.3}), (1, 4, 5, {"true": 0.3, "digits": 1}), (6, 2, 3, {"true": 0.0}),
    (5, 1, 4, {"true": 1.0}),
])
def test_froc_equals_brute_force_over_every_threshold(subjects, runs, number, options):
    candidates = random_candidates(subjects, runs, number, seed=subjects + runs, **options)
    steps = brute_force(candidates)
    curve, points = froc(by_case(candidates, "A"), "any")
    drawn = list(zip(curve.x, curve.y, strict=True))
    for false, _ in steps:  # the drawn steps pass through every threshold's point
        assert best(drawn, false) == pytest.approx(best(steps, false))
    for false, _ in drawn:  # and through no other
        assert best(steps, false) == pytest.approx(best(drawn, false))
    assert curve.x[-1] == pytest.approx(steps[-1][0]) and curve.y[-1] == pytest.approx(steps[-1][1])
    assert points[-1][0] == curve.x[-1]
    assert [point for point, _ in points[:-1]] == [point for point in POINTS if point < steps[-1][0]]
    for point, share in points:
        assert share.value == pytest.approx(best(steps, point)) and share.n == curve.n_lesion
        assert share.low <= share.value <= share.high and share.high - share.low > 0.01


def test_froc_at_few_false_clusters_is_exact():
    # 200 quantiles of 5100 confidences gave 0.000 at 0.125 false clusters per subject where it is above 0.
    candidates = random_candidates(85, 1, 60, seed=4)
    steps = brute_force(candidates)
    _, points = froc(by_case(candidates, "A"), "any")
    exact = [best(steps, point) for point in POINTS[:3]]
    assert [share.value for _, share in points[:3]] == pytest.approx(exact) and exact[0] > 0


def test_froc_band_is_on_a_grid_of_false_clusters():
    candidates = random_candidates(30, 2, 60, seed=5)
    curve, points = froc(by_case(candidates, "A"), "any")
    grid = np.array(curve.grid)
    assert len(grid) <= 200 and grid[0] == 0 and grid[1] == pytest.approx(1 / 60) and grid[-1] == curve.x[-1]
    assert set(POINTS) <= set(curve.grid) and (np.diff(grid) > 0).all()
    assert len(curve.low) == len(curve.high) == len(grid)
    for point, share in points:  # one definition of the interval for the table and the band
        place = curve.grid.index(point)
        assert (curve.low[place], curve.high[place]) == (share.low, share.high)


@pytest.mark.parametrize(("n", "found"), [(1, 1), (14, 14), (14, 0), (14, 13)])
def test_froc_interval_is_never_narrower_than_the_exact_one(n, found):
    candidates = [make_candidates(f"s{i}", (0.9, 0.4), (i < found, False)) for i in range(n)]
    _, points = froc(by_case(candidates, "A"), "any")
    exact = clopper_pearson(found, n)
    for _, share in points:
        assert share.value == found / n
        assert share.low <= exact.low + 1e-12 and share.high >= exact.high - 1e-12


def test_froc_interval_includes_the_choice_of_the_threshold():
    # One subject has all false clusters, surer than the rest: without it, every threshold is allowed.
    candidates = [make_candidates("bad", (0.99, 0.98, 0.97, 0.96), (False,) * 4),
                  *(make_candidates(f"s{i}", (0.5 + i / 100,), (True,)) for i in range(11))]
    _, points = froc(by_case(candidates, "A"), "any")
    share = points[0][1]
    assert (points[0][0], share.value) == (0.125, 0.0)
    assert share.low == 0 and share.high == 1 > clopper_pearson(0, 12).high


def test_curves_of_a_large_study_take_seconds(tmp_path):
    candidates = random_candidates(85, 10, 60, seed=6)
    start = time.process_time()
    found = [froc(by_case(candidates, "A"), "any", name=f"group {number}")[0] for number in range(3)]
    files = draw_froc(found, tmp_path / "froc")
    assert time.process_time() - start < 30
    assert all(path.stat().st_size < 400_000 for path in files) and all(len(curve.x) <= 852 for curve in found)

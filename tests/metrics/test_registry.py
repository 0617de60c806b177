"""Rows of the registry: each can be computed, and an earlier report's scores may lack one."""

import re
from dataclasses import replace

import pytest
from masks import ISOTROPIC, mask, voxels
from report_rows import make_score

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.registry import ENDPOINTS, HEADLINE, IMAGE_DIAGONAL, MEASURES, Measure, leading

ROWS = {measure.key: measure for measure in MEASURES}


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.key)
def test_perfect_is_best_and_the_worst_value_is_on_the_worse_side(measure):
    lesion = mask(((2, 5), (2, 5), (2, 5)))
    perfect, poor = (score_case(prediction, lesion, ISOTROPIC, probability=0.9 * prediction, distances=True)
                     for prediction in (lesion, voxels((3, 3, 3), (9, 9, 9))))
    best, other = float(measure.value(perfect)), float(measure.value(poor))
    worst = poor.worst_mm if measure.worst == IMAGE_DIAGONAL else measure.worst
    low, high = measure.limits
    assert all((low is None or low <= value) and (high is None or value <= high) for value in (best, other))
    assert high == (1 if measure.higher_is_better else None)
    assert low in ((None, -1) if measure.higher_is_better is None else (0,))
    assert measure.recorded(perfect)
    if measure.higher_is_better is None:  # a signed error
        assert best == 0 != other and worst is None
    elif measure.higher_is_better:
        assert worst <= other <= best == 1
    elif worst is None:
        assert best == 0 < other
    else:
        assert best == 0 <= other <= (worst or other)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.key)
def test_every_measure_is_defined_in_words(measure):
    settings = {"hits": ["center", "any"], "connectivity": 18, "nsd_tolerance_mm": 1.25}
    shown = measure.with_settings(settings)
    assert shown.definition.endswith(".") and len(shown.definition) > 40 and "{" not in shown.label + shown.explanation
    assert re.search("empty|[Uu]ndefined|without a lesion", shown.definition)
    assert ("center" in shown.definition) == ("n_true_clusters" in measure.inputs or "n_lesions_found" in measure.inputs
                                              or "n_matched" in measure.inputs)
    assert ("1.25 mm" in shown.label) == ("nsd_tolerance_mm" in measure.inputs)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.key)
@pytest.mark.parametrize("masks", [(mask(), mask()), (mask(), voxels((3, 3, 3))), (voxels((3, 3, 3)), mask())])
def test_a_measure_without_a_worst_value_is_defined_wherever_it_applies(measure, masks):
    score = score_case(*masks, ISOTROPIC, probability=0.5 * masks[0], distances=True)
    value = measure.value(score)
    assert (value is None) <= (measure.worst is not None or not measure.applies(score))
    assert measure.penalised(score) is not None or not measure.applies(score)


def test_names_are_unique():
    assert len(ROWS) == len(MEASURES) and len({measure.label for measure in MEASURES}) == len(MEASURES)
    assert [measure.short for measure in HEADLINE] == ["DC", "sSens", "nFPC"] == list(ENDPOINTS)[:3]
    assert [measure.short for measure in leading(HEADLINE, "sSens")] == ["sSens", "DC", "nFPC"]


def test_a_measure_that_was_not_recorded_is_neither_perfect_nor_undefined():
    score = make_score(tp=1, measures={"f2": 0.5})
    old = replace(score, measures={"f2": 0.5})
    assert ROWS["f2"].recorded(old) and ROWS["dice"].recorded(old) and not ROWS["nsd"].recorded(old)
    assert ROWS["nsd"].value(old) is None


def test_measures_apply_where_they_can_be_defined():
    lesion, healthy, empty = make_score(fn=3), make_score(fp=3, false=1), make_score()
    applies = {key: [ROWS[key].applies(score) for score in (lesion, healthy, empty)] for key in ROWS}
    assert applies["sensitivity"] == [True, False, False] and applies["precision"] == [True, True, False]
    assert applies["hd95_mm"] == [True, True, True]
    assert [ROWS["dice"].value(score) for score in (lesion, healthy, empty)] == [0.0, None, None]
    assert ROWS["hd95_mm"].penalised(lesion) == lesion.worst_mm and ROWS["sensitivity"].penalised(healthy) is None


@pytest.mark.parametrize("use", [{"endpoint": True}, {"in_table_one": True}])
def test_an_endpoint_needs_a_short_name(use):
    with pytest.raises(ValueError, match="measure volume"):
        Measure("volume", "Volume", "overlap.dice", ("tp", "fp", "fn"), **use)

"""Splits: sizes, no overlap, the same for any order of the list."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_tv.conversion.splits import split_cv5, split_official, split_paper, without
from nnunet_tv.utils.errors import NnunetTVError

REAL = [f"sub-{number:05d}" for number in range(1, 86)]
PAPER_TEST = ("sub-00011", "sub-00012", "sub-00016", "sub-00022")
CV5_SELECTION = ("sub-00018", "sub-00022", "sub-00048")
names = st.sets(st.integers(0, 99999).map(lambda number: f"sub-{number:05d}"), min_size=1, max_size=120)


def disjoint(*groups) -> bool:
    together = [case for group in groups for case in group]
    return len(together) == len(set(together))


def test_sizes_for_the_real_number_of_patients():
    def sizes(split):
        return [tuple(map(len, fold.values())) for fold in split.folds], len(split.test)

    official = {case: "train" if index < 57 else "test" for index, case in enumerate(REAL)}
    assert sizes(split_paper(REAL)) == ([(59, 12, 12)] * 10, 14)
    assert sizes(split_official(official)) == ([(47, 10, 10)] * 10, 28)
    assert sizes(split_cv5(REAL)) == ([(58, 17, 10)] * 5, 0)


def test_the_draw_is_fixed():
    """A change of the seed or of the draw changes the test patients; it must be deliberate."""
    assert split_paper(REAL).test[:4] == PAPER_TEST
    assert tuple(split_cv5(REAL).folds[3]["selection"][:3]) == CV5_SELECTION


@settings(deadline=None)  # the machine may be busy
@given(names, st.integers(1, 3), st.randoms())
def test_paper_holds_everyone_once(cases, repeats, shuffle):
    split = split_paper(cases, repeats=repeats)
    fold = split.folds[0]
    assert fold["val"] == fold["selection"] and all(other == fold for other in split.folds)
    assert disjoint(fold["train"], fold["selection"], split.test) and len(split.folds) == repeats
    assert {*fold["train"], *fold["selection"], *split.test} == cases
    assert fold["train"]
    assert bool(fold["selection"]) == (len(cases) > 1) and bool(split.test) == (len(cases) > 2)
    other = list(cases)
    shuffle.shuffle(other)
    assert split_paper(other, repeats=repeats) == split


@settings(deadline=None)  # the machine may be busy
@given(names, st.randoms())
def test_official_keeps_the_authors_test_set(cases, shuffle):
    ordered = sorted(cases)
    assigned = {case: "test" if index % 3 == 2 else "train" for index, case in enumerate(ordered)}
    split = split_official(assigned, repeats=2)
    fold = split.folds[0]
    assert set(split.test) == {case for case, role in assigned.items() if role == "test"}
    assert disjoint(fold["train"], fold["selection"], split.test) and fold["val"] == fold["selection"]
    assert {*fold["train"], *fold["selection"], *split.test} == cases
    shuffle.shuffle(ordered)
    assert split_official({case: assigned[case] for case in ordered}, repeats=2) == split


@settings(deadline=None)  # the machine may be busy
@given(names.filter(lambda cases: len(cases) >= 5), st.randoms())
def test_cv5_scores_everyone_once_and_selects_from_the_others(cases, shuffle):
    split = split_cv5(cases)
    assert split.test == () and len(split.folds) == 5
    assert disjoint(*(fold["val"] for fold in split.folds))
    assert {case for fold in split.folds for case in fold["val"]} == cases
    for fold in split.folds:
        assert disjoint(fold["train"], fold["val"], fold["selection"])
        assert {*fold["train"], *fold["val"], *fold["selection"]} == cases
        assert fold["train"] and fold["selection"]
    other = list(cases)
    shuffle.shuffle(other)
    assert split_cv5(other) == split


def test_cv5_with_fewer_than_five():
    with pytest.raises(NnunetTVError, match="cv5 needs at least 5 patients, found 4"):
        split_cv5(REAL[:4])


def test_the_draws_of_the_splits_are_not_the_same_order():
    official = split_official(dict.fromkeys(REAL, "train")).folds[0]["selection"]
    paper = split_paper(REAL)
    assert len({*official, *paper.folds[0]["selection"], *paper.test}) > 26  # one order would overlap far more


def test_failed_cases_leave_the_folds_and_no_other_moves():
    folds = split_cv5(REAL).folds
    gone = {*random.Random(0).sample(REAL, 7)}
    for before, after in zip(folds, without(folds, gone), strict=True):
        for role in ("train", "val", "selection"):
            assert after[role] == [case for case in before[role] if case not in gone]

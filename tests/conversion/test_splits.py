"""Splits: sizes, no overlap, the same for any order of the list."""

import random
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_tv.conversion.splits import split_cv5, split_official, split_paper, without
from nnunet_tv.utils.errors import NnunetTVError

REAL = [f"sub-{number:05d}" for number in range(1, 86)]
PAPER_TEST = ("sub-00011", "sub-00012", "sub-00016", "sub-00022")
CV5_SELECTION = ("sub-00018", "sub-00022", "sub-00048")
names = st.sets(st.integers(0, 99999).map(lambda number: f"sub-{number:05d}"), min_size=1, max_size=120)


def checked(split_of, cases, shuffle):
    """The split: every fold holds each case once, and the order of the list does not matter."""
    split, other = split_of(sorted(cases)), list(cases)
    for fold in split.folds:
        scored = fold["val"] if fold["val"] == fold["selection"] else fold["val"] + fold["selection"]
        assert sorted(chain(fold["train"], scored, split.test)) == sorted(cases)
    shuffle.shuffle(other)
    assert split_of(other) == split
    return split


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
    split = checked(lambda names: split_paper(names, repeats=repeats), cases, shuffle)
    fold = split.folds[0]
    assert fold["val"] == fold["selection"] and split.folds == (fold,) * repeats
    assert fold["train"]
    assert bool(fold["selection"]) == (len(cases) > 1) and bool(split.test) == (len(cases) > 2)


@settings(deadline=None)  # the machine may be busy
@given(names, st.randoms())
def test_official_keeps_the_authors_test_set(cases, shuffle):
    assigned = {case: "test" if index % 3 == 2 else "train" for index, case in enumerate(sorted(cases))}
    split = checked(lambda names: split_official({case: assigned[case] for case in names}, repeats=2), cases, shuffle)
    assert set(split.test) == {case for case, role in assigned.items() if role == "test"}
    assert split.folds[0]["val"] == split.folds[0]["selection"]


@settings(deadline=None)  # the machine may be busy
@given(names.filter(lambda cases: len(cases) >= 5), st.randoms())
def test_cv5_scores_everyone_once_and_selects_from_the_others(cases, shuffle):
    split = checked(split_cv5, cases, shuffle)
    assert split.test == () and len(split.folds) == 5
    assert sorted(chain.from_iterable(fold["val"] for fold in split.folds)) == sorted(cases)
    assert all(fold["train"] and fold["selection"] and fold["val"] != fold["selection"] for fold in split.folds)


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

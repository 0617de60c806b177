"""Roles of the cases for every split and every choice of controls."""

from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_tv.conversion.plan import ConversionOptions, make_plan
from nnunet_tv.conversion.source import SourceCase, SourceDataset
from nnunet_tv.utils.errors import NnunetTVError


def dataset(patients: int = 20, controls: int = 4, *, assigned: bool = True) -> SourceDataset:
    cases = [SourceCase(f"p{n:02d}", "patient", assigned=("test" if n % 4 == 0 else "train") if assigned else "")
             for n in range(patients)]
    cases += [SourceCase(f"c{n:02d}", "control", assigned="train") for n in range(controls)]
    return SourceDataset(Path("bids"), ("T1w", "FLAIR"), {"background": 0, "FCD": 1}, "FLAIR", tuple(cases),
                         "name", "CC0", "doi")


def roles(plan, *splits: str) -> set[str]:
    return {planned.source.case for planned in plan.cases if planned.split in splits}


@pytest.mark.parametrize("split", ["paper", "official"])
def test_roles_agree_with_folds_and_folders(split):
    plan = make_plan(dataset(), ConversionOptions(split, repeats=3))
    fold = plan.folds[0]
    assert len(plan.folds) == 3
    assert roles(plan, "train") == set(fold["train"]) and roles(plan, "selection") == set(fold["val"])
    assert {planned.source.case for planned in plan.cases if planned.training} == {*fold["train"], *fold["val"]}
    assert len(plan.cases) == 20 and plan.left_out == 4
    if split == "official":
        assert roles(plan, "test") == {f"p{n:02d}" for n in range(0, 20, 4)}


def test_cv5_trains_on_everyone_and_names_the_fold_that_scores():
    plan = make_plan(dataset(), ConversionOptions("cv5"))
    assert all(planned.training for planned in plan.cases)
    for number, fold in enumerate(plan.folds):
        assert roles(plan, f"fold {number}") == set(fold["val"])


@pytest.mark.parametrize("split", ["paper", "official", "cv5"])
def test_controls_are_in_the_train_of_every_fold_or_in_the_test_set(split):
    plan = make_plan(dataset(), ConversionOptions(split, controls="train"))
    controls = {f"c{n:02d}" for n in range(4)}
    for fold in plan.folds:
        assert controls <= set(fold["train"]) and not controls & {*fold["val"], *fold["selection"]}
    placed = [planned for planned in plan.cases if planned.source.case in controls]
    assert len(placed) == 4 and all(planned.training and planned.split == "train" for planned in placed)
    without = make_plan(dataset(), ConversionOptions(split))
    assert [fold["val"] for fold in plan.folds] == [fold["val"] for fold in without.folds]
    tested = make_plan(dataset(), ConversionOptions(split, controls="test"))
    assert tested.folds == without.folds and roles(tested, "test") >= controls
    assert not any(planned.training for planned in tested.cases if planned.source.group == "control")


def test_a_case_with_a_problem_is_drawn_and_one_of_unknown_group_is_reported():
    whole = dataset()
    cases = tuple(replace(case, problem="gone") if case.case == "p03" else case for case in whole.cases)
    damaged = replace(whole, cases=(*cases, SourceCase("x", "", problem="not in the list")))
    plan = make_plan(damaged, ConversionOptions())
    assert plan.folds == make_plan(whole, ConversionOptions()).folds and roles(plan, "") == {"x"}


@pytest.mark.parametrize("error, message, source, options", [
    (NnunetTVError, "official: the data set assigns no patient to train or test; use another",
     dataset(assigned=False), {"split": "official"}),
    (NnunetTVError, "bids: expected patients, found none among 4 cases", dataset(0), {}),
    (NnunetTVError, "repeats are not for --split cv5, which has five folds", dataset(), {"split": "cv5", "repeats": 2}),
    (NnunetTVError, "at least one repeat, found 0", dataset(), {"repeats": 0}),
    (ValueError, "controls is one of none, test, train, not 'all'", dataset(), {"controls": "all"}),
    (ValueError, "split is one of paper, seeded, official, table, cv5, not 'mine'", dataset(), {"split": "mine"}),
])
def test_what_cannot_be_planned(error, message, source, options):
    with pytest.raises(error, match=message):
        make_plan(source, ConversionOptions(**options))

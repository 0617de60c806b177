"""The table of how the models were trained, and its warnings."""

from dataclasses import replace

import pytest
from run_records import make_record, make_session

from nnunet_tv.reporting.study.training_warnings import training_warnings
from nnunet_tv.reporting.study.trainings import trainings_table
from nnunet_tv.scoring.trainings import Training
from nnunet_tv.training.record.run_record import CaseDigests, Data, Device, Seeds


def runs(group, *records, **more):
    return [Training(group, number, record, **more) for number, record in enumerate(records)]


def of_fold(fold, **changes):
    return make_record(fold=fold, seeds=replace(make_record().seeds, seed=fold), **changes)


def data(train="3", files="4", role="selection"):
    digests = CaseDigests(3, train * 64, files * 64)
    return Data({"train": digests, role: digests}, None, "6" * 64, None, (train + files) * 32)


GPU = Device("cuda", "GPU X", 2, 80 * 2**30)


def cells(record):
    table = trainings_table([Training("A", 3, record)])
    return dict(zip(table.columns, table.rows[0], strict=True))


def test_a_row():
    assert cells(make_record()) == {
        "Group": "A", "Run": 3, "Trainer": "nnUNetTrainerDiceTV_10epochs", "Fold": "0", "Seed": "0",
        "Loss": "DiceTVLoss (tv_weight 0.1)", "Recipe": "TV paper, AdamW from 0.0001",
        "Network": "Net, 1234 parameters, patch 32×32×32, batch 4",
        "Status": "finished", "Epochs": 10, "Planned epochs": 10, "Best epoch": "7", "Plan": "1" * 12,
        "Data": "2" * 12, "Training cases": "3 train, 3 selection",
        "Versions": "nnunet-tv 1.0, nnunetv2 2.8.1, torch 2.13.0, Python 3.11.7",
        "Device": "A processor, 2 threads on 2 cores, 16 GiB", "Hours": 1.0, "GPU-hours": 0, "Started": "2026-01-01",
        "Sessions": 1}


def test_a_continued_run_has_the_versions_and_devices_of_all_sessions_in_their_order():
    first = make_session(commit="abcdef0123456789", modified=True, device=GPU)
    record = make_record(sessions=(first, first, make_session(
        versions={"nnunet-tv": "1.1", "torch": "2.14.0", "cuda": "13.0"}, device=replace(GPU, count=1))))
    found = cells(record)
    assert found["Versions"] == ("nnunet-tv 1.0 (abcdef012345, modified), nnunetv2 2.8.1, torch 2.13.0, Python 3.11.7; "
                                 "then nnunet-tv 1.1, torch 2.14.0, CUDA 13.0")
    assert found["Device"] == "2 × GPU X, 80 GiB; then GPU X, 80 GiB"
    assert (found["Hours"], found["GPU-hours"], found["Sessions"]) == (3.0, 5.0, 3)


@pytest.mark.parametrize(("changes", "status"), [
    ({"status": "stopped early"}, "stopped early"),
    ({"status": "failed", "sessions": (make_session(problem="MemoryError"),)}, "failed (MemoryError)"),
    ({"status": "running"}, "running or killed; last record 2026-01-01 01:00 UTC")])
def test_how_it_ended(changes, status):
    assert cells(make_record(**changes))["Status"] == status


def test_nnunet_s_recipe_is_not_seeded_and_keeps_the_last_weights():
    found = cells(make_record(seeds=Seeds(None, "", (), ()), best_epoch=None))
    assert (found["Seed"], found["Best epoch"]) == ("not seeded", "last")


def test_what_is_not_recorded_is_stated():
    table = trainings_table(runs("A", None, make_record()))
    assert set(table.rows[0][2:]) == {"not recorded"} and len(table.rows) == 2
    assert table.warnings == (
        "No run.json was found for A, run 0: how these models were trained is not recorded.",)


def test_equal_trainings_of_several_groups_and_runs_have_no_warning():
    dice = [of_fold(fold, trainer="nnUNetTrainerDice", loss="DiceLoss", loss_settings={}) for fold in (0, 1)]
    assert training_warnings([*runs("TV", of_fold(0), of_fold(1)), *runs("Dice", *dice)]) == []


def only(warnings):
    warning, = warnings
    return warning


@pytest.mark.parametrize(("changes", "words"), [
    ({"status": "running", "epochs": 4}, "not completed (running, 4 of 10 epochs"),
    ({"status": "interrupted"}, "not completed (interrupted"),
    ({"sessions": (make_session(modified=True),)}, "code with changes"),
    ({"sessions": (make_session(first_epoch=5),)}, "the first 5 epochs"),
    ({"sessions": (make_session(), make_session(device=GPU))}, "continued with another device"),
    ({"sessions": (make_session(), make_session(versions={**make_session().versions, "torch": "1"}))},
     "continued with another version of torch"),
    ({"sessions": (make_session(), make_session(plan_sha256="a", data_sha256="b"))},
     "continued with another plan, data"),
    ({"sessions": (make_session(commit="a"), make_session(commit="b"))}, "continued with another commit")])
def test_a_training_that_needs_a_remark(changes, words):
    assert words in only(training_warnings(runs("A", make_record(**changes))))


@pytest.mark.parametrize(("changes", "words"), [
    ({"checkpoint": False}, "not the one that run.json records"), ({"plan": False}, "not the plan of this training")])
def test_a_model_that_is_not_the_recorded_one(changes, words):
    assert words in only(training_warnings(runs("A", make_record(), **changes)))
    assert training_warnings(runs("A", make_record(), checkpoint=True, plan=True)) == []


@pytest.mark.parametrize(("changes", "what"), [
    ({"plan_sha256": "9" * 64}, "plan"), ({"planned_epochs": 300}, "planned epochs"),
    ({"optimizer": {**make_record().optimizer, "initial_lr": 1e-3}}, "optimizer"),
    ({"network": replace(make_record().network, parameters=5)}, "network"), ({"recipe": "nnU-Net"}, "recipe"),
    ({"dataset": "DatasetOther"}, "data set"), ({"sessions": (make_session(device=GPU),)}, "device"),
    ({"sessions": (make_session(versions={**make_session().versions, "nnunetv2": "2.9"}),)}, "version of nnunetv2"),
    ({"sessions": (make_session(versions={**make_session().versions, "cuda": "13"}),)}, "version of cuda"),
    ({"sessions": (make_session(compiled=True),)}, "compilation"),
    ({"sessions": (make_session(mixed_precision=True),)}, "precision")])
def test_what_should_be_equal_within_a_group_and_between_groups(changes, what):
    within = only(training_warnings(runs("A", of_fold(0), of_fold(1, **changes))))
    assert within.startswith(f"A: its runs differ in {what}: ") and "(run 0)" in within and "(run 1)" in within
    assert only(training_warnings([*runs("A", of_fold(0)), *runs("B", of_fold(0, **changes))])) == (
        f"A and B differ in {what}: their comparison includes that difference.")


def test_the_trainer_may_differ_between_groups_but_not_within_one():
    records = of_fold(0), of_fold(1, trainer="nnUNetTrainerDice")
    assert "differ in trainer" in only(training_warnings(runs("A", *records)))
    assert training_warnings([*runs("A", records[0]), *runs("B", records[1])]) == []


@pytest.mark.parametrize(("changed", "within", "between"), [
    (data(train="a"), "on 2 different sets of cases", "training or selection cases"),
    (data(files="a"), "preprocessed to different files", "preprocessed files of the same cases")])
def test_other_cases_and_other_files(changed, within, between):
    first, second = of_fold(0, data=data()), of_fold(1, data=changed)
    assert within in only(training_warnings(runs("A", first, second)))
    assert between in only(training_warnings([*runs("A", first), *runs("B", second)]))


def test_the_folds_of_a_cross_validation_have_cases_of_their_own():
    folds = [of_fold(0, data=data(train="a")), of_fold(1, data=data(train="b"))]
    both = [Training(group, 0, fold, part=True) for group in "AB" for fold in folds]
    assert training_warnings(both) == []


def test_recipes_with_other_roles_are_compared_by_their_training_cases():
    ours = of_fold(0, data=data()), of_fold(0, data=data(role="validation"), recipe="nnU-Net")
    assert only(training_warnings([*runs("A", ours[0]), *runs("B", ours[1])])) == (
        "A and B differ in recipe: their comparison includes that difference.")


def test_runs_of_one_seed_are_no_independent_trainings():
    assert "A, run 0; A, run 1: trained with one seed (4)" in only(training_warnings(runs("A", of_fold(4), of_fold(4))))
    unseeded = make_record(seeds=Seeds(None, "", (), ()))
    assert training_warnings(runs("A", unseeded, unseeded)) == []


def test_what_several_trainings_have_in_common_is_one_warning():
    records = [of_fold(fold, sessions=(make_session(first_epoch=5),)) for fold in range(8)]
    assert only(training_warnings(runs("A", *records))) == (
        "A, run 0; A, run 1; A, run 2; A, run 3; A, run 4; A, run 5 and 2 more: how the first 5 epochs were trained is "
        "not recorded.")


def test_a_damaged_record_is_named():
    assert only(training_warnings([Training("A", 0, None, "run.json: damaged")])) == "A, run 0: run.json: damaged"

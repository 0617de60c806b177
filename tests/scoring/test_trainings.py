"""The training behind a run of predictions: where its run.json is found, and what is compared with it."""

import hashlib
import json
from pathlib import Path

import pytest
from run_records import make_record

from nnunet_tv.scoring.runs import Run
from nnunet_tv.scoring.trainings import Training, find_trainings
from nnunet_tv.training.record.run_record import write_run_record
from nnunet_tv.utils.errors import NnunetTVError

PLANS = {"plans_name": "P", "b": [1, 2]}
PLAN = hashlib.sha256(json.dumps(PLANS, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
CHECKPOINT = hashlib.sha256(b"weights").hexdigest()


def train(fold, *, plans=PLANS, weights=b"weights", **changes):
    """A fold folder after training."""
    (fold / "validation").mkdir(parents=True)
    number = int(fold.name[5:]) if fold.name[5:].isdecimal() else "all"
    record = make_record(**{"fold": number, "plan_sha256": PLAN, "checkpoints": {"checkpoint_final.pth": CHECKPOINT},
                            **changes})
    write_run_record(record, fold / "run.json")
    (fold / "checkpoint_final.pth").write_bytes(weights)
    (fold.parent / "plans.json").write_text(json.dumps(plans, indent=4))
    return record


def predict(folder, plans=PLANS):
    folder.mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(plans))
    return folder


@pytest.fixture
def model(tmp_path):
    return tmp_path / "results" / "DatasetFCD" / "nnUNetTrainerDiceTV__P__3d_fullres"


def test_a_validation_has_the_record_of_its_fold(model):
    record = train(model / "fold_1")
    assert find_trainings([Run("A", 1, model / "fold_1" / "validation")]) == [
        Training("A", 1, record, checkpoint=True, plan=True)]


def test_a_stated_record_a_model_and_a_copy_beside_predictions(model, tmp_path):
    record, folder = train(model / "fold_2"), predict(tmp_path / "pred")
    found = Training("A", 0, record, checkpoint=True, plan=True)
    assert find_trainings([Run("A", 0, folder, run_json=model / "fold_2")]) == [found]
    assert find_trainings([Run("A", 0, folder, run_json=model / "fold_2" / "run.json")]) == [found]
    assert find_trainings([Run("A", 0, folder, predicted_by=model / "fold_2")]) == [found]
    assert find_trainings([Run("A", 0, folder)]) == [Training("A", 0, None)]
    (folder / "run.json").write_bytes((model / "fold_2" / "run.json").read_bytes())
    assert find_trainings([Run("A", 0, folder)]) == [Training("A", 0, record, checkpoint=None, plan=True)]


def test_an_early_nnunet_names_model_and_folds(model, tmp_path):
    records, folder = [train(model / f"fold_{number}") for number in (0, 1)], predict(tmp_path / "pred")
    (folder / "predict_from_raw_data_args.json").write_text(json.dumps(
        {"model_training_output_dir": str(model), "use_folds": [0, 1]}))
    assert [(one.record, one.part) for one in find_trainings([Run("A", 0, folder)])] == [
        (records[0], True), (records[1], True)]


def test_the_file_of_nnunet_2_8_names_no_model_and_none_is_guessed(model, tmp_path):
    train(model / "fold_0")
    folder = predict(tmp_path / "pred")
    (folder / "predict_from_raw_data_args.json").write_text('{"save_probabilities": false}')
    assert find_trainings([Run("A", 0, folder)]) == [Training("A", 0, None)]


def test_an_ensemble_has_a_training_for_each_fold(model, tmp_path):
    records = [train(model / f"fold_{number}") for number in (0, 1)]
    train(model / "fold_all")
    found = find_trainings([Run("A", 0, predict(tmp_path / "pred"), predicted_by=model)])
    assert [(one.record, one.part) for one in found] == [(record, True) for record in records]


def test_the_folds_of_a_pooled_cross_validation(model):
    records = [train(model / f"fold_{number}") for number in (0, 1)]
    parts = {f"sub-{number}": Run("A", number, model / f"fold_{number}" / "validation") for number in (0, 1)}
    found = find_trainings([Run("A", 0, model, parts=parts)])
    assert [(one.run, one.record, one.part) for one in found] == [(0, record, True) for record in records]


@pytest.mark.parametrize(("changes", "checkpoint", "plan"), [
    ({"weights": b"others"}, False, True), ({"checkpoints": {}}, False, True), ({"plan_sha256": "0" * 64}, True, False),
    ({"plans": {**PLANS, "b": [2, 1]}}, True, False)])
def test_another_checkpoint_or_plan_is_seen(model, changes, checkpoint, plan):
    train(model / "fold_0", **changes)
    found, = find_trainings([Run("A", 0, model / "fold_0" / "validation")])
    assert (found.checkpoint, found.plan) == (checkpoint, plan)


def test_a_validation_by_an_earlier_checkpoint_is_seen(model):
    train(model / "fold_0")
    mark = model / "fold_0" / "validation.json"
    for digest, same in ((CHECKPOINT, True), ("0" * 64, False)):
        mark.write_text(json.dumps({"checkpoint_final.pth": digest}))
        assert find_trainings([Run("A", 0, model / "fold_0" / "validation")])[0].checkpoint is same


def test_a_model_of_an_earlier_version_has_none_and_a_damaged_record_is_named(model):
    validation = model / "fold_0" / "validation"
    validation.mkdir(parents=True)
    assert find_trainings([Run("A", 0, validation)]) == [Training("A", 0, None)]
    (model / "fold_0" / "run.json").write_text("{")
    found, = find_trainings([Run("A", 0, validation)])
    assert found.record is None and "fold_0/run.json: not a run.json" in found.problem


@pytest.mark.parametrize("name", ["nowhere", "nowhere/run.json", "."])
def test_a_stated_record_that_is_not_there_is_an_error(tmp_path, name):
    with pytest.raises(NnunetTVError, match=r"(run\.json|nowhere): no such file"):
        find_trainings([Run("A", 0, predict(tmp_path / "pred"), run_json=Path(tmp_path, name))])


def test_what_is_written_is_read_again():
    from dataclasses import asdict

    for training in (Training("A", 0, make_record(), checkpoint=True), Training("B", 1, None, "x", part=True)):
        assert Training.from_dict(json.loads(json.dumps(asdict(training)))) == training

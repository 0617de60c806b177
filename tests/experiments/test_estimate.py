"""The estimate: each figure has its basis, and what is not known is stated as unknown."""

from dataclasses import replace

import numpy as np
import pytest
from run_records import make_record, make_session
from scored_folders import save

from nnunet_tv.experiments.config import make_config
from nnunet_tv.experiments.estimate import estimate, estimate_text
from nnunet_tv.experiments.study import Study
from nnunet_tv.training.record.run_record import Device, write_run_record
from nnunet_tv.utils.files import write_json


@pytest.fixture
def study(tmp_path) -> Study:
    """Two groups with two runs of 10 epochs; nothing is there, not even the scans."""
    return Study(tmp_path, make_config({
        "experiment": "e", "groups": {"Dice": "nnUNetTrainerDice", "Dice+TV": "nnUNetTrainerDiceTV"}, "runs": 2,
        "epochs": 10, "device": "cpu", "scans": str(tmp_path / "none")}, "x"))


def mark(study, step, *runs, **content):
    for run in runs or (None,):
        write_json(content, study.mark(step, run))


def trained(study, run, **changes):
    write_run_record(make_record(**changes), study.fold(run) / "run.json")


def training(study, **options):
    return estimate(study, **options).hours[0]


def disk(study):
    return {item.title: item for item in estimate(study).disk}


def test_jobs_are_those_without_a_mark(study):
    found = estimate(study)
    assert found.jobs == {"convert": 1, "plan": 1, "train": 4, "predict": 4, "filter": 4, "report": 1}
    mark(study, "convert")
    mark(study, "train", *study.runs[:3])
    mark(study, "report")  # of the runs that were finished
    found = estimate(study)
    assert found.jobs == {"convert": 0, "plan": 1, "train": 1, "predict": 4, "filter": 4, "report": 1}
    assert found.done["train"] == 3 and "Jobs: 11 to run, 4 done" in estimate_text(found)


def test_without_any_training_hours_are_unknown_or_as_given(study):
    assert training(study).hours is None and "no training was timed" in training(study).basis
    text = estimate_text(estimate(study))
    assert "Hours on the CPU: unknown" in text and "  raw data set: unknown\n    " in text
    assert training(study, hours_per_run=3).hours == 12 and "as given" in training(study, hours_per_run=3).basis
    mark(study, "train", study.runs[0])
    assert training(study, hours_per_run=3).hours == 9


def test_a_training_under_way_gives_its_seconds_per_epoch(study):
    session = make_session(status="running", epochs=4, seconds_per_epoch=180.0)
    trained(study, study.runs[0], status="running", epochs=4, seconds_per_epoch=180.0, sessions=(session,))
    found = training(study, hours_per_run=99)  # what was measured goes before what is given
    assert found.hours == pytest.approx((6 + 3 * 10) * 180 / 3600) and found.basis.startswith("at most: 180 s an epoch")


def test_finished_trainings_give_their_hours(study):
    for run, hours in zip(study.runs[:3], (1, 2, 5), strict=True):
        trained(study, run, sessions=(make_session(updated=f"2026-01-01T0{hours}:00:00+00:00"),))
        mark(study, "train", run)
    assert training(study).hours == 2 and "median of 3 finished trainings in this study, 2 h" in training(study).basis
    mark(study, "train", study.runs[3])
    assert training(study).hours == 0


def test_trainings_on_another_device_tell_nothing(study):
    session = replace(make_session(), device=Device("cuda", "A GPU", 1, 2**34))
    trained(study, study.runs[0], sessions=(session,))
    assert training(study).hours is None


def test_predictions_take_what_they_took(study):
    assert estimate(study).hours[1].hours is None
    mark(study, "predict", study.runs[0], seconds=1800)
    mark(study, "predict", study.runs[1], seconds=5400)
    assert estimate(study).hours[1].hours == 2 * 1.0


def test_models_by_parameters_then_as_measured(study):
    found = disk(study)["models"]
    # Zhang et al.'s network has 43,524,802 parameters; weights and two moments of AdamW in float32, three files
    assert found.n_bytes == 4 * 3 * 12 * 43_524_802 and "43,524,802 parameters (MS-DSA-Net" in found.basis
    trained(study, study.runs[0])
    assert disk(study)["models"].n_bytes == 4 * 3 * 12 * 1234
    (study.fold(study.runs[0]) / "checkpoint_final.pth").write_bytes(b"x" * 500)
    (study.fold(study.runs[0]) / "checkpoint_best.pth").write_bytes(b"x" * 200)
    assert disk(study)["models"].n_bytes == 4 * 3 * 12 * 1234  # not finished, so not all are there
    mark(study, "train", study.runs[0])
    assert disk(study)["models"].n_bytes == 4 * 700


def test_images_by_their_voxels_then_as_measured(study):
    for folder, cases in (("imagesTr", "abc"), ("imagesTs", "de")):
        for case in cases:
            for channel in ("0000", "0001"):
                save(study.raw / folder, f"{case}_{channel}", np.zeros((4, 5, 6), np.float32))
    mark(study, "convert")
    found = disk(study)
    assert found["raw data set"].n_bytes == sum(path.stat().st_size for path in study.raw.rglob("*.gz"))
    assert found["preprocessed data set"].n_bytes == 3 * 120 * (2 * 4 + 1)
    assert found["predictions"].n_bytes == 4 * 2 * 2 * 120
    study.preprocessed.mkdir(parents=True)
    (study.preprocessed / "x").write_bytes(b"x" * 77)
    mark(study, "plan")
    assert disk(study)["preprocessed data set"].n_bytes == 77


def test_gpu_hours_of_several_at_once(study):
    on_gpus = Study(study.root, replace(study.config, device="cuda"))
    text = estimate_text(estimate(on_gpus, hours_per_run=6), at_once=2)
    assert "GPU-hours: 24 and more" in text and "With 2 trainings at once: about 12 h." in text

"""``run.json`` as the trainers leave it, on real preprocessed data."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from nnunetv2.run.run_training import get_trainer_from_args, maybe_load_checkpoint

from nnunet_tv import __version__
from nnunet_tv.planning.plans import with_network
from nnunet_tv.training.record.run_record import read_run_record

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _no_progress_picture(monkeypatch):
    monkeypatch.setattr("nnunetv2.training.logging.nnunet_logger.LocalLogger.plot_progress_png", lambda *_: None)


@pytest.fixture
def tiny(planned):
    folder = planned / "nnUNet_preprocessed" / "DatasetFCD"
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    plans = with_network(plans, "3d_fullres", network="tiny_network.TinyNetwork", patch_size=(32, 32, 32))
    (folder / "TinyPlans.json").write_text(json.dumps({**plans, "plans_name": "TinyPlans"}))
    return planned


def trainer(name="nnUNetTrainerDiceTV_3epochs", fold=0, *, continued=False):
    made = get_trainer_from_args("DatasetFCD", "3d_fullres", fold, name, "TinyPlans", continued, device=CPU)
    if continued:
        maybe_load_checkpoint(made, True, False)
    return made


def record_of(made):
    return read_run_record(Path(made.output_folder))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def failing_in(made, epoch, error):
    step = made.train_step

    def failing(batch):
        if made.current_epoch == epoch:
            raise error
        return step(batch)

    made.train_step = failing
    return made


def test_a_finished_run_of_the_recipe(tiny, monkeypatch):
    monkeypatch.setattr("sys.argv", ["/home/somebody/bin/nnUNetv2_train", "DatasetFCD", "3d_fullres", "0"])
    made = trainer("nnUNetTrainerDiceTV_tv0p05_3epochs")
    made.run_training()
    fold, record = Path(made.output_folder), record_of(made)
    assert (record.status, record.epochs, record.planned_epochs, record.complete) == ("finished", 3, 3, True)
    assert (record.dataset, record.trainer, record.plans, record.configuration, record.fold, record.recipe) == (
        "DatasetFCD", "nnUNetTrainerDiceTV_tv0p05_3epochs", "TinyPlans", "3d_fullres", 0, "TV paper")
    assert record.loss == "DiceTVLoss" and record.loss_settings == {
        "tv_weight": 0.05, "batch_dice": True, "smooth": 1e-5}
    assert record.optimizer == {"name": "AdamW", "initial_lr": 1e-4, "weight_decay": 1e-5}
    assert record.network.parameters == 2 * 4 * 27 + 4 + 4 * 2 * 27 + 2
    assert (record.network.class_name, record.network.patch_size, record.network.batch_size) == (
        "tiny_network.TinyNetwork", (32, 32, 32), 4)
    assert record.seeds.seed == 0 and not record.seeds.not_seeded
    assert (record.data.roles["train"].cases, record.data.roles["selection"].cases) == (3, 1)
    assert record.iterations_per_epoch == 3
    assert record.checkpoints == {f"checkpoint_{name}.pth": digest(fold / f"checkpoint_{name}.pth")
                                  for name in ("best", "final", "last_epoch")}
    losses = made.logger.get_value("val_losses", step=None)
    assert record.best_epoch == losses.index(min(losses))
    session, = record.sessions
    assert session.command == ("nnUNetv2_train", "DatasetFCD", "3d_fullres", "0")
    assert (session.status, session.first_epoch, session.epochs, session.problem) == ("finished", 0, 3, "")
    assert session.versions["nnunet-tv"] == __version__ and session.versions["torch"] == torch.__version__
    assert session.device.type == "cpu" and session.device.count >= 1 and session.device.memory_bytes > 2**28
    assert (session.workers, session.threads, session.compiled, session.mixed_precision) == (
        1, torch.get_num_threads(), False, False)
    assert 0 < session.seconds_per_epoch == record.seconds_per_epoch < 60
    assert session.peak_device_bytes is None and session.peak_resident_bytes > 2**26
    assert record.gpu_hours == 0 and 0 <= record.hours < 0.1
    assert not list(fold.glob(".partial-*"))
    plans = json.loads(Path(made.output_folder_base, "plans.json").read_text())
    text = json.dumps(plans, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert record.plan_sha256 == hashlib.sha256(text.encode()).hexdigest()
    content = (fold / "run.json").read_text()  # no case, and no folder
    assert "sub-0" not in content and str(tiny) not in content and "/home" not in content


def test_while_it_trains_it_is_running_with_the_epochs_that_are_done(tiny):
    made, seen = trainer(), []
    step = made.train_step
    made.train_step = lambda batch: seen.append(record_of(made)) or step(batch)
    made.run_training()
    assert [(record.status, record.epochs) for record in seen[::3]] == [
        ("running", 0), ("running", 1), ("running", 2)]
    assert "checkpoint_latest.pth" in seen[0].checkpoints
    assert "checkpoint_latest.pth" not in record_of(made).checkpoints


@pytest.fixture
def ended(tiny):
    """Returns a trainer of two epochs that ended with an error in the second."""
    def end(error):
        made = trainer("nnUNetTrainerDice_2epochs")
        made.save_every = 1
        with pytest.raises(error):
            failing_in(made, 1, error).run_training()
        return made

    return end


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "interrupted"), (MemoryError, "failed")])
def test_an_ended_run_and_its_continuation_with_another_version_and_other_data(ended, error, status, monkeypatch):
    made = ended(error)
    before = record_of(made)
    assert (before.status, before.epochs, before.sessions[-1].problem) == (status, 1, error.__name__)
    assert not before.complete

    monkeypatch.setattr("nnunet_tv.training.record.environment.nnunet_tv.__version__", "9.9")
    folder = Path(made.preprocessed_dataset_folder)
    (folder / "sub-00001.b2nd").write_bytes((folder / "sub-00002.b2nd").read_bytes())
    trainer("nnUNetTrainerDice_2epochs", continued=True).run_training()
    record = record_of(made)
    first, second = record.sessions
    assert first == before.sessions[0]
    assert (second.first_epoch, second.epochs, second.status, record.epochs) == (1, 2, "finished", 2)
    assert (first.versions["nnunet-tv"], second.versions["nnunet-tv"]) == (__version__, "9.9")
    assert first.data_sha256 != second.data_sha256 and first.plan_sha256 == second.plan_sha256
    assert record.status == "finished" and record.started == first.started


def test_a_run_without_a_usable_record_continues_from_epochs_that_are_unknown(ended, capsys):
    path = Path(ended(KeyboardInterrupt).output_folder, "run.json")
    path.write_text('{"tool": "nnunet-tv-run", "format": 0}')
    trainer("nnUNetTrainerDice_2epochs", continued=True).run_training()
    session, = read_run_record(path).sessions
    assert (session.first_epoch, session.epochs) == (1, 2)
    assert path.with_name("run_earlier.json").is_file()
    assert "structure 0, expected 1" in capsys.readouterr().out


def test_a_finished_run_is_left_alone_by_a_continuation_and_put_aside_by_a_new_run(tiny):
    made = trainer("nnUNetTrainerDice_1epochs")
    made.run_training()
    path = Path(made.output_folder, "run.json")
    before = path.read_bytes()
    trainer("nnUNetTrainerDice_1epochs", continued=True).run_training()
    assert path.read_bytes() == before
    trainer("nnUNetTrainerDice_1epochs").run_training()
    [aside] = path.parent.glob("earlier_*")
    assert (aside / "run.json").read_bytes() == before
    assert len(record_of(made).sessions) == 1


def test_stopped_early(tiny):
    made = trainer("nnUNetTrainerDice_9epochs")  # of which it needs one or two
    made.early_stopping.min_epochs, made.early_stopping.patience = 1, 0
    made.run_training()
    record = record_of(made)
    assert (record.status, record.planned_epochs, record.complete) == ("stopped early", 9, True)
    assert record.epochs == made.current_epoch < 9


def test_the_loss_only_family_records_nnunet_s_recipe_and_that_nothing_is_seeded(tiny):
    made = trainer("nnUNetTrainerDiceTVLoss_1epochs")
    made.num_iterations_per_epoch = made.num_val_iterations_per_epoch = 1
    made.run_training()
    record = record_of(made)
    assert (record.recipe, record.status, record.best_epoch) == ("nnU-Net", "finished", None)
    assert record.seeds.seed is None and "initial weights" in record.seeds.not_seeded
    assert {role: one.cases for role, one in record.data.roles.items()} == {"train": 3, "validation": 1}
    assert record.optimizer["name"] == "SGD" and record.iterations_per_epoch == 1
    assert record.checkpoints["checkpoint_final.pth"] == digest(Path(made.output_folder, "checkpoint_final.pth"))


def test_other_ranks_write_nothing(tiny):
    made = trainer("nnUNetTrainerDice_1epochs")
    made.initialize()
    made.get_dataloaders()
    made.local_rank = 1
    made.recorder.start()
    made.recorder.update()
    assert not Path(made.output_folder, "run.json").exists()


def test_a_file_that_cannot_be_written_does_not_end_the_training(tiny, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nnunet_tv.training.record.recorder.write_run_record", full)
    made = trainer("nnUNetTrainerDice_1epochs")
    made.run_training()
    assert Path(made.output_folder, "checkpoint_final.pth").is_file()
    assert "No space left on device" in capsys.readouterr().out


def test_fold_all_has_its_own_seed(tiny):
    assert trainer("nnUNetTrainerDice_1epochs", "all").seeds().seed == 1_000_003

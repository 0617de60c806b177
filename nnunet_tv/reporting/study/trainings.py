"""The table of how the models were trained, from their ``run.json``."""

from __future__ import annotations

from collections.abc import Sequence

from nnunet_tv.metrics.registry import NOT_RECORDED
from nnunet_tv.reporting.study.training_warnings import training_warnings
from nnunet_tv.reporting.tables.table import Cell, Table
from nnunet_tv.scoring.trainings import Training
from nnunet_tv.training.record.run_record import RUNNING, RunRecord, Session

_COLUMNS = ("Group", "Run", "Trainer", "Fold", "Seed", "Loss", "Recipe", "Network", "Status", "Epochs",
            "Planned epochs", "Best epoch", "Plan", "Data", "Training cases", "Versions", "Device", "Hours",
            "GPU-hours", "Started", "Sessions")
#: Characters of a digest that the table shows.
_SHORT = 12
_VERSIONS = {"nnunet-tv": "nnunet-tv", "nnunetv2": "nnunetv2", "torch": "torch", "cuda": "CUDA", "python": "Python"}
_NOTES = (
    "From run.json, which the trainers of this package leave in the fold folder; all that it has is in report.json "
    "under trainings.",
    "Seed: of every random draw of the recipe of the TV paper, which is the fold's number; nnU-Net's own recipe is not "
    "seeded. Best epoch: whose weights were kept, from 0; \"last\" where none is chosen.",
    "Plan and data: the first 12 digits of the SHA-256 of the plan as trained (canonical JSON) and of the names, roles "
    "and preprocessed files of the training and selection cases.",
    "Hours: from the start of the training to its last record, over all sessions, without the validation after it; "
    "GPU-hours: the same times the number of GPUs. Versions and devices of a training that was continued with others "
    "are separated by \"then\".",
    "Not recorded: no run.json was found, as for models of earlier versions or of other trainers, and for predictions "
    "of which nothing states by which model they were made (--run-json).")


def trainings_table(trainings: Sequence[Training]) -> Table:
    """One row for each training."""
    return Table("provenance", "How the models were trained", _COLUMNS,
                 tuple((training.group, training.run, *_cells(training.record)) for training in trainings),
                 notes=_NOTES, warnings=tuple(training_warnings(trainings)), prose=True, folded=True,
                 digits={"Hours": 2, "GPU-hours": 2})


def _cells(record: RunRecord | None) -> list[Cell]:
    if record is None:
        return [NOT_RECORDED] * (len(_COLUMNS) - 2)
    settings = ", ".join(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
                         for name, value in record.loss_settings.items())
    network, data = record.network, record.data
    return [
        record.trainer, str(record.fold), "not seeded" if record.seeds.seed is None else str(record.seeds.seed),
        f"{record.loss} ({settings})" if settings else record.loss,
        f"{record.recipe}, {optimizer(record)}",
        f"{network.class_name.rsplit('.', 1)[-1]}, {network.parameters} parameters, patch "
        f"{'×'.join(map(str, network.patch_size))}, batch {network.batch_size}",
        status(record), record.epochs, record.planned_epochs,
        "last" if record.best_epoch is None else str(record.best_epoch),
        record.plan_sha256[:_SHORT], data.sha256[:_SHORT],
        ", ".join(f"{one.cases} {role}" for role, one in data.roles.items()),
        _then([versions(session) for session in record.sessions]),
        _then([device(session) for session in record.sessions]),
        record.hours, record.gpu_hours, record.started[:10], len(record.sessions)]


def optimizer(record: RunRecord) -> str:
    """The optimiser and its first learning rate."""
    return f"{record.optimizer['name']} from {record.optimizer['initial_lr']:g}"


def status(record: RunRecord) -> str:
    """How a training ended; a killed one is still running by its record."""
    if record.status == RUNNING:
        return f"{RUNNING} or killed; last record {record.updated[:16].replace('T', ' ')} UTC"
    problem = record.sessions[-1].problem
    return f"{record.status} ({problem})" if problem else record.status


def versions(session: Session) -> str:
    """Versions that matter most for the weights, and the checkout if there is one."""
    commit = "" if session.commit is None else f" ({session.commit[:_SHORT]}{', modified' * bool(session.modified)})"
    return ", ".join(f"{title} {session.versions[name]}{commit if name == 'nnunet-tv' else ''}"
                     for name, title in _VERSIONS.items() if name in session.versions)


def device(session: Session) -> str:
    """Number, name and memory of the devices; of a CPU, cores and threads."""
    one = session.device
    memory = "" if one.memory_bytes is None else f", {one.memory_bytes / 2**30:.0f} GiB"
    count = f"{one.count} × " if one.count > 1 and one.type == "cuda" else ""
    cores = f", {session.threads} threads on {one.count} cores" if one.type != "cuda" else ""
    return f"{count}{one.name}{cores}{memory}"


def _then(texts: Sequence[str]) -> str:
    """Texts without repetitions one after the other."""
    return "; then ".join(text for before, text in zip((None, *texts), texts, strict=False) if text != before)

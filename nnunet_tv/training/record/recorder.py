"""Keep ``run.json`` of a trainer up to date."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA
from torch._dynamo import OptimizedModule

from nnunet_tv.training.names import loss_settings
from nnunet_tv.training.record.digests import data_digests, json_sha256
from nnunet_tv.training.record.environment import checkout, describe_device, peak_resident_bytes, versions
from nnunet_tv.training.record.run_record import (
    FAILED,
    FINISHED,
    INTERRUPTED,
    RUN_JSON,
    RUNNING,
    STOPPED_EARLY,
    Network,
    RunRecord,
    Session,
    read_run_record,
    write_run_record,
)
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import sha256
from nnunet_tv.utils.nnunet_paths import CONVERSION_TABLE
from nnunet_tv.utils.times import now

if TYPE_CHECKING:
    from nnunet_tv.training.plugin_trainer import PluginTrainer


class Recorder:
    """The record of one trainer; does nothing before :meth:`start`, and on other ranks than the first."""

    def __init__(self, trainer: PluginTrainer):
        self.trainer = trainer
        self.record: RunRecord | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Record how the training within ends."""
        try:
            yield
        except BaseException as error:
            self._end(INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED, type(error).__name__)
            raise
        trainer = self.trainer
        self._end(STOPPED_EARLY if trainer.current_epoch < trainer.num_epochs else FINISHED)

    def start(self) -> None:
        """Record a session that starts now, after the trainer's set-up; a continued run keeps its earlier ones."""
        trainer = self.trainer
        if trainer.local_rank != 0:
            return
        earlier = self._earlier() if getattr(trainer.logger, "resume", False) else None
        record = self._describe()
        if earlier is not None:
            record = replace(record, sessions=(*earlier.sessions, *record.sessions), checkpoints=earlier.checkpoints)
        self.record = record
        self._write()

    def update(self) -> None:
        """Record the epochs that are done."""
        if self.record is None:
            return
        trainer, session = self.trainer, self.record.sessions[-1]
        times = [end - start for start, end in zip(*(trainer.logger.get_value(f"epoch_{name}_timestamps", step=None)
                                                     for name in ("start", "end")), strict=False)]
        done, ours = times[:trainer.current_epoch], times[session.first_epoch:trainer.current_epoch]
        cuda = trainer.device.type == "cuda"
        session = replace(
            session, updated=now(), epochs=trainer.current_epoch, seconds_per_epoch=_median(ours),
            peak_device_bytes=torch.cuda.max_memory_reserved(trainer.device) if cuda else None,
            peak_resident_bytes=peak_resident_bytes())
        self.record = replace(self.record, epochs=trainer.current_epoch, seconds_per_epoch=_median(done),
                              best_epoch=trainer.best_epoch(), sessions=(*self.record.sessions[:-1], session))
        self._write()

    def checkpoint(self, path: str | Path) -> None:
        """Record a checkpoint that was written."""
        path = Path(path)
        if self.record is None or not path.is_file():
            return
        session = replace(self.record.sessions[-1], updated=now())
        self.record = replace(self.record, checkpoints={**self.record.checkpoints, path.name: sha256(path)},
                              sessions=(*self.record.sessions[:-1], session))
        self._write()

    def _end(self, status: str, problem: str = "") -> None:
        if self.record is None:
            return
        there = {name: digest for name, digest in self.record.checkpoints.items()
                 if Path(self.trainer.output_folder, name).is_file()}
        session = replace(self.record.sessions[-1], status=status, updated=now(), problem=problem)
        self.record = replace(self.record, status=status, checkpoints=there,
                              sessions=(*self.record.sessions[:-1], session))
        self._write()
        self.record = None

    def _write(self) -> None:
        """Write the file; a training goes on where that fails."""
        assert self.record is not None
        path = Path(self.trainer.output_folder, RUN_JSON)
        try:
            write_run_record(self.record, path)
        except OSError as error:
            self.trainer.print_to_log_file(f"WARNING: {path} could not be written ({error}): the record of this "
                                           "training will be incomplete")

    def _earlier(self) -> RunRecord | None:
        path = Path(self.trainer.output_folder, RUN_JSON)
        if not path.exists():
            return None
        try:
            return read_run_record(path)
        except NnunetTVError as error:
            aside = path.with_name(f"{path.stem}_earlier.json")
            path.replace(aside)
            self.trainer.print_to_log_file(f"WARNING: {error}. It was moved to {aside.name}; the record begins with "
                                           "this session")
            return None

    def _describe(self) -> RunRecord:
        trainer = self.trainer
        manager, configuration = trainer.plans_manager, trainer.configuration_manager
        raw, preprocessed = os.environ.get("nnUNet_raw"), Path(trainer.preprocessed_dataset_folder_base)
        data = data_digests(
            trainer.cases_by_role(), Path(trainer.preprocessed_dataset_folder),
            splits=preprocessed / "splits_final.json", dataset_json=trainer.dataset_json,
            conversion=Path(raw, manager.dataset_name, CONVERSION_TABLE) if raw else None)
        plan = json_sha256(manager.plans)
        network = trainer.bare_network()
        return RunRecord(
            status=RUNNING, dataset=manager.dataset_name, trainer=type(trainer).__name__, plans=manager.plans_name,
            configuration=trainer.configuration_name, fold=trainer.fold, recipe=trainer.recipe,
            loss=trainer.loss_class.__name__, loss_settings=loss_settings(trainer.loss_class, trainer.loss_settings),
            optimizer={"name": type(trainer.optimizer).__name__, "initial_lr": trainer.initial_lr,
                       "weight_decay": trainer.weight_decay},
            network=Network(configuration.network_arch_class_name,
                            sum(part.numel() for part in network.parameters() if part.requires_grad),
                            tuple(map(int, configuration.patch_size)), int(configuration.batch_size)),
            seeds=trainer.seeds(), plan_sha256=plan, data=data, planned_epochs=trainer.num_epochs,
            epochs=trainer.current_epoch, iterations_per_epoch=trainer.num_iterations_per_epoch,
            seconds_per_epoch=None, best_epoch=None, checkpoints={}, sessions=(self._session(plan, data.sha256),))

    def _session(self, plan: str, data: str) -> Session:
        trainer, time = self.trainer, now()
        commit, modified = checkout()
        network = trainer.network.module if trainer.is_ddp else trainer.network
        program, *arguments = sys.argv or [""]
        return Session(
            status=RUNNING, started=time, updated=time, first_epoch=trainer.current_epoch,
            epochs=trainer.current_epoch, command=(Path(program).name, *arguments), versions=versions(),
            commit=commit, modified=modified, workers=get_allowed_n_proc_DA(), threads=torch.get_num_threads(),
            device=describe_device(trainer.device, count=dist.get_world_size() if trainer.is_ddp else 1),
            compiled=isinstance(network, OptimizedModule), mixed_precision=trainer.device.type == "cuda",
            plan_sha256=plan, data_sha256=data)


def _median(seconds: list[float]) -> float | None:
    return round(statistics.median(seconds), 3) if seconds else None

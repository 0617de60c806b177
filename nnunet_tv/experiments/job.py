"""One step of an experiment, as Snakemake starts it: ``python -m nnunet_tv.experiments.job FOLDER STEP [GROUP RUN]``.

A step's mark (``done/``) is written last, so that a step that was killed is not counted as done. A step that is
started again goes on where it was: a training from its checkpoint, a prediction after the last whole file.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from nnunet_tv.experiments import commands, predictions
from nnunet_tv.experiments.attempts import FAILED, INTERRUPTED, Attempt, last_error, lock_of
from nnunet_tv.experiments.commands import Command
from nnunet_tv.experiments.gpus import gpus_to_share
from nnunet_tv.experiments.locks import free_gpu, locked
from nnunet_tv.experiments.reports import make_reports
from nnunet_tv.experiments.study import REPORT, Study, TrainingRun, open_study
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.external import find_script
from nnunet_tv.utils.files import write_json
from nnunet_tv.utils.times import now

#: Seconds that a command has to end after a signal before it is killed.
_PATIENCE_S = 30.0
#: Steps that compute on the GPU.
_ON_GPU = ("train", "predict")


class StepFailed(NnunetTVError):
    """A command ended with another status than 0."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class Job:
    """A step of the data set or of a run."""

    def __init__(self, study: Study, step: str, run: TrainingRun | None = None):
        self.study, self.step, self.run = study, step, run
        self.log, self.attempt = study.log(step, run), study.attempt(step, run)
        self.inherited: list[int] = []  # file descriptors of the locks
        self.gpu: str | None = None

    def execute(self) -> None:
        """Do the step and write its mark; an error is recorded and raised."""
        begun, start = Attempt.begin(), time.monotonic()
        with ExitStack() as stack:
            if (self.run is not None and self._take_lock(stack, self.run)
                    and self.study.mark(self.step, self.run).is_file()):
                return  # done by the process that had the lock
            begun.write(self.attempt)
            try:
                if self.step in _ON_GPU and (devices := gpus_to_share(self.study.config.device)):
                    self.gpu, descriptor = stack.enter_context(free_gpu(devices, self._holder(), notice=self._waits))
                    self.inherited.append(descriptor)
                self._do()
            except KeyboardInterrupt:
                replace(begun, state=INTERRUPTED).write(self.attempt)
                raise
            except Exception as error:
                status = error.status if isinstance(error, StepFailed) else None
                text = str(error) if status is None else last_error(self.log)
                replace(begun, state=FAILED, status=status, error=" ".join(text.split())).write(self.attempt)
                raise
            write_json({"step": self.step, "run": self.run and self.run.name, "finished": now(),
                        "seconds": round(time.monotonic() - start), "host": socket.gethostname(),
                        "device": self.study.config.device, "gpu": self.gpu}, self.study.mark(self.step, self.run))
            self.attempt.unlink(missing_ok=True)

    def _do(self) -> None:
        study, config, run = self.study, self.study.config, self.run
        if self.step == "convert":
            if config.scans is not None:
                self.call(commands.convert(
                    config.layout, Path(config.scans), name=config.dataset, split=config.split, repeats=config.repeats,
                    space=config.space, controls=config.controls, options=config.convert_options,
                    processes=config.processes))
        elif self.step == "plan":
            self.call(commands.plan(config.dataset, configuration=config.configuration, network=config.network,
                                    patch_size=config.patch_size, processes=config.processes))
        elif self.step == REPORT:
            make_reports(study, self.call)
        elif run is not None and self.step == "train":
            predictions.set_damaged_aside(study.fold(run))
            self.call(commands.train(run.model, run.number, device=config.device, results=study.results))
            if not (study.fold(run) / "checkpoint_final.pth").is_file():
                raise NnunetTVError(f"{study.fold(run)}: expected checkpoint_final.pth after training, found none")
        elif run is not None and self.step == "predict":
            predictions.predict(study, run, self.call)
        elif run is not None and self.step == "filter":
            predictions.filter_again(study, run, self.call)
        else:
            raise NnunetTVError(f"{self.step}: no such step of {'a run' if run else 'an experiment'}")

    def call(self, command: Command) -> None:
        """Run a command, with its output in the log; :class:`StepFailed` for another exit status than 0."""
        environment = {**os.environ, **self.study.environment()}
        if self.gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = self.gpu
        self.log.parent.mkdir(parents=True, exist_ok=True)
        script = find_script(command[0])
        with self.log.open("a", encoding="utf-8") as log:
            gpu = "" if self.gpu is None else f", GPU {self.gpu}"
            log.write(f"\n{now()}, {socket.gethostname()}{gpu}\n$ {shlex.join(command)}\n")
            log.flush()
            process = subprocess.Popen([str(script), *command[1:]], env=environment, stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=subprocess.STDOUT, pass_fds=self.inherited)
            status = _wait(process)
        if status != 0:
            raise StepFailed(f"{self._title()}: exit status {status} from: {shlex.join(command)}\nlog: {self.log}\n"
                             f"last line: {last_error(self.log)}", status)

    def _take_lock(self, stack: ExitStack, run: TrainingRun) -> bool:
        """Take the run's lock; whether another process had it."""
        holders: list[str] = []

        def notice(holder: str) -> None:
            holders.append(holder)
            self._waits(holder)

        path = lock_of(self.study, run)
        self.inherited.append(stack.enter_context(locked(path, self._holder(), notice=notice)))
        return bool(holders)

    def _waits(self, holder: str) -> None:
        print(f"{self._title()}: waiting for {holder}", file=sys.stderr, flush=True)

    def _holder(self) -> str:
        return f"{self._title()}: process {os.getpid()} on {socket.gethostname()}, since {now()}"

    def _title(self) -> str:
        return self.step if self.run is None else f"{self.step} of {self.run.name}"


def _wait(process: subprocess.Popen) -> int:
    """Exit status; if this process is to end, so is the command, which may write its checkpoint first."""
    try:
        return process.wait()
    except BaseException:
        for end in (process.terminate, process.kill):
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                end()
        process.wait()
        raise


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Do a step; the exit status is 0, 1, or 130 if interrupted."""
    folder, step, *names = sys.argv[1:] if argv is None else argv
    study = open_study(folder)
    run = study.run(names[0], int(names[1])) if names else None
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        Job(study, step, run).execute()
    except NnunetTVError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

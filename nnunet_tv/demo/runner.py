"""Run commands one after the other as a user would, each with a log; stop at the first that fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nnunet_tv.demo.walkthrough import Step
from nnunet_tv.utils.errors import NnunetTVError

#: Lines of a command's output that are worth showing while it runs; all of them are in its log.
SHOWN = re.compile(r"^Epoch \d+|^Epoch time|^Training cases|train_loss|val_loss|Predicting \S+|predicting \S+"
                   r"|New best|best weights|^error|Error:|: converted|up to date")
_TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: ")
_TAIL_LINES = 15


class StepFailed(NnunetTVError):
    """A command ended with a status other than 0; `log` holds its output."""

    def __init__(self, step: Step, status: int, log: Path):
        self.step, self.status, self.log = step, status, log
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        super().__init__(f"exit status {status} from: {step.typed()}\nwhole output: {log}\nlast lines:\n  "
                         + "\n  ".join(last))

    @property
    def exit_status(self) -> int:
        """The command's status; for one ended by a signal what a shell gives, 128 + its number."""
        return self.status if self.status > 0 else 128 - self.status


def find_script(name: str) -> Path:
    """The console script `name` of the running installation.

    Raises
    ------
    NnunetTVError
        It is neither beside the interpreter nor on the PATH.
    """
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if (folder / name).is_file():
            return folder / name
    found = shutil.which(name)
    if found is None:
        raise NnunetTVError(f"{name}: no such command beside {sys.executable} or on the PATH: install this package "
                            "in the environment that runs the demo (pip install .)")
    return Path(found)


def run_steps(steps: Sequence[Step], *, logs: Path, variables: Mapping[str, str],
              say: Callable[[str], None] = print) -> None:
    """Run every step; its output goes to ``logs/NN-NAME.log``.

    Parameters
    ----------
    steps : sequence of Step
        In order.
    logs : Path
        Folder for the logs, created if needed.
    variables : dict of str to str
        Environment variables for the commands, besides those already set.
    say : callable
        Takes each line for the terminal.

    Raises
    ------
    StepFailed
        At the first command that does not end with 0; the ones after it are not started.
    NnunetTVError
        A command is not installed.
    """
    logs.mkdir(parents=True, exist_ok=True)
    scripts = [find_script(step.name) for step in steps]
    for number, (step, script) in enumerate(zip(steps, scripts, strict=True), start=1):
        say(f"\n[{number}/{len(steps)}] {step.title}\n$ {step.typed()}")
        log, begin = logs / f"{number:02d}-{step.name}.log", time.monotonic()
        status = _run(script, step, log, variables, say)
        if status != 0:
            raise StepFailed(step, status, log)
        say(f"  done in {time.monotonic() - begin:.0f} s, log: {log}")


def _run(script: Path, step: Step, log: Path, variables: Mapping[str, str], say: Callable[[str], None]) -> int:
    environment = {**os.environ, **variables, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([str(script), *step.command[1:]], env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        with log.open("wb") as file:
            for line in process.stdout:
                file.write(line)
                file.flush()
                text = _TIMESTAMP.sub("", line.decode(errors="replace").rstrip().rsplit("\r", 1)[-1])
                if SHOWN.search(text):
                    say(f"  | {text.strip()}")
        return process.wait()
    finally:
        if process.poll() is None:  # interrupted: nnU-Net's trainers leave a checkpoint on the terminal's own signal
            _end(process)


def _end(process: subprocess.Popen, patience_s: float = 60.0) -> None:
    try:
        process.wait(patience_s / 2)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(patience_s / 2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

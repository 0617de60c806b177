"""Run commands in order, each with a log, until one fails."""

import os
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nnunet_tv.demo.progress import Progress
from nnunet_tv.demo.walkthrough import Step
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.external import find_script

#: Lines of a command's output shown while it runs, beside its progress; its log holds all.
SHOWN = re.compile(r"^Training cases|^predicting \S+|^error|Error:|: converted|up to date|^sub-\d+: ")
_TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: ")
_TAIL_LINES = 15
_PATIENCE_S = 30.0


class StepFailed(NnunetTVError):
    """A command ended with a status other than 0; `log` holds its output."""

    def __init__(self, step: Step, status: int, log: Path):
        self.step, self.status, self.log = step, status, log
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
        super().__init__(f"exit status {status} from: {step.shell_line()}\nwhole output: {log}\nlast lines:\n  "
                         + "\n  ".join(last))

    @property
    def exit_status(self) -> int:
        """The command's status, or 128 + the signal's number, as in a shell."""
        return self.status if self.status > 0 else 128 - self.status


def run_steps(steps: Sequence[Step], *, logs: Path, variables: Mapping[str, str],
              echo: Callable[[str], None] = print) -> list[float]:
    """Run every step with additional environment `variables`; return the seconds that each took.

    The output of a step goes to ``logs/NN-NAME.log``. The first exit status other than 0 raises :class:`StepFailed`.
    `echo` prints a line on the terminal.
    """
    logs.mkdir(parents=True, exist_ok=True)
    scripts, seconds = [find_script(step.name) for step in steps], []
    for number, (step, script) in enumerate(zip(steps, scripts, strict=True), start=1):
        echo(f"\n[{number}/{len(steps)}] {step.title}\n$ {step.shell_line()}")
        log, begin = logs / f"{number:02d}-{step.name}.log", time.monotonic()
        status = _run(script, step, log, variables, echo)
        if status != 0:
            raise StepFailed(step, status, log)
        seconds.append(time.monotonic() - begin)
        echo(f"  done in {seconds[-1]:.0f} s, log: {log}")
    return seconds


def _run(script: Path, step: Step, log: Path, variables: Mapping[str, str], echo: Callable[[str], None]) -> int:
    environment = {**os.environ, **variables, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([str(script), *step.command[1:]], env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    progress = Progress(step.counted) if step.counted else None
    try:
        with log.open("wb") as file:
            for line in process.stdout:
                file.write(line)
                file.flush()
                text = _TIMESTAMP.sub("", line.decode(errors="replace").rstrip().rsplit("\r", 1)[-1])
                if shown := (progress and progress.read(text)) or (SHOWN.search(text) and text.strip()):
                    echo(f"  | {shown}")
        return process.wait()
    finally:  # interrupted: nnU-Net's trainers save a checkpoint on the terminal's own signal
        for end in (process.terminate, process.kill):
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                end()
        process.wait()

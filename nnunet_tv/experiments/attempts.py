"""What became of each run: its attempts, and the reason why one is missing."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nnunet_tv.experiments.locks import is_locked
from nnunet_tv.experiments.study import Study, TrainingRun
from nnunet_tv.scoring.runs import MissingRun
from nnunet_tv.utils.files import read_json, write_json
from nnunet_tv.utils.times import now

RUNNING, FAILED, INTERRUPTED = "running", "failed", "interrupted"
#: What each step is called in a reason.
TITLES = {"train": "training", "predict": "prediction", "filter": "filter"}
_ERROR = re.compile(r"^(\w+\.)*\w*(Error|Exception|Interrupt|Exit|Failure)\b.*|^error: .*"
                    r"|.*\b(Killed|out of memory)\b.*")
_TIMESTAMP = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?: ")
#: Bytes at the end of a log that are searched for an error.
_TAIL = 20_000
_LONGEST = 300


@dataclass(frozen=True)
class Attempt:
    """The last attempt at a step."""

    state: str
    started: str
    host: str
    pid: int
    slurm_job: str = ""
    status: int | None = None  #: exit status; negative for a signal
    error: str = ""  #: last error line

    @classmethod
    def begin(cls) -> Attempt:
        """An attempt of this process."""
        job, array = os.environ.get("SLURM_JOB_ID", ""), os.environ.get("SLURM_ARRAY_JOB_ID")
        if array:
            job = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '')}"
        return cls(RUNNING, now(), socket.gethostname(), os.getpid(), job)

    def write(self, path: Path) -> None:
        """Write the record."""
        write_json(asdict(self), path)


def read_attempt(path: Path) -> Attempt | None:
    """The record at `path`; None if there is none that can be read."""
    try:
        content: Mapping[str, Any] = read_json(path)
        return Attempt(**content)
    except (OSError, ValueError, TypeError):
        return None


def last_error(log: Path) -> str:
    """The last line of a log that is an error, else its last line; empty without a log.

    Only what follows the last start of a command (``$ ...``) is searched.
    """
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    lines = [_TIMESTAMP.sub("", line.rsplit("\r", 1)[-1]).strip() for line in text.splitlines()]
    start = max((number for number, line in enumerate(lines) if line.startswith("$ ")), default=-1) + 1
    lines = [line for line in lines[start:] if line]
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines or [""])[-1][:_LONGEST]


def missing_runs(study: Study) -> list[MissingRun]:
    """Runs that are not finished, with the reasons."""
    return [MissingRun(run.group, run.number, reason(study, run)) for run in study.runs if not study.finished(run)]


def reason(study: Study, run: TrainingRun) -> str:
    """Why a run is not finished: the step, how it ended, the last error line and the log."""
    step = next(step for step in study.steps() if not study.mark(step, run).is_file())
    title, log = TITLES[step], study.log(step, run)
    where = f"log: {log.relative_to(study.folder)}"
    attempt = read_attempt(study.attempt(step, run))
    if attempt is None:
        return f"{title} was not started"
    if attempt.state == FAILED:
        return f"{title} failed ({ending(attempt.status)}): {attempt.error or 'no output'} ({where})"
    known = slurm_state(attempt.slurm_job)
    if attempt.state == INTERRUPTED:
        return f"{title} was interrupted ({f'{known}; ' if known else ''}{where})"
    if is_locked(lock_of(study, run)):
        return f"{title} is still running (process {attempt.pid} on {attempt.host}; {where})"
    return (f"{title} was killed or lost: no exit status was recorded{f' ({known})' if known else ''}; last line: "
            f"{last_error(log) or 'none'} ({where})")


def lock_of(study: Study, run: TrainingRun) -> Path:
    """Lock of a run's training and predictions, for all experiments that share the trained model."""
    fold = study.fold(run)
    return fold.with_name(f".lock-{fold.name}")


def ending(status: int | None) -> str:
    """An exit status in words; 128 + n and -n are the signal n."""
    if status is None:
        return "no exit status"
    signal = -status if status < 0 else status - 128 if status > 128 else 0
    return f"signal {signal}" + (", killed" if signal == 9 else "") if signal else f"exit status {status}"


def slurm_state(job: str) -> str:
    """What Slurm's accounting states about a job; empty if it states nothing or is not there."""
    if not job or shutil.which("sacct") is None:
        return ""
    try:
        found = subprocess.run(["sacct", "-j", job, "-X", "-n", "-P", "-o", "State"], capture_output=True, text=True,
                               timeout=60, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return ""
    return f"Slurm job {job}: {found[0]}" if found else ""

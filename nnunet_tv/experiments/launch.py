"""Start Snakemake for an experiment, and find out what came of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from nnunet_tv.experiments.attempts import missing_runs
from nnunet_tv.experiments.gpus import SHARED, visible_gpus
from nnunet_tv.experiments.locks import try_lock
from nnunet_tv.experiments.study import REPORT, Study
from nnunet_tv.scoring.runs import MissingRun
from nnunet_tv.utils.errors import NnunetTVError

#: Held while an experiment is run, by this process and by Snakemake.
LOCK = ".lock"


@dataclass(frozen=True)
class Machine:
    """Where the jobs run."""

    jobs: int | None = None  #: trainings at once on this machine; by default one for each GPU
    cores: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    slurm: Path | None = None  #: folder of Snakemake's profile for the cluster; None for this machine
    extra: tuple[str, ...] = ()  #: further arguments for Snakemake


def workflow_file(*parts: str) -> Path:
    """A file of the workflow that the package contains."""
    spec = find_spec("nnunet_tv.workflow")
    # A checkout may have been installed in editable mode before it had the folder.
    folder = Path(spec.origin).parent if spec and spec.origin else Path(__file__).parents[2] / "workflow"
    if not folder.joinpath(*parts).exists():
        raise NnunetTVError(f"{folder.joinpath(*parts)}: missing: install nnunet-tv again (pip install .)")
    return folder.joinpath(*parts)


def check_snakemake() -> None:
    """NnunetTVError if Snakemake is not installed."""
    if find_spec("snakemake") is not None:
        return
    if sys.version_info < (3, 11):
        raise NnunetTVError("Snakemake, which runs experiments, needs Python 3.11 or later, found "
                            f"{sys.version_info[0]}.{sys.version_info[1]} ({sys.executable}): make an environment with "
                            "a later Python, and there: pip install 'nnunet-tv[workflow]'")
    raise NnunetTVError("Snakemake, which runs experiments, is not installed: pip install 'nnunet-tv[workflow]'")


def snakemake_command(study: Study, machine: Machine, *, gpus: int = 0, partial: bool = False,
                      dry_run: bool = False) -> list[str]:
    """Snakemake's command line; `partial` reports what is finished."""
    at_once = machine.jobs or max(1, gpus)
    threads = max(1, machine.cores // at_once)
    retries = study.config.retries
    # A mark that exists is complete, even if Snakemake was killed before it noted that: it is written last and renamed.
    # With --rerun-incomplete Snakemake 9.27 would repeat that job alone, and stop before those that depend on it.
    command = [sys.executable, "-m", "snakemake", "-s", str(workflow_file("Snakefile")),
               "--directory", str(study.folder), "--keep-going", "--ignore-incomplete", "--rerun-triggers", "mtime",
               *(() if retries is None else ("--retries", str(retries)))]
    if machine.slurm is not None:
        command += ["--profile", str(machine.slurm)]
    else:
        command += ["--cores", str(machine.cores), "--resources", f"slot={at_once}",
                    "--set-threads", *(f"{step}={threads}" for step in ("train", "predict"))]
    if dry_run:
        command += ["--dry-run", "--quiet", "rules"]
    command += ["--config", f"folder={study.folder}", *(["partial=1"] if partial else []), *machine.extra]
    return [*command, "--forcerun", "report"] if partial else command


def run(study: Study, machine: Machine) -> list[MissingRun]:
    """Run every step that is not done; return the runs that are missing from the report.

    NnunetTVError if no run finished, if the report could not be made, or if the experiment is being run already.
    """
    check_snakemake()
    with _alone(study) as descriptor:
        environment = dict(os.environ)
        gpus: list[str] = []
        if study.config.device == "cuda" and machine.slurm is None:
            gpus = visible_gpus()[:machine.jobs]
            if not gpus:
                raise NnunetTVError("no CUDA device was found: give --cpu (slow), --slurm, or repair the driver "
                                    "(nvidia-smi, nnunet-tv-doctor)")
            environment[SHARED] = ",".join(gpus)

        def start(*, partial: bool) -> int:
            return _start(snakemake_command(study, machine, gpus=len(gpus), partial=partial), environment, descriptor)

        _unlock(study, environment)
        if missing_runs(study):  # else Snakemake takes a report of the other runs for the whole one
            study.mark(REPORT).unlink(missing_ok=True)
        status = start(partial=False)
        missing = missing_runs(study)
        if len(missing) == len(study.runs):
            raise NnunetTVError(f"{study.folder}: no run is finished, so there is no report. {_first_log(study)}")
        if missing:
            status = start(partial=True)
        if status != 0 or not study.mark(REPORT).is_file():
            raise NnunetTVError(f"{study.folder}: the report could not be made: see {study.log('report')}")
    return missing


@contextmanager
def _alone(study: Study) -> Iterator[int]:
    """Hold the experiment's lock, which Snakemake inherits; NnunetTVError if another process holds it."""
    path = study.folder / LOCK
    descriptor = try_lock(path, f"process {os.getpid()} on {os.uname().nodename}")
    if descriptor is None:
        raise NnunetTVError(f"{study.folder}: the experiment is being run by {path.read_text(encoding='utf-8')}, or by "
                            "the Snakemake that it started: wait for it, or end it")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unlock(study: Study, environment: dict[str, str]) -> None:
    """Remove the locks of a Snakemake that was killed.

    Those of one that was started by hand and is running are not removed: its files say so.
    """
    locks = study.folder / ".snakemake" / "locks"
    if not locks.is_dir() or not any(locks.iterdir()):
        return
    if others := _snakemakes_in(study.folder):
        raise NnunetTVError(f"{study.folder}: Snakemake runs here (process {', '.join(map(str, others))}): wait for "
                            "it, or end it")
    subprocess.run([sys.executable, "-m", "snakemake", "-s", str(workflow_file("Snakefile")), "--directory",
                    str(study.folder), "--config", f"folder={study.folder}", "--unlock"], env=environment, check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _snakemakes_in(folder: Path) -> list[int]:
    """Processes of this machine that are Snakemake and have `folder` as their working folder.

    Those that Snakemake starts for single jobs (``--mode``) may outlive it: a new start waits for their runs' locks.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = os.fsdecode((process / "cmdline").read_bytes()).split("\0")
            here = Path(os.readlink(process / "cwd")) == folder.resolve()
            if here and "--mode" not in words and "snakemake" in (Path(word).name for word in words):
                found.append(int(process.name))
        except OSError:
            continue
    return found


def _start(command: Sequence[str], environment: dict[str, str], lock: int) -> int:
    """Exit status of Snakemake; an interruption is passed on once to it and all of its jobs, which end first."""
    process = subprocess.Popen(command, env=environment, start_new_session=True, pass_fds=[lock])
    handlers = {number: signal.signal(number, _interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        return process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGINT)
        while True:
            try:
                process.wait()
                break
            except KeyboardInterrupt:
                os.killpg(process.pid, signal.SIGTERM)
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _first_log(study: Study) -> str:
    """Where the reason is, if a step of the whole data set failed, else the reason of the first run."""
    for step in ("convert", "plan"):
        if not study.mark(step).is_file():
            return f"{step} did not end well: see {study.log(step)}"
    first = missing_runs(study)[0]
    return f"The first, {first.group}, run {first.run}: {first.reason}"

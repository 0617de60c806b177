"""``run.json`` in nnU-Net's fold folder: how a model was trained.

The trainers write it when training starts, after each epoch and each checkpoint, and at the end; the report and the
experiments read it. Reading it needs neither PyTorch nor nnU-Net.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, write_json

RUN_JSON = "run.json"
#: Version of the file's structure.
FORMAT = 1
TOOL = "nnunet-tv-run"
#: Statuses. A run that was killed keeps ``running``, with the time of its last update.
RUNNING, FINISHED, STOPPED_EARLY, INTERRUPTED, FAILED = ("running", "finished", "stopped early", "interrupted",
                                                         "failed")
#: Statuses of a run whose training is complete.
COMPLETE = (FINISHED, STOPPED_EARLY)


@dataclass(frozen=True)
class Seeds:
    """What is drawn from a seed, and what is not."""

    seed: int | None  #: first number of every seed of the recipe (the fold; 1000003 for ``all``); None if not seeded
    rule: str  #: how seeds are derived
    seeded: tuple[str, ...]
    not_seeded: tuple[str, ...]

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Seeds:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        return cls(content["seed"], content["rule"], tuple(content["seeded"]), tuple(content["not_seeded"]))


@dataclass(frozen=True)
class CaseDigests:
    """Digests of the cases in one role."""

    cases: int
    names_sha256: str  #: of the sorted names, one in a line
    files_sha256: str  #: of the sorted lines ``FILE SHA-256`` of the preprocessed files


@dataclass(frozen=True)
class Data:
    """Digests of what the model was trained on; no name of a case, and no path."""

    roles: dict[str, CaseDigests]  #: ``train``, and ``selection`` (the recipe) or ``validation`` (loss-only)
    splits_sha256: str | None  #: of ``splits_final.json`` (canonical JSON); None for fold ``all`` without the file
    dataset_sha256: str  #: of ``dataset.json`` (canonical JSON)
    conversion_sha256: str | None  #: of the raw data set's ``conversion.tsv``, which has the sources' SHA-256
    sha256: str  #: of all roles, their names and files

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Data:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        return cls(**{**content, "roles": {name: CaseDigests(**role) for name, role in content["roles"].items()}})


@dataclass(frozen=True)
class Network:
    """The network of the plan."""

    class_name: str
    parameters: int  #: number of trainable parameters
    patch_size: tuple[int, ...]
    batch_size: int  #: of all devices together

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Network:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        return cls(**{**content, "patch_size": tuple(content["patch_size"])})


@dataclass(frozen=True)
class Device:
    """What a session computed on."""

    type: str  #: ``cuda``, ``cpu`` or ``mps``
    name: str
    count: int  #: GPUs, or the cores that the process may use
    memory_bytes: int | None  #: of one GPU, or of the machine


@dataclass(frozen=True)
class Session:
    """One start of the training command: the first, or one with ``--c``."""

    status: str
    started: str  #: ISO 8601, UTC
    updated: str  #: time of the last update; the end if the status is not ``running``
    first_epoch: int  #: epochs that were done when it started
    epochs: int  #: epochs that are done now
    command: tuple[str, ...]  #: the command line, which has paths where the user gave them
    versions: dict[str, str]  #: packages, Python, CUDA, cuDNN
    commit: str | None  #: of the checkout from which nnunet-tv runs; None if it is installed
    modified: bool | None  #: whether that checkout has changes
    device: Device
    workers: int  #: of data loading
    threads: int  #: of PyTorch on the CPU
    compiled: bool  #: torch.compile
    mixed_precision: bool  #: automatic mixed precision
    plan_sha256: str
    data_sha256: str
    seconds_per_epoch: float | None = None  #: median over the epochs of this session
    peak_device_bytes: int | None = None  #: reserved by PyTorch on the GPU; None on the CPU
    peak_resident_bytes: int | None = None  #: resident memory of the main process
    problem: str = ""  #: type of the error that ended it

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Session:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        return cls(**{**content, "command": tuple(content["command"]), "device": Device(**content["device"])})

    @property
    def hours(self) -> float:
        """Time from the start to the last update."""
        return (datetime.fromisoformat(self.updated) - datetime.fromisoformat(self.started)).total_seconds() / 3600


@dataclass(frozen=True)
class RunRecord:
    """A training run, over all its sessions."""

    status: str  #: of the last session
    dataset: str
    trainer: str
    plans: str
    configuration: str
    fold: int | str
    recipe: str  #: ``TV paper`` or ``nnU-Net``
    loss: str  #: its class
    loss_settings: dict[str, float | bool | None]  #: by parameter, defaults included
    optimizer: dict[str, Any]  #: name, initial_lr, weight_decay
    network: Network
    seeds: Seeds
    plan_sha256: str  #: of the plans as trained, beside the model as plans.json (canonical JSON)
    data: Data
    planned_epochs: int
    epochs: int  #: done
    iterations_per_epoch: int
    seconds_per_epoch: float | None  #: median over all epochs that are done
    best_epoch: int | None  #: whose weights were kept, from 0; None where it is not selected
    checkpoints: dict[str, str]  #: SHA-256 by file name
    sessions: tuple[Session, ...] = field(default_factory=tuple)
    format: int = FORMAT
    tool: str = TOOL

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RunRecord:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        return cls(**{**content, "network": Network.from_dict(content["network"]),
                      "seeds": Seeds.from_dict(content["seeds"]), "data": Data.from_dict(content["data"]),
                      "sessions": tuple(Session.from_dict(one) for one in content["sessions"])})

    @property
    def started(self) -> str:
        """When the first recorded session started (ISO 8601, UTC)."""
        return self.sessions[0].started

    @property
    def updated(self) -> str:
        """Time of the last update."""
        return self.sessions[-1].updated

    @property
    def device(self) -> Device:
        """The device of the last session."""
        return self.sessions[-1].device

    @property
    def complete(self) -> bool:
        """Whether the training is complete, as planned or stopped early."""
        return self.status in COMPLETE

    @property
    def hours(self) -> float:
        """Hours of training in all recorded sessions, without the validation that follows it."""
        return sum(session.hours for session in self.sessions)

    @property
    def gpu_hours(self) -> float:
        """The same times the number of GPUs; 0 for what was trained on a CPU."""
        return sum(session.hours * session.device.count for session in self.sessions if session.device.type == "cuda")


def read_run_record(path: str | Path) -> RunRecord:
    """Read ``run.json``, or that of a fold folder; a NnunetTVError if it is missing, damaged or of another version."""
    path = Path(path, RUN_JSON) if Path(path).is_dir() else Path(path)
    if not path.is_file():
        raise NnunetTVError(f"{path}: no such file; trainers of nnunet-tv leave it in the fold folder")
    try:
        content = read_json(path)
        if content["tool"] != TOOL:
            raise KeyError("tool")
        found = content["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NnunetTVError(f"{path}: not a {RUN_JSON} of nnunet-tv ({type(error).__name__}: {error})") from error
    if found != FORMAT:
        raise NnunetTVError(f"{path}: structure {found}, expected {FORMAT}: written by another version of nnunet-tv")
    try:
        record = RunRecord.from_dict(content)
        if not record.sessions:
            raise ValueError("no sessions")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NnunetTVError(f"{path}: damaged ({type(error).__name__}: {error})") from error
    return record


def write_run_record(record: RunRecord, path: Path) -> None:
    """Write a record to `path`, completely or not at all."""
    write_json(asdict(record), path)

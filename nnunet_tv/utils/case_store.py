"""Folders of processed cases: a case is made only if it is not up to date, and moved into place whole.

A command describes one case as a :class:`CaseJob` (inputs, settings, how to make the files) and gives it to
:meth:`CaseStore.process`, which

1. computes the digests of the inputs and compares them and the settings with the record of an earlier run,
2. returns the recorded outcome if the output files are intact,
3. otherwise makes the files in a staging folder, moves them into place and writes the record.

A killed run leaves nothing half-written: staged files are removed by the next run. There are two layouts:
:class:`~nnunet_tv.utils.shared_folder.SharedFolder`, with the files of all cases side by side as nnU-Net reads them,
and :class:`CaseFolders`, with one folder per case.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from nnunet_tv.utils.case_outcome import CaseOutcome, attempt
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import TEMPORARY_PREFIX, read_json, sha256, write_json


class CaseJob(Protocol):
    """One case to process; with several worker processes it must be picklable."""

    @property
    def case(self) -> str:
        """Case identifier."""
        ...

    @property
    def secrets(self) -> frozenset[str]:
        """Texts that identify the patient and must not appear in the outcome."""
        ...

    @property
    def outputs(self) -> Mapping[str, Path]:
        """Final path of each file by a key, with different file names; empty where the store has a folder per case."""
        ...

    def digests(self) -> Iterator[tuple[str, str]]:
        """Name and SHA-256 of each input, after the checks that need no computation."""
        ...

    def made_from(self, digests: Mapping[str, str]) -> Any:
        """Everything that determines the files, as JSON content."""
        ...

    def make(self, staging: Path, digests: Mapping[str, str]) -> CaseOutcome:
        """Write all files under their names into the folder `staging`."""
        ...


@dataclass(frozen=True)
class CaseStore(ABC):
    """Base of the two layouts.

    Attributes
    ----------
    root : Path
        The output folder.
    """

    root: Path

    #: The command that writes the folder, for messages.
    COMMAND: ClassVar[str]
    #: What the person can do about a folder that another program wrote.
    ELSEWHERE: ClassVar[str] = "choose another output folder (-o)"
    #: Fields of the outcome that are recorded.
    RECORDED: ClassVar[tuple[str, ...]] = ("flags", "notes", "metrics")
    #: Keys of a record: what the case was made from, and the digests of its files.
    MADE_FROM: ClassVar[str] = "made_from"
    OUTPUTS: ClassVar[str] = "outputs"

    def process(self, job: CaseJob) -> CaseOutcome:
        """Bring one case up to date.

        Raises
        ------
        NnunetTVError
            As :func:`~nnunet_tv.utils.case_outcome.attempt`.
        """
        digests: dict[str, str] = {}

        def work() -> CaseOutcome:
            for name, digest in job.digests():
                digests[name] = digest
            made_from = job.made_from(digests)
            return self.recall(job, made_from) or self._make(job, made_from, digests)

        outcome = attempt(job.case, work, secrets=job.secrets)
        if outcome.problem:
            self.withdraw(job.case)
        return replace(outcome, sha256=digests)

    def recall(self, job: CaseJob, made_from: Any) -> CaseOutcome | None:
        """The recorded outcome if the case was made from the same and its files are intact."""
        record = self.record(job.case)
        try:
            paths, digests = self._places(job, record[self.OUTPUTS]), record[self.OUTPUTS]
            if record[self.MADE_FROM] != made_from or set(paths) != set(digests) or not all(
                    path.is_file() and sha256(path) == digests[key] for key, path in paths.items()):
                return None
            recorded = {name: record[name] for name in self.RECORDED}
        except (KeyError, TypeError, AttributeError):  # a damaged record
            return None
        return CaseOutcome(job.case, **{name: tuple(value) if isinstance(value, list) else value
                                        for name, value in recorded.items()})

    def _make(self, job: CaseJob, made_from: Any, digests: Mapping[str, str]) -> CaseOutcome:
        staging = self.staging_of(job.case)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            outcome = replace(job.make(staging, digests), changed=True)
            made = {key: staging / path.name for key, path in job.outputs.items()} or {
                path.name: path for path in sorted(staging.iterdir())}
            record = {self.MADE_FROM: made_from, self.OUTPUTS: {key: sha256(path) for key, path in made.items()},
                      **self.to_record(outcome)}
            self._place(job, staging, record)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return outcome

    def to_record(self, outcome: CaseOutcome) -> dict[str, Any]:
        """The recorded fields of an outcome."""
        return {name: getattr(outcome, name) for name in self.RECORDED}

    def record(self, case: str) -> dict[str, Any]:
        """Record of a case; empty if there is none that can be read."""
        try:
            return read_json(self.record_path(case))
        except (OSError, ValueError):
            return {}

    @abstractmethod
    def record_path(self, case: str) -> Path:
        """Where the record of a case is."""

    @abstractmethod
    def staging_of(self, case: str) -> Path:
        """Folder in which a case is made."""

    @abstractmethod
    def _places(self, job: CaseJob, digests: Mapping[str, str]) -> Mapping[str, Path]:
        """Final paths of the files by their keys in the record."""

    @abstractmethod
    def _place(self, job: CaseJob, staging: Path, record: dict[str, Any]) -> None:
        """Move the staged files into place and write the record."""

    @abstractmethod
    def withdraw(self, case: str) -> None:
        """Remove the results of a case that has failed now."""


@dataclass(frozen=True)
class CaseFolders(CaseStore):
    """One folder per case, replaced as a whole; its record is ``case.json`` in it."""

    MADE_FROM: ClassVar[str] = "inputs"
    OUTPUTS: ClassVar[str] = "files"
    RECORD: ClassVar[str] = "case.json"

    def create(self) -> None:
        """Make the folder, and remove what killed runs left in it."""
        self.root.mkdir(parents=True, exist_ok=True)
        for left in self.root.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def folder(self, case: str) -> Path:
        """Folder of a case."""
        return self.root / case

    def record_path(self, case: str) -> Path:
        return self.folder(case) / self.RECORD

    def staging_of(self, case: str) -> Path:
        return self.root / f"{TEMPORARY_PREFIX}{case}"

    def check_ours(self, case: str) -> None:
        """Raise a :class:`CaseError` if the folder of a case holds something else."""
        if self.folder(case).exists() and not self.record_path(case).is_file():
            raise CaseError(case, f"this folder was not made by {self.COMMAND} and stays as it is: {self.ELSEWHERE}, "
                            "or move it away", self.folder(case))

    def withdraw(self, case: str) -> None:
        if self.record_path(case).is_file():  # else the folder is not ours
            replaced = self.root / f"{TEMPORARY_PREFIX}{case}-old"
            self.folder(case).rename(replaced)
            shutil.rmtree(replaced)

    def _places(self, job: CaseJob, digests: Mapping[str, str]) -> Mapping[str, Path]:
        return {name: self.folder(job.case) / name for name in digests}

    def _place(self, job: CaseJob, staging: Path, record: dict[str, Any]) -> None:
        write_json(record, staging / self.RECORD)
        self.withdraw(job.case)
        staging.rename(self.folder(job.case))

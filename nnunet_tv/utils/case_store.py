"""Folders of processed cases: a case is made only if it is not up to date, and moved into place whole.

A command describes a case as a :class:`CaseJob` and gives it to :meth:`CaseStore.process`, which compares the digests
of the inputs and the options with the record of an earlier run, checks the output files, and otherwise makes the case
in a staging folder, moves it into place and writes its record. A killed run leaves nothing half-written.

There are two layouts: :class:`CaseFolders`, with one folder per case, and
:class:`~nnunet_tv.utils.shared_folder.SharedFolder`, with the files of all cases side by side as nnU-Net reads them.
"""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from nnunet_tv.utils.case_outcome import CaseOutcome, attempt
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import TEMPORARY_PREFIX, read_json, sha256, write_json
from nnunet_tv.utils.parallel import each_case


@dataclass(frozen=True, kw_only=True)
class CaseJob(ABC):
    """One case to process; with several worker processes it is pickled."""

    case: str
    secrets: frozenset[str] = field(default=frozenset(), repr=False)  #: must not appear in the outcome

    @property
    def outputs(self) -> Mapping[str, Path]:
        """Final path of each file by a key; not used with a folder per case."""
        return {}

    @abstractmethod
    def digests(self) -> Iterable[tuple[str, str]]:
        """Name and SHA-256 of each input, after the checks that need no computation."""

    @abstractmethod
    def made_from(self, digests: Mapping[str, str]) -> Any:
        """Everything that determines the files, as JSON content."""

    @abstractmethod
    def make(self, staging: Path, digests: Mapping[str, str]) -> CaseOutcome:
        """Write all files into the folder `staging` under their final names."""


@dataclass(frozen=True)
class CaseStore(ABC):
    """Base of the two layouts; `root` is the output folder."""

    root: Path

    #: The command that writes the folder, and what to do about a folder of another origin.
    COMMAND: ClassVar[str]
    ELSEWHERE: ClassVar[str] = "choose another output folder (-o)"
    #: Fields of the outcome that are recorded, and keys of the record.
    RECORDED: ClassVar[tuple[str, ...]] = ("flags", "notes", "metrics")
    MADE_FROM: ClassVar[str] = "made_from"
    OUTPUTS: ClassVar[str] = "outputs"

    def process(self, job: CaseJob) -> CaseOutcome:
        """Bring one case up to date; an error becomes its outcome as in
        :func:`~nnunet_tv.utils.case_outcome.attempt`.
        """
        digests: dict[str, str] = {}

        def work() -> CaseOutcome:
            digests.update(job.digests())
            made_from = job.made_from(digests)
            return self.recall(job, made_from) or self._make(job, made_from, digests)

        outcome = attempt(job.case, work, secrets=job.secrets)
        if outcome.problem:
            self.withdraw(job.case)
        return replace(outcome, sha256=digests)

    def process_all(self, jobs: Sequence[CaseJob], *, processes: int, label: str) -> list[CaseOutcome]:
        """Bring all cases up to date, in `processes` workers, with a progress bar."""
        done = each_case(self.process, jobs, processes=processes, label=label)
        return [outcome for outcome in done if isinstance(outcome, CaseOutcome)]

    def recall(self, job: CaseJob, made_from: Any) -> CaseOutcome | None:
        """The recorded outcome if the case was made from the same and its files are intact."""
        record = self.record(job.case)
        try:
            digests = record[self.OUTPUTS]
            paths = self._places(job, digests)
            if record[self.MADE_FROM] != made_from or set(paths) != set(digests) or not all(
                    path.is_file() and sha256(path) == digests[key] for key, path in paths.items()):
                return None
            values: dict[str, Any] = {name: record[name] for name in self.RECORDED}
        except (KeyError, TypeError, AttributeError, OSError):  # a damaged record, or files that cannot be read
            return None
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return CaseOutcome(job.case, **values)

    def _make(self, job: CaseJob, made_from: Any, digests: Mapping[str, str]) -> CaseOutcome:
        staging = self.staging_of(job.case)
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            outcome = replace(job.make(staging, digests), changed=True)
            keys = {path.name: key for key, path in job.outputs.items()} or {
                path.name: path.name for path in sorted(staging.iterdir())}
            self._place(job, staging, {
                self.MADE_FROM: made_from, self.OUTPUTS: {key: sha256(staging / name) for name, key in keys.items()},
                **self.to_record(outcome)})
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return outcome

    def to_record(self, outcome: CaseOutcome) -> dict[str, Any]:
        """Recorded fields of an outcome."""
        return {name: getattr(outcome, name) for name in self.RECORDED}

    def record(self, case: str) -> dict[str, Any]:
        """Record of a case; empty if there is none that can be read."""
        try:
            content = read_json(self.record_path(case))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    @abstractmethod
    def record_path(self, case: str) -> Path:
        """File of a case's record."""

    @abstractmethod
    def staging_of(self, case: str) -> Path:
        """Folder in which a case is made."""

    @abstractmethod
    def withdraw(self, case: str) -> None:
        """Remove what earlier runs made of a case that has failed now."""

    @abstractmethod
    def _places(self, job: CaseJob, digests: Mapping[str, str]) -> Mapping[str, Path]:
        """Final paths of the files by their keys in the record."""

    @abstractmethod
    def _place(self, job: CaseJob, staging: Path, record: dict[str, Any]) -> None:
        """Move the staged files into place and write the record."""


class CaseFolders(CaseStore):
    """One folder per case, replaced as a whole; its record is ``case.json`` in it."""

    MADE_FROM: ClassVar[str] = "inputs"
    OUTPUTS: ClassVar[str] = "files"
    RECORD: ClassVar[str] = "case.json"

    def create(self) -> None:
        """Make the output folder, and remove what killed runs left in it."""
        self.root.mkdir(parents=True, exist_ok=True)
        for left in self.root.glob(f"{TEMPORARY_PREFIX}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def check_ours(self, case: str) -> None:
        """Raise a :class:`CaseError` if the folder of a case is of another origin."""
        folder = self.root / case
        if folder.exists() and not self.record_path(case).is_file():
            raise CaseError(case, f"this folder was not made by {self.COMMAND} and stays as it is: {self.ELSEWHERE}, "
                            "or move it away", folder)

    def record_path(self, case: str) -> Path:
        return self.root / case / self.RECORD

    def staging_of(self, case: str) -> Path:
        return self.root / f"{TEMPORARY_PREFIX}{case}"

    def withdraw(self, case: str) -> None:
        if self.record_path(case).is_file():  # else the folder is not ours
            old = self.root / f"{TEMPORARY_PREFIX}{case}-old"
            (self.root / case).rename(old)
            shutil.rmtree(old)

    def _places(self, job: CaseJob, digests: Mapping[str, str]) -> Mapping[str, Path]:
        return {name: self.root / job.case / name for name in digests}

    def _place(self, job: CaseJob, staging: Path, record: dict[str, Any]) -> None:
        write_json(record, staging / self.RECORD)
        self.withdraw(job.case)
        staging.rename(self.root / job.case)

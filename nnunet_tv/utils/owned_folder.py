"""A folder that one command writes and completes: what is in it is known to be ours, and whole.

A case is written under ``STATE/staging`` and then renamed, so that a killed run leaves nothing half-written
where nnU-Net reads. ``STATE/records`` remembers from what each case was made.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, remove_partial, write_json


@dataclass(frozen=True)
class OwnedFolder:
    """Base of the folders that commands write; a subclass says which files are a case's."""

    root: Path

    #: Name of the folder within `root` in which the command remembers.
    STATE: ClassVar[str]
    COMMAND: ClassVar[str]
    #: How a person chooses another folder.
    ELSEWHERE: ClassVar[str]
    #: Names that may be in a folder that is not ours yet.
    HARMLESS: ClassVar[tuple[str, ...]] = ()

    @property
    def state(self) -> Path:
        """What the command remembers."""
        return self.root / self.STATE

    @property
    def staging(self) -> Path:
        """Where cases are written before they are moved into place."""
        return self.state / "staging"

    @property
    def records(self) -> Path:
        """One JSON file per case: from what it was made."""
        return self.state / "records"

    def check_ours(self) -> None:
        """Raise a :class:`NnunetTVError` if the folder holds something that this program did not make."""
        if self.state.is_dir() or not self.root.exists():
            return
        if not self.root.is_dir():
            raise NnunetTVError(f"{self.root}: expected a folder or nothing, found a file: {self.ELSEWHERE}")
        foreign = sorted(path.name for path in self.root.iterdir() if path.name not in self.HARMLESS)
        if foreign:
            raise NnunetTVError(f"{self.root}: it was not made by {self.COMMAND} (it holds "
                                f"{', '.join(foreign[:5])}) and stays as it is: {self.ELSEWHERE}, or move it away")

    def create(self, *folders: Path) -> None:
        """Make `folders` within a folder that is ours, or new.

        Raises
        ------
        NnunetTVError
            As :meth:`check_ours`; a folder that cannot be made.
        """
        self.check_ours()
        for folder in folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise NnunetTVError(f"{folder}: the folder cannot be made ({error.strerror}): choose another "
                                    "output folder (-o)") from error

    @contextmanager
    def _owned(self, folders: Iterable[Path], cases: Iterable[str]) -> Iterator[None]:
        """Own the folder while it is changed; clear what a killed run left.

        Raises
        ------
        NnunetTVError
            As :meth:`create`; another run is writing; files of cases that are neither in `cases` nor ours.
        """
        self.create(self.records, *folders)
        with open(self.state / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise NnunetTVError(f"{self.root}: another {self.COMMAND} is writing here: wait for it") from error
            shutil.rmtree(self.staging, ignore_errors=True)
            self.staging.mkdir()
            for folder in (self.root, self.records):
                remove_partial(folder)
            self._check_foreign(set(cases))
            yield
            shutil.rmtree(self.staging, ignore_errors=True)

    def _check_foreign(self, planned: set[str]) -> None:
        known = planned | {path.stem for path in self.records.glob("*.json")}
        foreign = [path for case, path in self._files() if case not in known]
        if foreign:
            raise NnunetTVError(f"{foreign[0]}: found {len(foreign)} files that {self.COMMAND} did not write and "
                                "that nnU-Net would read: move them away")

    def _files(self) -> Iterator[tuple[str, Path]]:
        """Case and path of every file that nnU-Net would read."""
        raise NotImplementedError

    def record(self, case: str) -> dict[str, Any]:
        """What is remembered of a case; empty if nothing (or nothing readable) is."""
        try:
            return read_json(self.records / f"{case}.json")
        except (OSError, ValueError):
            return {}

    def write_record(self, case: str, record: dict[str, Any]) -> None:
        """Remember from what a case was made."""
        write_json(record, self.records / f"{case}.json")

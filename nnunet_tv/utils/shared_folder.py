"""A store of cases whose files are side by side in common folders, as nnU-Net reads them."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from nnunet_tv.utils.case_store import CaseJob, CaseStore
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import remove_partial, write_json


class SharedFolder(CaseStore):
    """The files of all cases side by side; staging, records and the lock are in the folder ``STATE``."""

    STATE: ClassVar[str]
    #: Folders that always exist, and files that exist only while the content is complete.
    FOLDERS: ClassVar[tuple[str, ...]] = ()
    COMPLETE: ClassVar[tuple[str, ...]] = ()
    #: Names that may be in a folder that is not ours yet.
    HARMLESS: ClassVar[tuple[str, ...]] = ()
    #: Files of cases: folder and pattern of the names, whose group is the case.
    FILES: ClassVar[tuple[tuple[str, str], ...]] = ()

    @property
    def state(self) -> Path:
        """Folder of everything that is no result."""
        return self.root / self.STATE

    def record_path(self, case: str) -> Path:
        return self.state / "records" / f"{case}.json"

    def staging_of(self, case: str) -> Path:
        return self.state / "staging" / case

    def known(self) -> set[str]:
        """Cases that have a record."""
        return {path.stem for path in self.state.glob("records/*.json")}

    def files(self) -> Iterator[tuple[str, Path]]:
        """Case and path of every file of a case."""
        for folder, pattern in self.FILES:
            for path in sorted((self.root / folder).glob("*")):
                if match := re.fullmatch(pattern, path.name):
                    yield next(group for group in match.groups() if group), path

    def exclusive_files(self) -> Iterator[tuple[str, Path]]:
        """Those of :meth:`files` that no other program may have written."""
        return self.files()

    def check_ours(self) -> None:
        """Raise a :class:`NnunetTVError` if the folder contains something that this program did not make."""
        if self.state.is_dir() or not self.root.exists():
            return
        if not self.root.is_dir():
            raise NnunetTVError(f"{self.root}: expected a folder or nothing, found a file: {self.ELSEWHERE}")
        foreign = sorted(path.name for path in self.root.iterdir() if path.name not in self.HARMLESS)
        if foreign:
            raise NnunetTVError(f"{self.root}: it was not made by {self.COMMAND} (it holds "
                                f"{', '.join(foreign[:5])}) and stays as it is: {self.ELSEWHERE}, or move it away")

    def create(self, *folders: Path) -> None:
        """Make `folders` if :meth:`check_ours` passes; a folder that cannot be made is a :class:`NnunetTVError`."""
        self.check_ours()
        for folder in folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise NnunetTVError(f"{folder}: the folder cannot be made ({error.strerror}): choose another "
                                    "output folder (-o)") from error

    @contextmanager
    def opened(self, cases: Iterable[str]) -> Iterator[None]:
        """Lock the folder while `cases` are processed; remove what a killed run left.

        Files of cases that are neither in `cases` nor ours are an error, and another run that is writing.
        """
        records, staging = self.state / "records", self.state / "staging"
        self.create(records, *(self.root / name for name in self.FOLDERS))
        with open(self.state / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise NnunetTVError(f"{self.root}: another {self.COMMAND} is writing here: wait for it") from error
            shutil.rmtree(staging, ignore_errors=True)
            staging.mkdir()
            for folder in (self.root, records):
                remove_partial(folder)
            ours = self.known().union(cases)
            foreign = [path for case, path in self.exclusive_files() if case not in ours]
            if foreign:
                raise NnunetTVError(f"{foreign[0]}: found {len(foreign)} files that {self.COMMAND} did not write and "
                                    "that nnU-Net would read: move them away")
            yield
            shutil.rmtree(staging, ignore_errors=True)

    def begin_change(self) -> None:
        """Remove the files that mark the content as complete."""
        for name in self.COMPLETE:
            (self.root / name).unlink(missing_ok=True)

    def _places(self, job: CaseJob, digests: Mapping[str, str]) -> Mapping[str, Path]:
        return job.outputs

    def _place(self, job: CaseJob, staging: Path, record: dict[str, Any]) -> None:
        self.begin_change()
        write_json({}, self.record_path(job.case))  # from here on the files of this case are ours
        for path in job.outputs.values():
            path.parent.mkdir(exist_ok=True)
            os.replace(staging / path.name, path)
        write_json(record, self.record_path(job.case))

"""The folder of one raw data set, and which of its files are ours.

What nnU-Net reads is only ever moved into place whole: a case is written under ``.conversion/staging`` and
then renamed, so that a killed run leaves nothing half-written in imagesTr. ``.conversion/records`` remembers
from what each case was made. dataset.json is taken away before the first change and written last: a data set
that is being changed cannot be trained on by mistake.
"""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_tv.errors import NnunetTVError
from nnunet_tv.files import read_json, remove_partial, write_json

ENDING = ".nii.gz"
IMAGE_FOLDERS, LABEL_FOLDERS = ("imagesTr", "imagesTs"), ("labelsTr", "labelsTs")
DATASET_JSON, SPLITS, TABLE = "dataset.json", "splits_final.json", "conversion.tsv"
PLAN_TABLE, PLAN_SPLITS = "conversion.plan.tsv", "splits_final.plan.json"
_STATE = ".conversion"
_IMAGE = re.compile(r"(.+)_\d{4}\.nii\.gz")


@dataclass(frozen=True)
class RawFolder:
    """Paths of a raw data set, such as ``nnUNet_raw/DatasetFCD``."""

    root: Path

    @property
    def staging(self) -> Path:
        """Where cases are written before they are moved into place."""
        return self.root / _STATE / "staging"

    @property
    def records(self) -> Path:
        """One JSON file per case: from what it was made."""
        return self.root / _STATE / "records"

    def check_ours(self) -> None:
        """Raise a :class:`NnunetTVError` if the folder holds a data set that this program did not make."""
        if (self.root / _STATE).is_dir() or not self.root.exists():
            return
        if not self.root.is_dir():
            raise NnunetTVError(f"{self.root}: expected a folder or nothing, found a file: choose another --name")
        foreign = sorted(path.name for path in self.root.iterdir() if path.name not in (PLAN_TABLE, PLAN_SPLITS))
        if foreign:
            raise NnunetTVError(f"{self.root}: it was not made by nnunet-tv-convert (it holds "
                                f"{', '.join(foreign[:5])}) and stays as it is: choose another --name, or move it away")

    def create(self, *folders: Path) -> None:
        """Make `folders` within a data set folder that is ours, or new.

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
    def opened(self, cases: Iterable[str]) -> Iterator[None]:
        """Own the folder while it is changed; clear what a killed run left.

        Raises
        ------
        NnunetTVError
            As :meth:`create`; another conversion is running; files of cases that are neither planned nor ours.
        """
        self.create(self.records, *(self.root / name for name in (*IMAGE_FOLDERS, *LABEL_FOLDERS)))
        with open(self.root / _STATE / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise NnunetTVError(f"{self.root}: another nnunet-tv-convert is writing here: wait for it") from error
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
            raise NnunetTVError(f"{foreign[0]}: found {len(foreign)} files that nnunet-tv-convert did not write and "
                                "that nnU-Net would read: move them away")

    def _files(self) -> Iterator[tuple[str, Path]]:
        """Case and path of every file that nnU-Net would read."""
        for folder in IMAGE_FOLDERS:
            for path in sorted((self.root / folder).glob(f"*{ENDING}")):
                match = _IMAGE.fullmatch(path.name)
                yield (match[1] if match else path.name), path
        for folder in LABEL_FOLDERS:
            for path in sorted((self.root / folder).glob(f"*{ENDING}")):
                yield path.name.removesuffix(ENDING), path

    def outputs(self, case: str, n_channels: int, training: bool) -> dict[str, Path]:
        """Paths of a case's images (keys ``0000``, ``0001`` …) and of its label (key ``label``)."""
        images, labels = (IMAGE_FOLDERS[0], LABEL_FOLDERS[0]) if training else (IMAGE_FOLDERS[1], LABEL_FOLDERS[1])
        paths = {f"{index:04d}": self.root / images / f"{case}_{index:04d}{ENDING}" for index in range(n_channels)}
        return {**paths, "label": self.root / labels / f"{case}{ENDING}"}

    def begin_change(self) -> None:
        """Take away what says that the data set is complete."""
        for name in (DATASET_JSON, SPLITS, TABLE):
            (self.root / name).unlink(missing_ok=True)

    def record(self, case: str) -> dict[str, Any]:
        """What is remembered of a case; empty if nothing (or nothing readable) is."""
        try:
            return read_json(self.records / f"{case}.json")
        except (OSError, ValueError):
            return {}

    def write_record(self, case: str, record: dict[str, Any]) -> None:
        """Remember from what a case was made."""
        write_json(record, self.records / f"{case}.json")

    def remove_others(self, keep: set[Path], converted: set[str]) -> list[str]:
        """Delete files and records of cases that are not (or no longer) in the data set; their names."""
        gone = set()
        for case, path in list(self._files()):
            if path not in keep:
                self.begin_change()
                path.unlink()
                if case not in converted:
                    gone.add(case)
        for path in self.records.glob("*.json"):
            if path.stem not in converted:
                path.unlink()
        return sorted(gone)

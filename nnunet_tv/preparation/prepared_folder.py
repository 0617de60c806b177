"""The folder that ``nnunet-tv-prepare`` writes and ``nnUNetv2_predict -i`` reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nnunet_tv.preparation.provenance import ENDING as RECORD
from nnunet_tv.utils.files import read_json, write_json
from nnunet_tv.utils.owned_folder import OwnedFolder

IMAGE, TRANSFORM = ".nii.gz", ".tfm"
TABLE, PAGE = "preparation.tsv", "qc.html"
_IMAGE = re.compile(r"(.+)_\d{4}\.nii\.gz")


@dataclass(frozen=True)
class PreparedFolder(OwnedFolder):
    """Paths of a folder of prepared cases, such as ``imagesTs``."""

    STATE: ClassVar[str] = ".preparation"
    COMMAND: ClassVar[str] = "nnunet-tv-prepare"
    ELSEWHERE: ClassVar[str] = "choose another output folder (-o)"

    @contextmanager
    def opened(self, cases: Iterable[str]) -> Iterator[None]:
        """Own the folder while it is changed; clear what a killed run left.

        Raises
        ------
        NnunetTVError
            It holds files that are not ours, cannot be made, or another run is writing.
        """
        with self._owned((self.qc,), cases):
            yield

    @property
    def qc(self) -> Path:
        """One picture a case."""
        return self.root / "qc"

    @property
    def scans(self) -> Path:
        """Scans converted from DICOM, on their own grids."""
        return self.root / "scans"

    @property
    def transforms(self) -> Path:
        """Registrations as ITK transforms."""
        return self.root / "transforms"

    def scan(self, case: str, channel: str) -> Path:
        """Where a scan converted from DICOM goes."""
        return self.scans / f"{case}_{channel}{IMAGE}"

    def outputs(
        self, case: str, channels: Iterable[str], converted: Iterable[str] = (), transforms: Iterable[str] = ()
    ) -> dict[str, Path]:
        """Every file of a case, by a key; `converted` are the channels that came from DICOM."""
        images = {f"{index:04d}": self.root / f"{case}_{index:04d}{IMAGE}" for index, _ in enumerate(channels)}
        return {**images, **{channel: self.scan(case, channel) for channel in converted},
                **{name: self.transforms / f"{case}_{name}{TRANSFORM}" for name in transforms},
                "picture": self.qc / f"{case}.png", "record": self.root / f"{case}{RECORD}"}

    def begin_change(self) -> None:
        """Take away what says that the folder is complete."""
        for name in (TABLE, PAGE):
            (self.root / name).unlink(missing_ok=True)

    def remove(self, case: str) -> bool:
        """Delete all that was made of a case; whether there was anything."""
        found = [path for name, path in self._every_file() if name == case]
        for path in found:
            self.begin_change()
            path.unlink()
        (self.records / f"{case}.json").unlink(missing_ok=True)
        return bool(found)

    def known(self) -> set[str]:
        """Cases that were made in earlier runs."""
        return {path.stem for path in self.records.glob("*.json")}

    def study_names(self) -> dict[str, str]:
        """Case names of DICOM studies that earlier runs gave, by study key."""
        try:
            content = read_json(self.state / "studies.json")
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def write_study_names(self, names: Mapping[str, str]) -> None:
        """Remember them: a study that comes again has its number again."""
        write_json(dict(names), self.state / "studies.json")

    def _files(self) -> Iterator[tuple[str, Path]]:
        for path in sorted(self.root.glob(f"*{IMAGE}")):
            match = _IMAGE.fullmatch(path.name)
            yield (match[1] if match else path.name), path

    def _every_file(self) -> Iterator[tuple[str, Path]]:
        yield from self._files()
        for path in self.root.glob(f"*{RECORD}"):
            yield path.name.removesuffix(RECORD), path
        for path in self.qc.glob("*.png"):
            yield path.stem, path
        for path in self.scans.glob(f"*{IMAGE}"):
            yield path.name.removesuffix(IMAGE).rpartition("_")[0], path
        for path in self.transforms.glob(f"*{TRANSFORM}"):
            yield re.sub(r"_(?:flair_to_t1|t1_to_template)$", "", path.name.removesuffix(TRANSFORM)), path

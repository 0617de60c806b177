"""The folder of one raw data set, and which of its files are ours.

What nnU-Net reads is only ever moved into place whole: a case is written under ``.conversion/staging`` and
then renamed, so that a killed run leaves nothing half-written in imagesTr. ``.conversion/records`` remembers
from what each case was made. dataset.json is taken away before the first change and written last: a data set
that is being changed cannot be trained on by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.owned_folder import OwnedFolder

ENDING = ".nii.gz"
IMAGE_FOLDERS, LABEL_FOLDERS = ("imagesTr", "imagesTs"), ("labelsTr", "labelsTs")
PICTURES, PICTURE, PAGE = "qc", ".png", "qc.html"
#: Endings of what tells a case's registration, beside its images.
BESIDE = {"record": ".prep.json", "flair_to_t1": "_flair_to_t1.tfm", "t1_to_template": "_t1_to_template.tfm"}
DATASET_JSON, SPLITS, TABLE = "dataset.json", "splits_final.json", "conversion.tsv"
PLAN_TABLE, PLAN_SPLITS = "conversion.plan.tsv", "splits_final.plan.json"
_IMAGE = re.compile(r"(.+)_\d{4}\.nii\.gz")


@dataclass(frozen=True)
class RawFolder(OwnedFolder):
    """Paths of a raw data set, such as ``nnUNet_raw/DatasetFCD``."""

    STATE: ClassVar[str] = ".conversion"
    COMMAND: ClassVar[str] = "nnunet-tv-convert"
    ELSEWHERE: ClassVar[str] = "choose another --name"
    HARMLESS: ClassVar[tuple[str, ...]] = (PLAN_TABLE, PLAN_SPLITS)

    @contextmanager
    def opened(self, cases: Iterable[str]) -> Iterator[None]:
        """Own the folder while it is changed; clear what a killed run left.

        Raises
        ------
        NnunetTVError
            As :meth:`create`; another conversion is running; files of cases that are neither planned nor ours; an
            earlier conversion of which no case is planned, so that it was of something else.
        """
        planned = set(cases)
        with self._owned((self.root / name for name in (*IMAGE_FOLDERS, *LABEL_FOLDERS)), planned):
            earlier = {case for case, _ in self._files()}
            if earlier and not earlier & planned:
                raise NnunetTVError(f"{self.root} holds the conversion of another data set (such as {min(earlier)}; "
                                    f"none of its {len(earlier)} cases is to be converted now), which this one would "
                                    f"replace: {self.ELSEWHERE}, or delete the folder")
            yield

    def _files(self) -> Iterator[tuple[str, Path]]:
        """Case and path of every file that nnU-Net would read, and of what lies beside its images."""
        for folder in IMAGE_FOLDERS:
            for path in sorted((self.root / folder).glob(f"*{ENDING}")):
                match = _IMAGE.fullmatch(path.name)
                yield (match[1] if match else path.name), path
            for ending in BESIDE.values():
                for path in sorted((self.root / folder).glob(f"*{ending}")):
                    yield path.name.removesuffix(ending), path
        for folder in LABEL_FOLDERS:
            for path in sorted((self.root / folder).glob(f"*{ENDING}")):
                yield path.name.removesuffix(ENDING), path
        for path in sorted((self.root / PICTURES).glob(f"*{PICTURE}")):
            yield path.name.removesuffix(PICTURE), path

    def outputs(self, case: str, n_channels: int, training: bool, *, registered: bool = False) -> dict[str, Path]:
        """Paths of a case's images (keys ``0000``, ``0001`` …), its label (``label``) and what tells its registration.

        With `registered` also the prep record (``record``) and the ITK transforms (``flair_to_t1``,
        ``t1_to_template``) beside the images, and the picture to look at (``picture``); nnU-Net reads none of them.
        """
        images, labels = (IMAGE_FOLDERS[0], LABEL_FOLDERS[0]) if training else (IMAGE_FOLDERS[1], LABEL_FOLDERS[1])
        paths = {f"{index:04d}": self.root / images / f"{case}_{index:04d}{ENDING}" for index in range(n_channels)}
        beside = {key: self.root / images / f"{case}{ending}" for key, ending in BESIDE.items() if registered}
        if registered:
            beside["picture"] = self.root / PICTURES / f"{case}{PICTURE}"
        return {**paths, "label": self.root / labels / f"{case}{ENDING}", **beside}

    def begin_change(self) -> None:
        """Take away what says that the data set is complete."""
        for name in (DATASET_JSON, SPLITS, TABLE, PAGE):
            (self.root / name).unlink(missing_ok=True)

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

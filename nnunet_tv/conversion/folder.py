"""The folder of one nnU-Net raw data set."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from nnunet_tv.utils.case_outcome import CaseOutcome
from nnunet_tv.utils.case_store import CaseJob
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.nnunet_paths import CONVERSION_TABLE
from nnunet_tv.utils.shared_folder import SharedFolder

ENDING = ".nii.gz"
IMAGE_FOLDERS, LABEL_FOLDERS = ("imagesTr", "imagesTs"), ("labelsTr", "labelsTs")
#: Folders of the test set by those of the training set, and the other way round.
OTHER_SIDE = {"imagesTr": "imagesTs", "imagesTs": "imagesTr", "labelsTr": "labelsTs", "labelsTs": "labelsTr"}
PICTURES, PICTURE, PAGE = "qc", ".png", "qc.html"
#: Endings of the files beside the images that describe a case's registration.
BESIDE = {"record": ".prep.json", "flair_to_t1": "_flair_to_t1.tfm", "t1_to_template": "_t1_to_template.tfm"}
DATASET_JSON, SPLITS, TABLE = "dataset.json", "splits_final.json", CONVERSION_TABLE
PLAN_TABLE, PLAN_SPLITS = "conversion.plan.tsv", "splits_final.plan.json"
_IMAGES = r"(.+)_\d{4}\.nii\.gz|(.+)(?:\.prep\.json|_flair_to_t1\.tfm|_t1_to_template\.tfm)|(.+\.nii\.gz)"


class RawFolder(SharedFolder):
    """Paths of a raw data set, such as ``nnUNet_raw/DatasetFCD``.

    dataset.json is removed before the first change and written last: a data set that is being
    changed cannot be trained on.
    """

    STATE: ClassVar[str] = ".conversion"
    COMMAND: ClassVar[str] = "nnunet-tv-convert"
    ELSEWHERE: ClassVar[str] = "choose another --name"
    RECORDED: ClassVar[tuple[str, ...]] = ("flags", "notes", "metrics", "orientation")
    FOLDERS: ClassVar[tuple[str, ...]] = (*IMAGE_FOLDERS, *LABEL_FOLDERS)
    COMPLETE: ClassVar[tuple[str, ...]] = (DATASET_JSON, SPLITS, TABLE, PAGE)
    HARMLESS: ClassVar[tuple[str, ...]] = (PLAN_TABLE, PLAN_SPLITS)
    FILES: ClassVar[tuple[tuple[str, str], ...]] = (
        *((folder, _IMAGES) for folder in IMAGE_FOLDERS), *((folder, r"(.+)\.nii\.gz") for folder in LABEL_FOLDERS),
        (PICTURES, r"(.+)\.png"))

    @contextmanager
    def opened(self, cases: Iterable[str]) -> Iterator[None]:
        """As for every shared folder; an earlier conversion of other cases only is refused too."""
        planned = set(cases)
        with super().opened(planned):
            earlier = {case for case, _ in self.files()}
            if earlier and not earlier & planned:
                raise NnunetTVError(f"{self.root} holds the conversion of another data set (such as {min(earlier)}; "
                                    f"none of its {len(earlier)} cases is to be converted now), which this one would "
                                    f"replace: {self.ELSEWHERE}, or delete the folder")
            yield

    def outputs(self, case: str, n_channels: int, training: bool, *, registered: bool = False) -> dict[str, Path]:
        """Paths of a case's images (keys ``0000``, ``0001`` …) and its label (``label``).

        With `registered` also the record (``record``) and the ITK transforms (``flair_to_t1``, ``t1_to_template``)
        beside the images, and the QC picture (``picture``); nnU-Net reads none of them.
        """
        images, labels = (IMAGE_FOLDERS[0], LABEL_FOLDERS[0]) if training else (IMAGE_FOLDERS[1], LABEL_FOLDERS[1])
        paths = {f"{index:04d}": self.root / images / f"{case}_{index:04d}{ENDING}" for index in range(n_channels)}
        paths["label"] = self.root / labels / f"{case}{ENDING}"
        if registered:
            paths.update((key, self.root / images / f"{case}{ending}") for key, ending in BESIDE.items())
            paths["picture"] = self.root / PICTURES / f"{case}{PICTURE}"
        return paths

    def recall(self, job: CaseJob, made_from: Any) -> CaseOutcome | None:
        """As for every store; files that another split had put on the other side are moved first."""
        moved = False
        if self.record(job.case).get(self.MADE_FROM) == made_from:
            for end in job.outputs.values():
                start = self.root / OTHER_SIDE.get(end.parent.name, end.parent.name) / end.name
                if start.is_file() and not end.exists():
                    self.begin_change()
                    os.replace(start, end)
                    moved = True
        outcome = super().recall(job, made_from)
        return outcome and replace(outcome, changed=moved)

    def withdraw(self, case: str) -> None:
        """Nothing: :meth:`remove_others` removes failed cases, and returns their names."""

    def remove_others(self, keep: set[Path], converted: set[str]) -> list[str]:
        """Delete files and records of cases that are not (or no longer) in the data set; their names."""
        gone = set()
        for case, path in list(self.files()):
            if path not in keep:
                self.begin_change()
                path.unlink()
                if case not in converted:
                    gone.add(case)
        for case in self.known() - converted:
            self.record_path(case).unlink()
        return sorted(gone)

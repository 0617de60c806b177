"""Runs of named groups: where each case's files are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nnunet_tv.postprocessing import ENDING, segmentation_names
from nnunet_tv.scoring.rows import RAW


@dataclass(frozen=True)
class Run:
    """One run of a named group: a folder of predictions."""

    group: str  #: name of the group, such as a loss
    run: int  #: number of the run in its group, from 0 (run k is nnU-Net's fold k)
    raw: Path  #: folder of predictions, ``CASE.nii.gz``
    filtered: Path | None = None  #: folder of post-processed predictions; None applies the filter in memory
    probabilities: Path | None = None  #: folder of ``CASE.npz`` of nnU-Net, ``CASE_prob.nii.gz`` or ``CASE.nii.gz``
    predicted_by: Path | None = None  #: model folder, or a fold in it, if the model's accuracy is to be recorded
    rescan: Path | None = None  #: folder of predictions of a second scan, on the grids of the first
    run_json: Path | None = None  #: record of the training of the model, or its fold folder, if stated
    parts: dict[str, Run] = field(default_factory=dict)  #: fold of each case, for a pooled cross-validation

    def of(self, case: str) -> Run:
        """The run whose folders contain a case: itself, or the case's fold."""
        return self.parts.get(case, self)

    def folds(self) -> list[Run]:
        """The folds of a pooled cross-validation, else the run itself."""
        return list({id(part): part for part in self.parts.values()}.values()) or [self]

    def file(self, stage: str, case: str) -> Path:
        """Where a case's prediction is, or should be; a filtered one only in a folder of filtered ones."""
        run = self.of(case)
        return (run.raw if stage == RAW or run.filtered is None else run.filtered) / f"{case}{ENDING}"

    def folders(self) -> list[Path]:
        """All folders that are read, raw before filtered before probabilities before those of a second scan."""
        return [folder for run in self.folds() for folder in (run.raw, run.filtered, run.probabilities, run.rescan)
                if folder is not None]


@dataclass(frozen=True)
class MissingRun:
    """A run that was to be scored and was not."""

    group: str  #: name of the group
    run: int  #: number of the run in its group
    reason: str  #: such as the last line of its log


def segmentations(folder: Path) -> list[str]:
    """Names of the cases with a segmentation in a folder, sorted; ``CASE_prob.nii.gz`` beside a CASE is none."""
    cases = [name.removesuffix(ENDING) for name in segmentation_names(folder)]
    return [case for case in cases if case.removesuffix("_prob") == case or case.removesuffix("_prob") not in cases]


def probabilities_beside(folder: Path) -> Path | None:
    """`folder` itself if it holds the probability of every segmentation in it, as with ``--save_probabilities``."""
    cases = segmentations(folder) if folder.is_dir() else []
    found = bool(cases) and all((folder / f"{case}.npz").exists() or (folder / f"{case}_prob{ENDING}").exists()
                                for case in cases)
    return folder if found else None

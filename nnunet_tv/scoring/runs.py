"""Runs of named groups: where each case's files lie."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from nnunet_tv.postprocessing import ENDING, segmentation_names
from nnunet_tv.scoring.rows import RAW


@dataclass(frozen=True)
class Run:
    """One run of a named group: a folder of predictions.

    Attributes
    ----------
    group : str
        Name of the group, such as a loss.
    run : int
        Number of the run in its group, from 0 (run k is nnU-Net's fold k).
    raw : Path
        Folder of predictions, ``CASE.nii.gz``.
    filtered : Path or None
        Folder of post-processed predictions; None has the filter applied in memory.
    probabilities : Path or None
        Folder of lesion probabilities of the raw predictions: ``CASE.npz`` of nnU-Net, ``CASE_prob.nii.gz`` or
        ``CASE.nii.gz``.
    parts : dict of str to Run
        By case, for a pooled cross-validation, whose cases lie in the folders of several folds; the folders above
        are then not looked into.
    """

    group: str
    run: int
    raw: Path
    filtered: Path | None = None
    probabilities: Path | None = None
    parts: dict[str, Run] = field(default_factory=dict)

    def of(self, case: str) -> Run:
        """The run whose folders hold a case: itself, or the case's fold."""
        return self.parts.get(case, self)

    def file(self, stage: str, case: str) -> Path | None:
        """Where a case's prediction is, or should be; None for a filtered one that is made in memory."""
        run = self.of(case)
        folder = run.raw if stage == RAW else run.filtered
        return None if folder is None else folder / f"{case}{ENDING}"

    def folders(self) -> list[Path]:
        """All folders that are read, raw before filtered before probabilities."""
        runs = {id(part): part for part in self.parts.values()}.values() or [self]
        return [folder for run in runs for folder in (run.raw, run.filtered, run.probabilities) if folder is not None]

    def segmentations(self) -> list[str]:
        """Names of all raw segmentations, sorted; ``CASE_prob.nii.gz`` beside ``CASE.nii.gz`` is none."""
        runs = {id(part): part for part in self.parts.values()}.values() or [self]
        return sorted(name for run in runs for name in _segmentations(run.raw))

    def extra(self, names: set[str]) -> dict[Path, list[str]]:
        """Segmentations beside those of `names`, by folder, sorted."""
        folders = [folder for folder in (self.raw, self.filtered) if folder is not None and not self.parts]
        found = {folder: [name for name in _segmentations(folder) if name not in names] for folder in folders}
        return {folder: extra for folder, extra in found.items() if extra}


def _segmentations(folder: Path) -> list[str]:
    names = segmentation_names(folder)
    maps = {f"{name.removesuffix(ENDING)}_prob{ENDING}" for name in names}
    return [name for name in names if name not in maps]

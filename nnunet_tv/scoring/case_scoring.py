"""One case of all runs: the reference is read once, each prediction when it is its turn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.probability import check_probability, read_npz
from nnunet_tv.imaging.volume import Volume, read_volume, same_grid
from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.components import Components, as_mask, find_components
from nnunet_tv.metrics.froc_candidates import FrocCandidates, find_candidates
from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.postprocessing import ENDING, STANDARD, ClusterFilter
from nnunet_tv.scoring.mask_file import read_mask_hashed
from nnunet_tv.scoring.rows import FILTERED, MISMATCH, MISSING, RAW, STAGES, UNFILTERED, UNUSABLE, CaseRow, LostLesions
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import sha256


@dataclass(frozen=True)
class Settings:
    """How cases are scored; see :func:`nnunet_tv.scoring.folders.score_folders`."""

    connectivity: int = 26
    hits: tuple[str, ...] = ("any",)
    distances: bool = False
    nsd_tolerance_mm: float = 2.0
    allow_missing: bool = False
    cluster_filter: ClusterFilter = STANDARD


@dataclass
class CaseResult:
    """What one case gives, plain data."""

    rows: list[CaseRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    candidates: list[FrocCandidates] = field(default_factory=list)


@dataclass(frozen=True)
class _Truth:
    volume: Volume
    lesions: Components


class _Refused(Exception):
    """A prediction that cannot be scored: its status and why."""

    def __init__(self, status: str, text: str):
        self.status, self.text = status, text
        super().__init__(text)


def score_one(case: str, *, reference: Path | None, runs: tuple[Run, ...], settings: Settings) -> CaseResult:
    """All runs of one case; without a `reference` folder the case is a control, whose reference is empty."""
    return _Case(case, settings).score(reference, runs)


def on_grid_of(volume: Volume, reference: Volume) -> Volume | None:
    """`volume` on the reference's grid if it is that grid up to the direction of its axes, else None."""
    if same_grid(volume, reference):
        return volume
    turn = nib.orientations.ornt_transform(
        nib.io_orientation(volume.affine), nib.io_orientation(reference.affine)
    )
    data = nib.apply_orientation(volume.data, turn)
    turned = Volume(data, volume.affine @ nib.orientations.inv_ornt_aff(turn, volume.shape))
    return turned if same_grid(turned, reference) else None


class _Case:
    def __init__(self, case: str, settings: Settings):
        self.case, self.settings, self.result = case, settings, CaseResult()
        self.truth: _Truth | None = None

    def score(self, reference: Path | None, runs: tuple[Run, ...]) -> CaseResult:
        if reference is not None:
            path = reference / f"{self.case}{ENDING}"
            try:
                self.set_truth(self.read(path))
            except CaseError as error:
                self.result.problems.append(str(error))
                self.result.rows += [CaseRow(self.case, run.group, run.run, stage, UNUSABLE, None, str(error))
                                     for run in runs for stage in STAGES]
                return self.result
        for run in runs:
            if reference is None:
                self.truth = None  # each run's own grid
            self.score_run(run)
        return self.result

    def set_truth(self, volume: Volume) -> None:
        mask = as_mask(volume.data, "reference")
        self.truth = _Truth(volume, find_components(mask, connectivity=self.settings.connectivity))

    def read(self, path: Path) -> Volume:
        volume, self.result.inputs[str(path)] = read_mask_hashed(path, case=self.case)
        return volume

    def score_run(self, run: Run) -> None:
        raw, stored = self.prediction(run, RAW, run.file(RAW, self.case))
        probability = None
        if isinstance(raw, Volume):
            probability = self.probability(run, raw, stored)
        elif raw.status == MISSING and self.settings.allow_missing and run.of(self.case).probabilities is not None:
            self.add_candidates(run, np.zeros(self.truth.volume.shape, np.float32))
        row = self.row(run, RAW, raw, probability)
        self.result.rows.append(row)
        path = run.file(FILTERED, self.case)
        if path is not None:
            filtered, _ = self.prediction(run, FILTERED, path)
        elif isinstance(raw, Volume):
            filtered = self.filter(run, raw)
        else:
            filtered = raw
        self.result.rows.append(self.row(run, FILTERED, filtered, probability, before=row.score,
                                         opened=raw if path is None and isinstance(raw, Volume) else None))

    def prediction(self, run: Run, stage: str, path: Path) -> tuple[Volume | _Refused, Volume | None]:
        """The prediction on the reference's grid, or why there is none; and as it is stored."""
        what = f"{stage} prediction of {run.group}, run {run.run}"
        if not path.exists() and not path.is_symlink():
            return self.missing(what, path), None
        try:
            volume = self.read(path)
        except CaseError as error:
            return self.refuse(UNUSABLE, str(error)), None
        if self.truth is None:
            self.set_truth(Volume(np.zeros(volume.shape, np.uint8), volume.affine))
        turned = on_grid_of(volume, self.truth.volume)
        if turned is None:
            return self.refuse(MISMATCH, f"{self.case}: {path}: geometry mismatch: {what} has {_grid(volume)}, its "
                               f"reference {_grid(self.truth.volume)}; bring both onto one grid"), None
        if turned is not volume:
            self.result.warnings.append(f"{self.case}: {what} is stored as {volume.orientation}, its reference as "
                                        f"{self.truth.volume.orientation}, on one grid; turned")
        return turned, volume

    def missing(self, what: str, path: Path) -> _Refused:
        if self.settings.allow_missing and self.truth is not None:
            self.result.warnings.append(f"{self.case}: missing {what}: expected {path}; scored as an empty prediction")
            return _Refused(MISSING, f"{self.case}: missing {what}: scored as an empty prediction")
        return self.refuse(MISSING, f"{self.case}: missing {what}: expected {path}; predict it, or take the case out "
                           "of the references")

    def refuse(self, status: str, text: str) -> _Refused:
        self.result.problems.append(text)
        return _Refused(status, text)

    def filter(self, run: Run, raw: Volume) -> Volume | _Refused:
        try:
            return self.settings.cluster_filter.filter_volume(raw)
        except ValueError as error:
            return self.refuse(UNFILTERED, f"{self.case}: {run.file(RAW, self.case)}: the raw prediction is scored but "
                               f"cannot be filtered: {error}, or give filtered files")

    def probability(self, run: Run, raw: Volume, stored: Volume) -> np.ndarray | None:
        """The probability on the reference's grid, checked against the mask; its candidates are found here."""
        folder = run.of(self.case).probabilities
        if folder is None:
            return None
        try:
            path = probability_file(folder, self.case, beside=run.of(self.case).raw)
            volume = on_grid_of(read_probability(path, stored, case=self.case), self.truth.volume)
            if volume is None:
                raise CaseError(self.case, f"geometry mismatch: the probability is not on the grid of the reference, "
                                f"{_grid(self.truth.volume)}; bring both onto one grid", path)
            check_probability(volume, raw, case=self.case, path=path)
        except CaseError as error:
            self.result.problems.append(str(error))
            return None
        self.result.inputs[str(path)] = sha256(path)
        self.add_candidates(run, volume.data)
        return volume.data

    def add_candidates(self, run: Run, probability: np.ndarray) -> None:
        self.result.candidates.append(find_candidates(
            probability, self.truth.lesions, self.truth.volume.spacing_mm, case=self.case, group=run.group, run=run.run,
            connectivity=self.settings.connectivity, hits=self.settings.hits))

    def row(
        self, run: Run, stage: str, prediction: Volume | _Refused, probability: np.ndarray | None, *,
        before: CaseScore | None = None, opened: Volume | None = None,
    ) -> CaseRow:
        """The row of one stage; `before` is the raw score, `opened` the raw mask if it was filtered here."""
        if isinstance(prediction, Volume):
            score = self.measured(prediction, probability)
            lost = None if before is None or stage == RAW else self.lost(before, score, opened)
            return CaseRow(self.case, run.group, run.run, stage, score.status, score, lost=lost)
        score = None
        if prediction.status == MISSING and self.settings.allow_missing and self.truth is not None:
            score = self.measured(Volume(np.zeros(self.truth.volume.shape, np.uint8), self.truth.volume.affine), None)
        return CaseRow(self.case, run.group, run.run, stage, prediction.status, score, prediction.text)

    def measured(self, volume: Volume, probability: np.ndarray | None) -> CaseScore:
        truth, settings = self.truth, self.settings
        clusters = find_components(as_mask(volume.data, "prediction"), connectivity=settings.connectivity)
        return score_case(
            clusters, truth.lesions, truth.volume.spacing_mm, hits=settings.hits, affine=truth.volume.affine,
            probability=probability, distances=settings.distances, nsd_tolerance_mm=settings.nsd_tolerance_mm)

    def lost(self, before: CaseScore, after: CaseScore, raw: Volume | None) -> LostLesions:
        """Lesions found before and not after the filter, under the primary rule."""
        gone = {lesion.index for lesion in before.lesions if self.found(lesion)} - {
            lesion.index for lesion in after.lesions if self.found(lesion)}
        if raw is None:
            return LostLesions(len(gone), None, None)
        by_opening = 0
        if gone:  # seldom, so the first steps are done again only then
            any_size = replace(self.settings.cluster_filter, min_voxels=0, min_mm3=None)
            opened = self.measured(any_size.filter_volume(raw), None)
            by_opening = len(gone - {lesion.index for lesion in opened.lesions if self.found(lesion)})
        return LostLesions(len(gone), by_opening, len(gone) - by_opening)

    def found(self, lesion) -> bool:
        return lesion.found[self.settings.hits[0]]


def probability_file(folder: Path, case: str, *, beside: Path) -> Path:
    """A case's probability: ``CASE.npz``, ``CASE_prob.nii.gz`` or, in a folder without masks, ``CASE.nii.gz``."""
    names = [f"{case}.npz", f"{case}_prob{ENDING}"]
    if folder.resolve() != beside.resolve():
        names.append(f"{case}{ENDING}")
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise CaseError(case, f"no probability: expected {' or '.join(names)}; predict with --save_probabilities (validate "
                    "with --npz), or leave --probabilities out", folder)


def read_probability(path: Path, stored: Volume, *, case: str) -> Volume:
    """Probability of a case; an ``.npz`` has no geometry and takes that of the `stored` segmentation."""
    if path.suffix == ".npz":
        return read_npz(path, stored.grid, case=case, name="segmentation", advice="it is not the probability of "
                        f"{case}{ENDING}; predict the case again with --save_probabilities")
    volume = read_volume(path, case=case)
    values = np.unique(volume.data)
    if len(values) == 2 and (values == (0, 1)).all():
        raise CaseError(case, "expected probabilities, found a mask of 0 and 1: give the folder of the probabilities",
                        path)
    return volume


def _grid(volume: Volume) -> str:
    shape = "×".join(str(side) for side in volume.shape)
    spacing = "×".join(f"{size:.4g}" for size in volume.spacing_mm)
    origin = ", ".join(f"{value:.4g}" for value in np.round(volume.affine[:3, 3], 3))
    return f"{shape} voxels of {spacing} mm, {volume.orientation}, first voxel at ({origin}) mm"

"""Scores of one case in all runs: the reference is read once, and one prediction at a time."""

from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.probability import check_probability, read_npz
from nnunet_tv.imaging.volume import Volume, read_volume, same_grid
from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.components import Components, as_mask, find_components
from nnunet_tv.metrics.froc_candidates import find_candidates
from nnunet_tv.metrics.hit_rules import DEFAULT_HITS
from nnunet_tv.metrics.registry import NSD_TOLERANCE_MM
from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.postprocessing import ENDING, STANDARD, ClusterFilter
from nnunet_tv.scoring import rows
from nnunet_tv.scoring.marks import find_marks, unite
from nnunet_tv.scoring.mask_file import read_mask_hashed
from nnunet_tv.scoring.rows import CaseRow, LostLesions, Scores
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import sha256
from nnunet_tv.utils.numbers import counted, rounded


@dataclass(frozen=True)
class ScoringOptions:
    """How predictions are scored."""

    connectivity: int = 26  #: which neighbours make one cluster: 26, 18 or 6
    hits: tuple[str, ...] = DEFAULT_HITS  #: hit rules; the first is the primary one
    distances: bool = False  #: whether surface distances are measured
    nsd_tolerance_mm: float = NSD_TOLERANCE_MM  #: distance up to which surfaces agree, for NSD
    allow_missing: bool = False  #: score a missing prediction as an empty one, with a warning
    cluster_filter: ClusterFilter = STANDARD  #: for runs without a filtered folder


@dataclass(frozen=True)
class _Prediction:
    """A prediction on the reference's grid; without a volume, the status and the problem are the reason.

    An allowed missing one has both: an empty volume and the status of a missing one.
    """

    volume: Volume | None
    status: str = ""
    problem: str = ""
    stored: Volume | None = None  #: as it is in the file


def score_one(case: str, *, reference: Path | None, runs: tuple[Run, ...], options: ScoringOptions) -> Scores:
    """All runs of one case; without a `reference` folder the case is a control, whose reference is empty."""
    scorer = _CaseScorer(case, options)
    if reference is not None:
        try:
            scorer.set_reference(scorer.read(reference / f"{case}{ENDING}"))
        except CaseError as error:
            unusable = [CaseRow(case, run.group, run.run, stage, rows.UNUSABLE, None, str(error))
                        for run in runs for stage in rows.STAGES]
            return replace(scorer.scores, rows=unusable, problems=[str(error)])
    for run in runs:
        if reference is None:
            scorer.has_reference = False  # each run has its own grid
        scorer.score_run(run)
    scorer.scores.warnings += scorer.turned_warnings()
    scorer.scores.marks = unite(scorer.scores.marks)
    return scorer.scores


def on_grid_of(volume: Volume, reference: Volume) -> Volume | None:
    """`volume` on the reference's grid if it is that grid up to the direction of its axes, else None."""
    if same_grid(volume, reference):
        return volume
    turn = nib.orientations.ornt_transform(nib.io_orientation(volume.affine), nib.io_orientation(reference.affine))
    data = nib.apply_orientation(volume.data, turn)
    turned = Volume(data, volume.affine @ nib.orientations.inv_ornt_aff(turn, volume.shape))
    return turned if same_grid(turned, reference) else None


class _CaseScorer:
    reference: Volume
    lesions: Components
    has_reference = False

    def __init__(self, case: str, options: ScoringOptions):
        self.case, self.options, self.scores = case, options, Scores()
        self.turned: dict[tuple[str, str], list[str]] = {}  #: predictions by their orientation and the reference's

    def set_reference(self, volume: Volume) -> None:
        self.reference, self.lesions, self.has_reference = volume, self.components(volume, "reference"), True

    def components(self, volume: Volume, name: str) -> Components:
        return find_components(as_mask(volume.data, name), connectivity=self.options.connectivity)

    def read(self, path: Path) -> Volume:
        volume, self.scores.inputs[str(path)] = read_mask_hashed(path, case=self.case)
        return volume

    def score_run(self, run: Run) -> None:
        raw = filtered = self.prediction(run, rows.RAW, run.file(rows.RAW, self.case))
        probability = self.probability(run, raw)
        before = self.add_row(run, rows.RAW, raw, probability)
        in_memory = run.of(self.case).filtered is None
        if not in_memory:
            filtered = self.prediction(run, rows.FILTERED, run.file(rows.FILTERED, self.case))
        elif raw.volume is not None and not raw.status:
            filtered = self.filtered(run, raw.volume)
        after = self.add_row(run, rows.FILTERED, filtered, probability)
        if before is not None and after is not None and not filtered.status:
            lost = self.lost(before, after, raw.volume if in_memory else None)
            self.scores.rows[-1] = replace(self.scores.rows[-1], lost=lost)

    def prediction(self, run: Run, stage: str, path: Path) -> _Prediction:
        what = f"{stage} prediction of {run.group}, run {run.run}"
        if not path.exists() and not path.is_symlink():
            return self.missing(what, path)
        try:
            stored = self.read(path)
        except CaseError as error:
            return self.refused(rows.UNUSABLE, str(error))
        if not self.has_reference:
            self.set_reference(_empty(stored))
        volume = on_grid_of(stored, self.reference)
        if volume is None:
            return self.refused(rows.MISMATCH, f"{self.case}: {path}: geometry mismatch: {what} has "
                                f"{grid_text(stored)}, its reference {grid_text(self.reference)}; bring both onto one "
                                "grid")
        if volume is not stored:
            self.turned.setdefault((stored.orientation, self.reference.orientation), []).append(what)
        return _Prediction(volume, stored=stored)

    def turned_warnings(self) -> list[str]:
        """One warning for all predictions that are turned alike, however many runs there are."""
        return [f"{self.case}: {whats[0]} "
                + (f"and {counted(len(whats) - 1, 'other prediction')} are" if whats[1:] else "is")
                + f" stored as {stored}, the reference as {reference}, on one grid; turned"
                for (stored, reference), whats in self.turned.items()]

    def missing(self, what: str, path: Path) -> _Prediction:
        if self.options.allow_missing and self.has_reference:
            self.scores.warnings.append(f"{self.case}: missing {what}: expected {path}; scored as an empty prediction")
            return _Prediction(_empty(self.reference), rows.MISSING,
                               f"{self.case}: missing {what}: scored as an empty prediction")
        return self.refused(rows.MISSING, f"{self.case}: missing {what}: expected {path}; predict it, or take the case "
                            "out of the references")

    def refused(self, status: str, text: str) -> _Prediction:
        self.scores.problems.append(text)
        return _Prediction(None, status, text)

    def filtered(self, run: Run, raw: Volume) -> _Prediction:
        try:
            return _Prediction(self.options.cluster_filter.filter_volume(raw))
        except ValueError as error:
            path = run.file(rows.RAW, self.case)
            return self.refused(rows.UNFILTERED, f"{self.case}: {path}: the raw prediction is scored but cannot be "
                                f"filtered: {error}, or give filtered files")

    def probability(self, run: Run, raw: _Prediction) -> np.ndarray | None:
        """The probability on the reference's grid, checked against the mask; adds its FROC candidates."""
        folder = run.of(self.case).probabilities
        if folder is None or raw.volume is None:
            return None
        if raw.stored is None:  # missing, which is allowed
            self.add_candidates(run, np.zeros(self.reference.shape, np.float32))
            return None
        try:
            path = probability_file(folder, self.case, beside=run.of(self.case).raw)
            volume = on_grid_of(read_probability(path, raw.stored, case=self.case), self.reference)
            if volume is None:
                raise CaseError(self.case, f"geometry mismatch: the probability is not on the grid of the reference, "
                                f"{grid_text(self.reference)}; bring both onto one grid", path)
            check_probability(volume, raw.volume, case=self.case, path=path)
        except CaseError as error:
            self.scores.problems.append(str(error))
            return None
        self.scores.inputs[str(path)] = sha256(path)
        self.add_candidates(run, volume.data)
        return volume.data

    def add_candidates(self, run: Run, probability: np.ndarray) -> None:
        self.scores.candidates.append(find_candidates(
            probability, self.lesions, self.reference.spacing_mm, case=self.case, group=run.group, run=run.run,
            connectivity=self.options.connectivity, hits=self.options.hits, count_voxels=self.has_reference))

    def add_row(
        self, run: Run, stage: str, prediction: _Prediction, probability: np.ndarray | None
    ) -> CaseScore | None:
        score = None
        if prediction.volume is not None:
            clusters = self.components(prediction.volume, "prediction")
            score = self.score(clusters, None if prediction.status else probability)
            self.scores.marks.append(find_marks(clusters, self.lesions, self.reference.grid, case=self.case,
                                                group=run.group, stage=stage, rule=self.options.hits[0]))
        status = score.status if score is not None and not prediction.status else prediction.status
        self.scores.rows.append(CaseRow(self.case, run.group, run.run, stage, status, score, prediction.problem))
        return score

    def score(self, clusters: Components, probability: np.ndarray | None = None) -> CaseScore:
        return score_case(
            clusters, self.lesions, self.reference.spacing_mm, hits=self.options.hits,
            affine=self.reference.affine, probability=probability, distances=self.options.distances,
            nsd_tolerance_mm=self.options.nsd_tolerance_mm)

    def lost(self, before: CaseScore, after: CaseScore, raw: Volume | None) -> LostLesions:
        """Lesions found before and not after the filter; the step is found if the filter is applied to `raw`."""
        gone = self.found(before) - self.found(after)
        if raw is None:
            return LostLesions(len(gone), None, None)
        by_opening = 0
        if gone:  # rare, so the first steps are repeated only then
            any_size = replace(self.options.cluster_filter, min_voxels=0, min_mm3=None)
            by_opening = len(gone - self.found(self.score(
                self.components(any_size.filter_volume(raw), "prediction"))))
        return LostLesions(len(gone), by_opening, len(gone) - by_opening)

    def found(self, score: CaseScore) -> set[int]:
        return {lesion.index for lesion in score.lesions if lesion.found[self.options.hits[0]]}


def probability_file(folder: Path, case: str, *, beside: Path) -> Path:
    """A case's probability: ``CASE.npz``, ``CASE_prob.nii.gz`` or, in a folder without masks, ``CASE.nii.gz``."""
    names = [f"{case}.npz", f"{case}_prob{ENDING}"]
    if folder.resolve() != beside.resolve():
        names.append(f"{case}{ENDING}")
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise CaseError(case, f"no probability: expected {' or '.join(names)}; predict with --save_probabilities (validate "
                    "with --npz), or leave the folder of probabilities out", folder)


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


def _empty(grid: Volume) -> Volume:
    return Volume(np.zeros(grid.shape, np.uint8), grid.affine)


def grid_text(volume: Volume | Grid) -> str:
    """A grid for a message: shape, voxel size, orientation and place."""
    shape = "×".join(str(side) for side in volume.shape)
    spacing = "×".join(f"{size:.4g}" for size in volume.spacing_mm)
    origin = ", ".join(f"{rounded(value, 3):.4g}" for value in volume.affine[:3, 3])
    return f"{shape} voxels of {spacing} mm, {volume.orientation}, first voxel at ({origin}) mm"

"""Folders of predictions against a folder of references: every case gets a row and a status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from nnunet_tv.errors import CaseError, NnunetTVError
from nnunet_tv.evaluation.measures import score_case
from nnunet_tv.evaluation.scores import FILTERED, MISMATCH, MISSING, RAW, STAGES, UNUSABLE, Candidates, CaseRow
from nnunet_tv.files import sha256
from nnunet_tv.parallel import each_case
from nnunet_tv.postprocessing import ENDING, filter_volume, segmentation_names
from nnunet_tv.volume import Volume, read_mask, same_grid


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
        Folder of lesion probabilities of the raw predictions: ``CASE.npz`` of nnU-Net or NIfTI.
    """

    group: str
    run: int
    raw: Path
    filtered: Path | None = None
    probabilities: Path | None = None


@dataclass(frozen=True)
class Scores:
    """What :func:`score_folders` returns.

    Attributes
    ----------
    rows : list of CaseRow
        Group by group, run by run, stage by stage, case by case.
    problems : list of str
        What could not be scored, each named; figures over the rest would flatter.
    warnings : list of str
        What was left out or changed without harm.
    inputs : dict
        SHA-256 of every file read, by path.
    candidates : list of Candidates
        Of each case and run with probabilities.
    """

    rows: list[CaseRow]
    problems: list[str]
    warnings: list[str]
    inputs: dict[str, str]
    candidates: list[Candidates] = field(default_factory=list)


@dataclass
class _CaseResult:
    rows: list[CaseRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)


def score_folders(
    reference: str | Path,
    runs: Sequence[Run],
    *,
    connectivity: int = 26,
    filter_settings: dict[str, Any] | None = None,
    processes: int = 1,
) -> Scores:
    """Score every run on every reference, one volume at a time.

    Cases are matched by file name. A prediction stored with other axis directions on the same grid is turned;
    any other difference of geometry is an error. Files that are not ``*.nii.gz`` are ignored; predictions
    without a reference are named in a warning.

    Parameters
    ----------
    reference : Path
        Folder of references, ``CASE.nii.gz`` with labels 0 and 1; it decides which cases there are.
    runs : sequence of Run
        The predictions.
    connectivity : {26, 18, 6}
        Which neighbours make one cluster.
    filter_settings : dict, optional
        Of :func:`nnunet_tv.postprocessing.remove_small_clusters`, for runs without a filtered folder.
    processes : int
        Worker processes.

    Returns
    -------
    Scores
        Cases that cannot be scored (missing, other geometry, unusable) have rows and problems too.

    Raises
    ------
    NnunetTVError
        A folder is missing or is both predictions and references, or there are no references or runs.
    """
    reference = Path(reference)
    if not runs:
        raise NnunetTVError("no predictions to score")
    for folder in (reference, *_folders(runs)):
        if not folder.is_dir():
            raise NnunetTVError(f"{folder}: no such folder")
        if folder is not reference and folder.resolve() == reference.resolve():
            raise NnunetTVError(f"{folder}: given as predictions and as references; scoring references against "
                                "themselves is always perfect")
    for run in runs:
        if run.filtered is not None and run.filtered.resolve() == run.raw.resolve():
            raise NnunetTVError(f"{run.raw}: given as raw and as post-processed predictions of {run.group}; leave the "
                                "second out and the filter is applied in memory")
    names = segmentation_names(reference)
    if not names:
        raise NnunetTVError(f"{reference}: expected references (CASE{ENDING}), found none")
    work = partial(_score_one, reference=reference, runs=tuple(runs), connectivity=connectivity,
                   filter_settings=filter_settings or {})
    done = each_case(work, names, processes=processes, label="score")
    rows = [row for result in done for row in result.rows]
    inputs = {path: digest for result in done for path, digest in result.inputs.items()}
    order = {(run.group, run.run): position for position, run in enumerate(runs)}
    rows.sort(key=lambda row: (order[row.group, row.run], STAGES.index(row.stage), row.case))
    return Scores(
        rows,
        [problem for result in done for problem in result.problems],
        [*_extra_predictions(runs, set(names)), *_equal_runs(runs, names, inputs),
         *(warning for result in done for warning in result.warnings)],
        inputs,
    )


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


def _folders(runs: Sequence[Run]) -> list[Path]:
    return [folder for run in runs for folder in (run.raw, run.filtered) if folder is not None]


def _extra_predictions(runs: Sequence[Run], names: set[str]) -> list[str]:
    warnings = []
    for folder in _folders(runs):
        extra = sorted(set(segmentation_names(folder)) - names)
        if extra:
            shown = ", ".join(name.removesuffix(ENDING) for name in extra)
            warnings.append(f"{folder}: {len(extra)} predictions without a reference, not scored: {shown}")
    return warnings


def _equal_runs(runs: Sequence[Run], names: Sequence[str], inputs: dict[str, str]) -> list[str]:
    """Runs whose files are the same, byte by byte: their spread would say nothing."""
    seen: dict[tuple, Run] = {}
    warnings = []
    for run in runs:
        digests = tuple(inputs.get(str(run.raw / name)) for name in names)
        first = seen.setdefault(digests, run)
        if first is not run and None not in digests:
            warnings.append(f"the predictions of {first.group}, run {first.run}, and {run.group}, run {run.run}, are "
                            f"the same files, byte by byte ({first.raw}, {run.raw}): not two independent runs")
    return warnings


def _score_one(
    name: str, *, reference: Path, runs: Sequence[Run], connectivity: int, filter_settings: dict[str, Any]
) -> _CaseResult:
    """All runs of one case: the reference is read once, each prediction when it is its turn."""
    case, result = name.removesuffix(ENDING), _CaseResult()
    try:
        truth = read_mask(reference / name, case=case)
        result.inputs[str(reference / name)] = sha256(reference / name)
    except CaseError as error:
        result.problems.append(str(error))
        for run in runs:
            result.rows += [CaseRow(case, run.group, run.run, stage, UNUSABLE, None, str(error)) for stage in STAGES]
        return result
    for run in runs:
        raw, row = _read(case, run, RAW, run.raw / name, truth, result)
        result.rows.append(row or _row(case, run, RAW, raw, truth, connectivity))
        if run.filtered is not None:
            filtered, row = _read(case, run, FILTERED, run.filtered / name, truth, result)
        elif raw is not None:
            filtered, row = _filter(case, run, raw, filter_settings, result)
        else:
            filtered, row = None, CaseRow(case, run.group, run.run, FILTERED, row.status, None, row.problem)
        result.rows.append(row or _row(case, run, FILTERED, filtered, truth, connectivity))
    return result


def _row(case: str, run: Run, stage: str, volume: Volume, truth: Volume, connectivity: int) -> CaseRow:
    score = score_case(volume.data, truth.data, truth.spacing_mm, connectivity=connectivity)
    return CaseRow(case, run.group, run.run, stage, score.status, score)


def _read(
    case: str, run: Run, stage: str, path: Path, truth: Volume, result: _CaseResult
) -> tuple[Volume | None, CaseRow | None]:
    """The prediction on the reference's grid, or the row that says why not."""
    what = f"{stage} prediction of {run.group}, run {run.run}"
    if not path.exists() and not path.is_symlink():
        return None, _problem(case, run, stage, MISSING, f"{case}: missing {what}: expected {path}; predict it, or "
                              "take the case out of the references", result)
    try:
        volume = read_mask(path, case=case)
        result.inputs[str(path)] = sha256(path)
    except CaseError as error:
        return None, _problem(case, run, stage, UNUSABLE, str(error), result)
    turned = on_grid_of(volume, truth)
    if turned is None:
        text = (f"{case}: {path}: geometry mismatch: {what} has {_grid(volume)}, its reference {_grid(truth)}; "
                "bring both onto one grid")
        return None, _problem(case, run, stage, MISMATCH, text, result)
    if turned is not volume:
        result.warnings.append(f"{case}: {what} is stored as {volume.orientation}, its reference as "
                               f"{truth.orientation}, on one grid; turned")
    return turned, None


def _filter(
    case: str, run: Run, raw: Volume, settings: dict[str, Any], result: _CaseResult
) -> tuple[Volume | None, CaseRow | None]:
    try:
        return filter_volume(raw, **settings), None
    except ValueError as error:
        text = f"{case}: {run.raw / (case + ENDING)}: {error}"
        return None, _problem(case, run, FILTERED, UNUSABLE, text, result)


def _problem(case: str, run: Run, stage: str, status: str, text: str, result: _CaseResult) -> CaseRow:
    result.problems.append(text)
    return CaseRow(case, run.group, run.run, stage, status, None, text)


def _grid(volume: Volume) -> str:
    shape = "×".join(str(side) for side in volume.shape)
    spacing = "×".join(f"{size:.4g}" for size in volume.spacing_mm)
    origin = ", ".join(f"{value:.4g}" for value in np.round(volume.affine[:3, 3], 3))
    return f"{shape} voxels of {spacing} mm, {volume.orientation}, first voxel at ({origin}) mm"

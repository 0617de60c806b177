"""Folders of predictions against a folder of references: every case gets a row and a status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.metrics.hit_rules import HitRule, parse_rules
from nnunet_tv.postprocessing import ENDING, STANDARD, ClusterFilter, segmentation_names
from nnunet_tv.scoring.case_scoring import Settings, on_grid_of, score_one
from nnunet_tv.scoring.rows import FILTERED, RAW, STAGES, CaseRow
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.parallel import each_case

__all__ = ["FILTERED", "RAW", "STAGES", "CaseRow", "Run", "Scores", "on_grid_of", "score_controls", "score_folders"]

#: Of images that nnU-Net takes and this report does not.
_OTHER_ENDINGS = (".nii", ".mha", ".nrrd")


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
    candidates : list of FrocCandidates
        Of each case and run with probabilities, in the order of the rows.
    """

    rows: list[CaseRow]
    problems: list[str]
    warnings: list[str]
    inputs: dict[str, str]
    candidates: list[FrocCandidates] = field(default_factory=list)


def score_folders(
    reference: str | Path,
    runs: Sequence[Run],
    *,
    cases: Sequence[str] | None = None,
    connectivity: int = 26,
    hits: Sequence[str | HitRule] = ("any",),
    distances: bool = False,
    nsd_tolerance_mm: float = 2.0,
    cluster_filter: ClusterFilter = STANDARD,
    allow_missing: bool = False,
    processes: int = 1,
) -> Scores:
    """Score every run on every reference, one volume at a time.

    Cases are matched by file name. A prediction stored with other axis directions on the same grid is turned;
    any other difference of geometry is an error. Predictions without a reference are named in a
    warning, and only ``*.nii.gz`` are read.

    Parameters
    ----------
    reference : Path
        Folder of references, ``CASE.nii.gz`` with labels 0 and 1; it decides which cases there are.
    runs : sequence of Run
        The predictions.
    cases : sequence of str, optional
        Score these references only.
    connectivity : {26, 18, 6}
        Which neighbours make one cluster.
    hits, distances, nsd_tolerance_mm
        As :func:`nnunet_tv.metrics.case_metrics.score_case`.
    cluster_filter : ClusterFilter
        For runs without a filtered folder.
    allow_missing : bool
        Score a missing prediction as an empty one; its status stays ``missing prediction``, and a warning names it.
    processes : int
        Worker processes.

    Returns
    -------
    Scores
        Cases that cannot be scored (missing, other geometry, unusable) have rows and problems too.

    Raises
    ------
    NnunetTVError
        A folder is missing or is both predictions and references, there are no references or runs, one of them is
        in another format (without `cases`), or a case of `cases` has no reference.
    ValueError
        An unusable hit rule.
    """
    reference = Path(reference)
    if not runs:
        raise NnunetTVError("no predictions to score")
    if not reference.is_dir():
        raise NnunetTVError(f"{reference}: no such folder")
    _check_folders(runs)
    for folder in (folder for run in runs for folder in run.folders()):
        if folder.resolve() == reference.resolve():
            raise NnunetTVError(f"{folder}: given as predictions and as references; scoring references against "
                                "themselves is always perfect")
    found = [name.removesuffix(ENDING) for name in segmentation_names(reference)]
    if cases is None and (other := _other_files(reference, found)):
        raise NnunetTVError(f"{reference}: references that are not CASE{ENDING} would be left out: {', '.join(other)}; "
                            f"save them as {ENDING}, or take them out of the folder")
    if not found:
        raise NnunetTVError(f"{reference}: expected references (CASE{ENDING}), found none")
    wanted = found if cases is None else sorted(set(cases))
    if absent := sorted(set(wanted) - set(found)):
        raise NnunetTVError(f"{reference}: no reference (CASE{ENDING}) for {', '.join(absent)}")
    settings = Settings(connectivity, tuple(str(rule) for rule in parse_rules(hits)), distances, nsd_tolerance_mm,
                        allow_missing, cluster_filter)
    return _score(reference, wanted, tuple(runs), settings, processes, extra=cases is None)


def score_controls(
    runs: Sequence[Run],
    *,
    connectivity: int = 26,
    hits: Sequence[str | HitRule] = ("any",),
    cluster_filter: ClusterFilter = STANDARD,
    processes: int = 1,
) -> Scores:
    """Clusters in predictions of subjects without a lesion: the reference is empty, and no folder of it is needed.

    Parameters
    ----------
    runs : sequence of Run
        The predictions; the cases are those of all folders together, and one that a run lacks is a problem.
    connectivity, hits, cluster_filter, processes
        As :func:`score_folders`.

    Returns
    -------
    Scores
        Rows with the status ``empty reference`` (clusters, all of them false) or ``both empty``.

    Raises
    ------
    NnunetTVError
        A folder is missing, or there are no predictions.
    """
    if not runs:
        raise NnunetTVError("no predictions of controls to score")
    _check_folders(runs)
    cases = sorted({name.removesuffix(ENDING) for run in runs for name in run.segmentations()})
    if not cases:
        raise NnunetTVError(f"{runs[0].raw}: expected predictions of controls (CASE{ENDING}), found none")
    settings = Settings(connectivity, tuple(str(rule) for rule in parse_rules(hits)),
                        cluster_filter=cluster_filter)
    return _score(None, cases, tuple(runs), settings, processes, extra=False)


def _check_folders(runs: Sequence[Run]) -> None:
    for run in runs:
        for folder in run.folders():
            if not folder.is_dir():
                raise NnunetTVError(f"{folder}: no such folder")
        for part in [*run.parts.values(), run]:
            if part.filtered is not None and part.filtered.resolve() == part.raw.resolve():
                raise NnunetTVError(f"{part.raw}: given as raw and as post-processed predictions of {run.group}; leave "
                                    "the second out and the filter is applied in memory")


def _score(reference: Path | None, cases: Sequence[str], runs: tuple[Run, ...], settings: Settings, processes: int, *,
           extra: bool) -> Scores:
    done = each_case(partial(score_one, reference=reference, runs=runs, settings=settings), cases,
                     processes=processes, label="score")
    order = {(run.group, run.run): position for position, run in enumerate(runs)}
    rows = [row for result in done for row in result.rows]
    rows.sort(key=lambda row: (order[row.group, row.run], STAGES.index(row.stage), row.case))
    candidates = [one for result in done for one in result.candidates]
    candidates.sort(key=lambda one: (order[one.group, one.run], one.case))
    inputs = {path: digest for result in done for path, digest in result.inputs.items()}
    return Scores(
        rows,
        [problem for result in done for problem in result.problems],
        [*(_extra_predictions(runs, cases) if extra else ()), *_equal_runs(runs, cases, inputs),
         *(warning for result in done for warning in result.warnings)],
        inputs,
        candidates,
    )


def _other_files(folder: Path, cases: Sequence[str]) -> list[str]:
    """Images in other formats whose case has no ``CASE.nii.gz``."""
    return sorted(path.name for path in folder.iterdir() if path.suffix in _OTHER_ENDINGS
                  and not path.name.startswith(".") and path.stem not in cases)


def _extra_predictions(runs: Sequence[Run], cases: Sequence[str]) -> list[str]:
    warnings = []
    for run in runs:
        for folder, names in run.extra({f"{case}{ENDING}" for case in cases}).items():
            shown = ", ".join(name.removesuffix(ENDING) for name in names)
            warnings.append(f"{folder}: {len(names)} predictions without a reference, not scored: {shown}")
    return warnings


def _equal_runs(runs: Sequence[Run], cases: Sequence[str], inputs: dict[str, str]) -> list[str]:
    """Runs whose files are the same, byte by byte: their spread would say nothing."""
    seen: dict[tuple, Run] = {}
    warnings = []
    for run in runs:
        digests = tuple(inputs.get(str(run.file(RAW, case))) for case in cases)
        first = seen.setdefault(digests, run)
        if first is not run and None not in digests:
            warnings.append(f"the predictions of {first.group}, run {first.run}, and {run.group}, run {run.run}, are "
                            f"the same files, byte by byte ({first.raw}, {run.raw}): not two independent runs")
    return warnings

"""Agreement of the predictions of two scans of one subject, without a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.metrics.agreement import Agreement, agreement
from nnunet_tv.postprocessing import ENDING
from nnunet_tv.scoring.case_scoring import ScoringOptions, grid_text, on_grid_of
from nnunet_tv.scoring.mask_file import read_mask_hashed
from nnunet_tv.scoring.rows import FILTERED, RAW, STAGES, add_parts
from nnunet_tv.scoring.runs import Run, segmentations
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.parallel import each_case


@dataclass(frozen=True)
class RescanRow:
    """One subject of one run at one stage."""

    case: str
    group: str
    run: int
    stage: str
    agreement: Agreement  #: of the first scan's prediction with the second's

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> RescanRow:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        return cls(**{**content, "agreement": Agreement(**content["agreement"])})


@dataclass
class Rescans:
    """Result of comparing, of one subject or of all."""

    rows: list[RescanRow] = field(default_factory=list)  #: group by group, run by run, stage by stage, case by case
    problems: list[str] = field(default_factory=list)  #: what could not be compared
    warnings: list[str] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)  #: SHA-256 of every file read, by path


@dataclass(frozen=True)
class _Pair:
    """Where a run's two predictions of a subject are; the first one's folders by preference."""

    run: Run
    first: tuple[Path, ...]


def compare_rescans(runs: Sequence[Run], controls: Sequence[Run] = (), *, options: ScoringOptions | None = None,
                    processes: int = 1) -> Rescans:
    """Compare the predictions in ``Run.rescan`` with those of the first scans, raw and filtered in memory.

    The subjects are those of a group's folders of second scans; every run of the group must have each of them. The
    first scan's prediction is in ``Run.raw`` or, for a healthy subject, in that of the `controls` of the same group
    and run; it needs no reference. Axis directions may differ. Both predictions are filtered by ``cluster_filter``, so
    that folders of filtered predictions are not used.

    Raises
    ------
    NnunetTVError
        A folder of second scans is missing or empty, or is a folder of first scans.
    """
    options = options or ScoringOptions()
    again = [run for run in runs if run.rescan is not None]
    healthy = {(run.group, run.run): run for run in controls}
    jobs: list[tuple[str, tuple[_Pair, ...]]] = []
    for group in dict.fromkeys(run.group for run in again):
        pairs = [_Pair(run, tuple(one.raw for one in (run, healthy.get((group, run.run))) if one is not None))
                 for run in again if run.group == group]
        cases = {case for pair in pairs for case in _second_scans(pair)}
        jobs += [(case, tuple(pairs)) for case in sorted(cases)]
    found = Rescans()
    add_parts(found, each_case(partial(_compare_case, options=options), jobs, processes=processes, label="rescans"))
    order = {(run.group, run.run): position for position, run in enumerate(again)}
    found.rows.sort(key=lambda row: (order[row.group, row.run], STAGES.index(row.stage), row.case))
    return found


def _second_scans(pair: _Pair) -> list[str]:
    folder = pair.run.rescan
    assert folder is not None  # chosen for it
    if not folder.is_dir():
        raise NnunetTVError(f"{folder}: no such folder of predictions of a second scan")
    if any(folder.resolve() == first.resolve() for first in pair.first):
        raise NnunetTVError(f"{folder}: given as predictions of the first and of the second scan of {pair.run.group}; "
                            "a prediction always agrees with itself")
    cases = segmentations(folder)
    if not cases:
        raise NnunetTVError(f"{folder}: expected predictions of a second scan (CASE{ENDING}), found none")
    return cases


def _compare_case(job: tuple[str, tuple[_Pair, ...]], *, options: ScoringOptions) -> Rescans:
    """All runs of one subject; what cannot be compared is a problem."""
    case, pairs = job
    found = Rescans()
    for pair in pairs:
        try:
            found.rows += _rows(case, pair, options, found)
        except CaseError as error:
            found.problems.append(str(error))
    return found


def _rows(case: str, pair: _Pair, options: ScoringOptions, found: Rescans) -> Iterator[RescanRow]:
    run, name = pair.run, f"{case}{ENDING}"
    assert run.rescan is not None

    def read(path: Path) -> Volume:
        volume, found.inputs[str(path)] = read_mask_hashed(path, case=case)
        return volume

    second_path, first_paths = run.rescan / name, [path for folder in pair.first if (path := folder / name).exists()]
    if not second_path.exists():
        raise CaseError(case, f"no prediction of the second scan by {run.group}, run {run.run}, while other runs have "
                        "one: predict it, or take the case out of them", second_path)
    if not first_paths:
        raise CaseError(case, f"a prediction of a second scan, but none of the first by {run.group}, run {run.run}: "
                        f"expected {' or '.join(str(folder / name) for folder in pair.first)}; predict it, or take the "
                        "case out", second_path)
    firsts, second = [read(path) for path in first_paths], read(second_path)
    if len({found.inputs[str(path)] for path in first_paths}) > 1:
        raise CaseError(case, f"{first_paths[0]} and {first_paths[1]} differ, so it is not known which is the "
                        "prediction of the first scan: leave one out")
    turned = on_grid_of(second, firsts[0])
    if turned is None:
        raise CaseError(case, f"geometry mismatch: the prediction of the second scan has {grid_text(second)}, that of "
                        f"the first {grid_text(firsts[0])}; bring both scans onto one grid before predicting",
                        second_path)
    keep = options.cluster_filter.filter_volume
    try:
        masks = {RAW: (firsts[0], turned), FILTERED: (keep(firsts[0]), keep(turned))}
    except ValueError as error:
        raise CaseError(case, f"the predictions cannot be filtered: {error}", second_path) from error
    if found.inputs[str(first_paths[0])] == found.inputs[str(second_path)] and firsts[0].data.any():
        found.warnings.append(f"{case}: {first_paths[0]} and {second_path} are the same file, byte by byte: not the "
                              "prediction of another scan")
    for stage, (first, again) in masks.items():
        yield RescanRow(case, run.group, run.run, stage, agreement(first.data, again.data, first.spacing_mm,
                                                                   connectivity=options.connectivity))

"""All cases of a plan into an nnU-Net raw folder; or the plan alone.

What is written at the end counts what is there: a case that failed is in neither imagesTr nor
``splits_final.json`` (nnU-Net stops at a name without a file) nor ``numTraining``, and is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.conversion.convert_case import Job, Outcome, convert_case
from nnunet_tv.conversion.folder import DATASET_JSON, PAGE, PLAN_SPLITS, PLAN_TABLE, SPLITS, TABLE, RawFolder
from nnunet_tv.conversion.plan import Plan, PlannedCase, missing_content
from nnunet_tv.conversion.splits import SEED, Fold, without
from nnunet_tv.conversion.table import CONVERTED, FAILED, FLAGGED, PLANNED, row, write_table
from nnunet_tv.preparation.qc_html import qc_page
from nnunet_tv.utils.files import read_json, write_if_changed, write_json
from nnunet_tv.utils.parallel import each_case


@dataclass(frozen=True)
class Report:
    """What a conversion (or a dry run) did.

    Attributes
    ----------
    failed : dict of str to str
        Problem of each case that is not in the data set.
    notes : dict of str to tuple of str
        What was noted on the other cases.
    remarks : tuple of str
        On the data set as a whole.
    incomplete : str
        Why no usable data set came out; empty if one did.
    counts : dict of str to int
        ``training``, ``test``, ``changed``.
    """

    failed: dict[str, str]
    notes: dict[str, tuple[str, ...]]
    remarks: tuple[str, ...] = ()
    incomplete: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every case is in, and the data set is usable."""
        return not self.failed and not self.incomplete


def dry_run(plan: Plan, root: Path) -> Report:
    """Write the plan (``conversion.plan.tsv``, ``splits_final.plan.json``) to `root`; read no voxels.

    The names differ from a conversion's, so that nothing takes one for the other.
    """
    RawFolder(root).create(root)
    failed, notes, rows = {}, {}, []
    for planned in plan.cases:
        source = planned.source
        if source.problem:
            failed[source.case] = source.problem
            rows.append(row(planned, plan.dataset.folder, status=FAILED, notes=[source.problem]))
            continue
        notes[source.case] = (*source.notes, *(f"content missing: {line}" for line in missing_content(source)))
        rows.append(row(planned, plan.dataset.folder, status=PLANNED, notes=notes[source.case]))
    write_table(rows, root / PLAN_TABLE)
    folds = without(plan.folds, set(failed))
    write_json(folds, root / PLAN_SPLITS)
    counts = _counts([case for case in plan.cases if case.source.case not in failed])
    notes = {case: lines for case, lines in notes.items() if lines}
    return Report(failed, notes, (*plan.dataset.remarks, *_left_out(plan), *_told_folds(folds)), counts=counts)


def convert(plan: Plan, root: Path, *, processes: int = 1) -> Report:
    """Convert every case of `plan` into the raw data set folder `root`.

    What is up to date stays; what an earlier run made and the plan no longer holds is deleted.

    Parameters
    ----------
    plan : Plan
        From :func:`nnunet_tv.conversion.plan.make_plan`.
    root : Path
        Such as ``nnUNet_raw/DatasetFCD``.
    processes : int
        Worker processes.

    Returns
    -------
    Report

    Raises
    ------
    NnunetTVError
        `root` holds files that are not ours, is in use, or a worker process died.
    """
    folder = RawFolder(root)
    with folder.opened(case.source.case for case in plan.cases):
        jobs = [_job(case, plan, folder) for case in plan.cases if not case.source.problem]
        done = each_case(convert_case, jobs, processes=processes, label="convert")
        outcomes = {outcome.case: outcome for outcome in done if isinstance(outcome, Outcome)}
        converted = {case for case, outcome in outcomes.items() if not outcome.problem}
        keep = {path for job in jobs if job.case in converted for path in job.outputs.values()}
        removed = folder.remove_others(keep, converted)
        return _finish(plan, folder, outcomes, converted, removed)


def _job(planned: PlannedCase, plan: Plan, folder: RawFolder) -> Job:
    source = planned.source
    channels = {name: source.channels[name] for name in plan.dataset.channels}
    return Job(source.case, channels, source.label, plan.dataset.label_on, plan.settings.registration, folder,
               planned.training, plan.settings.choices, plan.dataset.one_grid)


def _finish(
    plan: Plan, folder: RawFolder, outcomes: dict[str, Outcome], converted: set[str], removed: list[str]
) -> Report:
    failed, notes, rows = {}, {}, []
    for planned in plan.cases:
        source = planned.source
        outcome = outcomes.get(source.case, Outcome(source.case, problem=source.problem))
        told = [outcome.problem] if outcome.problem else [
            *(f"flagged: {flag}" for flag in outcome.flags), *source.notes, *outcome.notes]
        if outcome.problem:
            failed[source.case] = outcome.problem
        elif told:
            notes[source.case] = tuple(told)
        status = FAILED if outcome.problem else FLAGGED if outcome.flags else CONVERTED
        rows.append(row(planned, plan.dataset.folder, status=status, notes=told, digests=outcome.sha256))
    present = [case for case in plan.cases if case.source.case in converted]
    counts = _counts(present) | {"changed": sum(outcome.changed for outcome in outcomes.values())}
    folds = without(plan.folds, {case.source.case for case in plan.cases} - converted)
    incomplete = _incomplete(folds, counts)
    if incomplete:
        folder.begin_change()  # without a split nnU-Net would draw one of its own, and train on whoever comes
    else:
        _write_unless_equal(folds, folder.root / SPLITS)
    write_table(rows, folder.root / TABLE)
    if plan.settings.registration != "none":
        page = qc_page([outcomes.get(case.source.case, Outcome(case.source.case, problem=case.source.problem))
                        for case in plan.cases], registration=plan.settings.registration)
        write_if_changed(page, folder.root / PAGE)
    if not incomplete:
        _write_unless_equal(_dataset_json(plan, counts["training"]), folder.root / DATASET_JSON)
    for name in (PLAN_TABLE, PLAN_SPLITS):  # superseded
        (folder.root / name).unlink(missing_ok=True)
    remarks = (*_remarks(plan, outcomes, converted, removed), *_told_folds(folds))
    return Report(failed, notes, remarks, incomplete, counts)


def _incomplete(folds: list[Fold], counts: dict[str, int]) -> str:
    if not counts["training"]:
        return "no training case could be converted: the data set cannot be used"
    empty = [f"fold {number} has no {role} case" for number, fold in enumerate(folds)
             for role in ("train", "val", "selection") if not fold[role]]
    if empty:
        return (f"{empty[0]}, so that neither splits_final.json nor dataset.json was written: repair the cases that "
                "failed, or add cases")
    return ""


def _counts(cases: Iterable[PlannedCase]) -> dict[str, int]:
    training = [case.training for case in cases]
    return {"training": sum(training), "test": len(training) - sum(training)}


def _left_out(plan: Plan) -> list[str]:
    return [f"{plan.left_out} controls left out (--controls none)"] if plan.left_out else []


def _told_folds(folds: list[Fold]) -> list[str]:
    """One line per run of equal sizes, such as ``fold 0-9: 59 train, 12 val, 12 selection``."""
    sizes = [", ".join(f"{len(cases)} {role}" for role, cases in fold.items()) for fold in folds]
    lines, first = [], 0
    for number, size in enumerate(sizes):
        if number + 1 == len(sizes) or sizes[number + 1] != size:
            name = f"fold {first}" if first == number else f"folds {first}-{number}"
            lines.append(f"{name}: {size}")
            first = number + 1
    return lines


def _remarks(plan: Plan, outcomes: dict[str, Outcome], converted: set[str], removed: list[str]) -> tuple[str, ...]:
    lines = [*plan.dataset.remarks, *_left_out(plan)]
    if removed:
        lines.append(f"removed what an earlier conversion had made of {len(removed)} cases: {', '.join(removed)}")
    found: dict[str, int] = {}
    for case in sorted(converted):
        found[outcomes[case].orientation] = found.get(outcomes[case].orientation, 0) + 1
    if len(found) > 1 and plan.settings.registration == "none":
        told = ", ".join(f"{axes} {count}" for axes, count in sorted(found.items()))
        lines.append(f"the {plan.dataset.channels[0]} grids have different axes ({told}), which nnU-Net does not "
                     "turn: its flips and rotations mean different things in different cases")
    return tuple(lines)


def _dataset_json(plan: Plan, n_training: int) -> dict[str, Any]:
    dataset, settings = plan.dataset, plan.settings
    registered = {} if settings.registration == "none" else asdict(settings.choices)
    return {
        "name": dataset.name,
        "channel_names": {str(index): name for index, name in enumerate(dataset.channels)},
        "labels": dict(dataset.labels),
        "numTraining": n_training,
        "file_ending": ".nii.gz",
        "licence": dataset.licence,
        "reference": dataset.reference,
        "converted_by": f"nnunet-tv {__version__}",
        "conversion": {"split": settings.split, "seed": SEED, "runs": len(plan.folds),
                       "controls": settings.controls, "registration": settings.registration, **registered,
                       **dataset.options},
    }


def _write_unless_equal(content: Any, path: Path) -> None:
    """Write JSON unless the file already says so: a run that changes nothing touches nothing."""
    try:
        same = read_json(path) == content
    except (OSError, ValueError):
        same = False
    if not same:
        write_json(content, path)

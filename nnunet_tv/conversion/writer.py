"""All cases of a plan into an nnU-Net raw data set; or the plan alone.

The summary files describe what is there: a case that failed is in neither imagesTr, nor ``splits_final.json`` (nnU-Net
stops at a name without a file), nor ``numTraining``, and is reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.conversion.convert_case import ConversionJob
from nnunet_tv.conversion.folder import DATASET_JSON, PAGE, PLAN_SPLITS, PLAN_TABLE, SPLITS, TABLE, RawFolder
from nnunet_tv.conversion.plan import Plan, PlannedCase, missing_content
from nnunet_tv.conversion.splits import SEED, Fold, without
from nnunet_tv.preparation.qc_html import qc_page
from nnunet_tv.utils.case_outcome import CaseOutcome
from nnunet_tv.utils.files import read_json, write_if_changed, write_json
from nnunet_tv.utils.tables import write_tsv

COLUMNS = ("case", "sources", "sha256", "split", "status", "notes")


@dataclass(frozen=True)
class ConversionReport:
    """Result of a conversion, or of a dry run."""

    failed: dict[str, str]  #: problem of each case that is not in the data set
    notes: dict[str, tuple[str, ...]]  #: remarks on the other cases
    remarks: tuple[str, ...] = ()  #: on the data set as a whole
    incomplete: str = ""  #: why there is no usable data set; empty if there is one
    counts: dict[str, int] = field(default_factory=dict)  #: ``training``, ``test``, ``changed``

    @property
    def ok(self) -> bool:
        """Whether every case is in, and the data set is usable."""
        return not self.failed and not self.incomplete


def dry_run(plan: Plan, root: Path) -> ConversionReport:
    """Write the plan (``conversion.plan.tsv``, ``splits_final.plan.json``) to `root` without reading voxels.

    The names differ from a conversion's, so that the two cannot be confused.
    """
    RawFolder(root).create(root)
    outcomes = {}
    for planned in plan.cases:
        source = planned.source
        missing = () if source.problem else tuple(f"content missing: {line}" for line in missing_content(source))
        outcomes[source.case] = CaseOutcome(source.case, problem=source.problem, notes=missing)
    failed, notes, rows = _summary(plan, outcomes, "planned")
    write_tsv(COLUMNS, rows, root / PLAN_TABLE)
    folds = without(plan.folds, set(failed))
    write_json(folds, root / PLAN_SPLITS)
    return ConversionReport(failed, notes, (*_remarks(plan), *_fold_lines(folds)), counts=_counts(plan, failed))


def convert(plan: Plan, root: Path, *, processes: int = 1) -> ConversionReport:
    """Convert every case of `plan` into the raw data set folder `root`, such as ``nnUNet_raw/DatasetFCD``.

    What is up to date stays; files of an earlier run that the plan does not contain are deleted.

    Raises
    ------
    NnunetTVError
        `root` holds files that are not ours, is in use, or a worker process died.
    """
    folder = RawFolder(root)
    with folder.opened(case.source.case for case in plan.cases):
        jobs = [_job(case, plan, folder) for case in plan.cases if not case.source.problem]
        outcomes = {case.source.case: CaseOutcome(case.source.case, problem=case.source.problem)
                    for case in plan.cases}
        outcomes |= {outcome.case: outcome
                     for outcome in folder.process_all(jobs, processes=processes, label="convert")}
        converted = {case for case, outcome in outcomes.items() if not outcome.problem}
        keep = {path for job in jobs if job.case in converted for path in job.outputs.values()}
        removed = folder.remove_others(keep, converted)
        return _finish(plan, folder, outcomes, removed)


def _job(planned: PlannedCase, plan: Plan, folder: RawFolder) -> ConversionJob:
    source = planned.source
    channels = {name: source.channels[name] for name in plan.dataset.channels}
    return ConversionJob(
        case=source.case, folder=folder, channels=channels, label=source.label, label_on=plan.dataset.label_on,
        one_grid=plan.dataset.one_grid, space=plan.options.space, registration=plan.options.registration,
        training=planned.training)


def _finish(
    plan: Plan, folder: RawFolder, outcomes: Mapping[str, CaseOutcome], removed: Sequence[str]
) -> ConversionReport:
    """Write the summary files, dataset.json last."""
    failed, notes, rows = _summary(plan, outcomes, "converted")
    counts = _counts(plan, failed) | {"changed": sum(outcome.changed for outcome in outcomes.values())}
    folds = without(plan.folds, set(failed))
    incomplete = _incomplete(folds, counts)
    if incomplete:
        folder.begin_change()  # without a split nnU-Net would draw one of its own
    else:
        _write_unless_equal(folds, folder.root / SPLITS)
    write_tsv(COLUMNS, rows, folder.root / TABLE)
    if plan.options.space != "none":
        page = qc_page([outcomes[case.source.case] for case in plan.cases], registration=plan.options.space)
        write_if_changed(page, folder.root / PAGE)
    if not incomplete:
        _write_unless_equal(_dataset_json(plan, counts["training"]), folder.root / DATASET_JSON)
    for name in (PLAN_TABLE, PLAN_SPLITS):  # superseded
        (folder.root / name).unlink(missing_ok=True)
    remarks = _remarks(plan)
    if removed:
        remarks.append(f"removed what an earlier conversion had made of {len(removed)} cases: {', '.join(removed)}")
    axes = Counter(outcome.orientation for outcome in outcomes.values() if not outcome.problem)
    if len(axes) > 1 and plan.options.space == "none":
        found = ", ".join(f"{name} {count}" for name, count in sorted(axes.items()))
        remarks.append(f"the {plan.dataset.channels[0]} grids have different axes ({found}), which nnU-Net does not "
                       "turn: its flips and rotations mean different things in different cases")
    return ConversionReport(failed, notes, (*remarks, *_fold_lines(folds)), incomplete, counts)


def _summary(
    plan: Plan, outcomes: Mapping[str, CaseOutcome], success: str
) -> tuple[dict[str, str], dict[str, tuple[str, ...]], list[tuple[str, ...]]]:
    """Problems by case, remarks by case, and the rows of the table."""
    failed, notes = {}, {}
    rows: list[tuple[str, ...]] = []
    for planned in plan.cases:
        source, outcome = planned.source, outcomes[planned.source.case]
        remarks = [outcome.problem] if outcome.problem else [
            *(f"flagged: {flag}" for flag in outcome.flags), *source.notes, *outcome.notes]
        if outcome.problem:
            failed[source.case] = outcome.problem
        elif remarks:
            notes[source.case] = tuple(remarks)
        folder = plan.dataset.folder
        files = {name: path.relative_to(folder) if path.is_relative_to(folder) else path
                 for name, path in source.files.items()}
        rows.append((source.case, _named(files), _named(outcome.sha256), planned.split, outcome.status(success),
                     "; ".join(" ".join(remark.split()) for remark in remarks)))
    return failed, notes, rows


def _named(values: Mapping[str, object]) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())


def _incomplete(folds: list[Fold], counts: dict[str, int]) -> str:
    if not counts["training"]:
        return "no training case could be converted: the data set cannot be used"
    empty = [f"fold {number} has no {role} case" for number, fold in enumerate(folds)
             for role in ("train", "val", "selection") if not fold[role]]
    if empty:
        return (f"{empty[0]}, so that neither splits_final.json nor dataset.json was written: repair the cases that "
                "failed, or add cases")
    return ""


def _counts(plan: Plan, failed: Mapping[str, str]) -> dict[str, int]:
    training = [case.training for case in plan.cases if case.source.case not in failed]
    return {"training": sum(training), "test": len(training) - sum(training)}


def _remarks(plan: Plan) -> list[str]:
    left_out = [f"{plan.left_out} controls left out (--controls none)"] if plan.left_out else []
    return [*plan.dataset.remarks, *left_out]


def _fold_lines(folds: list[Fold]) -> list[str]:
    """One line per run of equal sizes, such as ``folds 0-9: 59 train, 12 val, 12 selection``."""
    sizes = [", ".join(f"{len(cases)} {role}" for role, cases in fold.items()) for fold in folds]
    lines = []
    for size, group in groupby(range(len(sizes)), key=lambda number: sizes[number]):
        first, *others = group
        lines.append(f"folds {first}-{others[-1]}: {size}" if others else f"fold {first}: {size}")
    return lines


def _dataset_json(plan: Plan, n_training: int) -> dict[str, Any]:
    dataset, options = plan.dataset, plan.options
    registered = {} if options.space == "none" else asdict(options.registration)
    return {
        "name": dataset.name,
        "channel_names": {str(index): name for index, name in enumerate(dataset.channels)},
        "labels": dict(dataset.labels),
        "numTraining": n_training,
        "file_ending": ".nii.gz",
        "licence": dataset.licence,
        "reference": dataset.reference,
        "converted_by": f"nnunet-tv {__version__}",
        "conversion": {"split": options.split, "seed": SEED, "runs": len(plan.folds), "controls": options.controls,
                       "registration": options.space, **registered, **dataset.options},
    }


def _write_unless_equal(content: Any, path: Path) -> None:
    """Write JSON unless the file has this content: a run that changes nothing touches nothing."""
    try:
        same = read_json(path) == content
    except (OSError, ValueError):
        same = False
    if not same:
        write_json(content, path)

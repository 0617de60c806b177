"""Write all cases of a plan as an nnU-Net raw data set, or the plan alone.

The summary files describe what is there: a case that failed is in neither imagesTr, nor ``splits_final.json`` (nnU-Net
stops at a name without a file), nor ``numTraining``, and is reported.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.conversion.convert_case import ConversionJob
from nnunet_tv.conversion.folder import DATASET_JSON, PAGE, PLAN_SPLITS, PLAN_TABLE, SPLITS, TABLE, RawFolder
from nnunet_tv.conversion.plan import Plan, missing_content
from nnunet_tv.conversion.splits import SEED, Fold, without
from nnunet_tv.preparation.qc_html import qc_page
from nnunet_tv.utils.case_outcome import CaseOutcome
from nnunet_tv.utils.files import json_text, write_if_changed, write_json
from nnunet_tv.utils.tables import write_tsv

COLUMNS = ("case", "sources", "sha256", "split", "status", "notes")


@dataclass(frozen=True)
class ConversionReport:
    """Result of a conversion, or of a dry run."""

    outcomes: tuple[CaseOutcome, ...]  #: one per case of the plan
    remarks: tuple[str, ...] = ()  #: on the data set as a whole
    incomplete: str = ""  #: why there is no usable data set; empty if there is one
    counts: Mapping[str, int] = field(default_factory=dict)  #: ``training``, ``test``, ``changed``

    @property
    def failed(self) -> dict[str, str]:
        """Problem of each case that is not in the data set."""
        return {outcome.case: outcome.problem for outcome in self.outcomes if outcome.problem}

    @property
    def ok(self) -> bool:
        """Whether every case is in, and the data set is usable."""
        return not self.failed and not self.incomplete


def dry_run(plan: Plan, root: Path) -> ConversionReport:
    """Write the plan to `root` under names that a conversion does not use, without reading voxels."""
    RawFolder(root).create(root)
    outcomes = _noted(plan, [CaseOutcome(case.source.case, problem=case.source.problem, notes=tuple(
        f"content missing: {line}" for line in missing_content(case.source))) for case in plan.cases])
    write_tsv(COLUMNS, _rows(plan, outcomes, "planned"), root / PLAN_TABLE)
    folds = without(plan.folds, {outcome.case for outcome in outcomes if outcome.problem})
    write_json(folds, root / PLAN_SPLITS)
    return ConversionReport(tuple(outcomes), (*_remarks(plan), *_fold_lines(folds)), counts=_counts(plan, outcomes))


def convert(plan: Plan, root: Path, *, processes: int = 1) -> ConversionReport:
    """Convert every case of `plan` into the folder `root`; files of an earlier run that it does not contain go."""
    folder = RawFolder(root)
    with folder.opened(case.source.case for case in plan.cases):
        jobs = [ConversionJob(case=case.source.case, folder=folder, source=case.source, training=case.training,
                              label_on=plan.dataset.label_on, one_grid=plan.dataset.one_grid,
                              space=plan.options.space, registration=plan.options.registration)
                for case in plan.cases if not case.source.problem]
        done = {outcome.case: outcome for outcome in folder.process_all(jobs, processes=processes, label="convert")}
        outcomes = [done.get(case.source.case) or CaseOutcome(case.source.case, problem=case.source.problem)
                    for case in plan.cases]
        converted = {outcome.case for outcome in outcomes if not outcome.problem}
        keep = {path for job in jobs if job.case in converted for path in job.outputs.values()}
        removed = folder.remove_others(keep, converted)
        return _finish(plan, folder, outcomes, removed)


def _noted(plan: Plan, outcomes: Sequence[CaseOutcome]) -> list[CaseOutcome]:
    """`outcomes` with the notes of the data set's layout."""
    return [outcome if outcome.problem else replace(outcome, notes=(*planned.source.notes, *outcome.notes))
            for planned, outcome in zip(plan.cases, outcomes, strict=True)]


def _finish(
    plan: Plan, folder: RawFolder, outcomes: Sequence[CaseOutcome], removed: Sequence[str]
) -> ConversionReport:
    """Write the summary files, dataset.json last."""
    counts = _counts(plan, outcomes) | {"changed": sum(outcome.changed for outcome in outcomes)}
    folds = without(plan.folds, {outcome.case for outcome in outcomes if outcome.problem})
    incomplete = _incomplete(folds, counts)
    if incomplete:
        folder.begin_change()  # without a split nnU-Net would draw one of its own
    else:
        write_if_changed(json_text(folds), folder.root / SPLITS)
    if plan.options.space != "none":
        write_if_changed(qc_page(outcomes, registration=plan.options.space), folder.root / PAGE)
    outcomes = _noted(plan, outcomes)
    write_tsv(COLUMNS, _rows(plan, outcomes, "converted"), folder.root / TABLE)
    if not incomplete:
        write_if_changed(json_text(_dataset_json(plan, counts["training"])), folder.root / DATASET_JSON)
    for name in (PLAN_TABLE, PLAN_SPLITS):  # superseded
        (folder.root / name).unlink(missing_ok=True)
    remarks = _remarks(plan)
    if removed:
        remarks.append(f"removed what an earlier conversion had made of {len(removed)} cases: {', '.join(removed)}")
    axes = Counter(outcome.orientation for outcome in outcomes if not outcome.problem)
    if len(axes) > 1 and plan.options.space == "none":
        found = ", ".join(f"{name} {count}" for name, count in sorted(axes.items()))
        remarks.append(f"the {plan.dataset.channels[0]} grids have different axes ({found}), which nnU-Net does not "
                       "turn: its flips and rotations mean different things in different cases")
    return ConversionReport(tuple(outcomes), (*remarks, *_fold_lines(folds)), incomplete, counts)


def remarks_of(outcome: CaseOutcome) -> list[str]:
    """The problem, or flags and notes."""
    return [outcome.problem] if outcome.problem else [*(f"flagged: {flag}" for flag in outcome.flags), *outcome.notes]


def _rows(plan: Plan, outcomes: Sequence[CaseOutcome], success: str) -> Iterator[tuple[str, ...]]:
    folder = plan.dataset.folder
    for planned, outcome in zip(plan.cases, outcomes, strict=True):
        files = {name: path.relative_to(folder) if path.is_relative_to(folder) else path
                 for name, path in planned.source.files.items()}
        yield (outcome.case, _named(files), _named(outcome.sha256), planned.split, outcome.status(success),
               "; ".join(" ".join(remark.split()) for remark in remarks_of(outcome)))


def _named(values: Mapping[str, object]) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())


def _incomplete(folds: list[Fold], counts: dict[str, int]) -> str:
    if not counts["training"]:
        return "no training case could be converted: the data set cannot be used"
    return next((f"fold {number} has no {role} case, so that neither splits_final.json nor dataset.json was written: "
                 "repair the cases that failed, or add cases"
                 for number, fold in enumerate(folds) for role, cases in fold.items() if not cases), "")


def _counts(plan: Plan, outcomes: Sequence[CaseOutcome]) -> dict[str, int]:
    training = [case.training for case, outcome in zip(plan.cases, outcomes, strict=True) if not outcome.problem]
    return {"training": sum(training), "test": len(training) - sum(training)}


def _remarks(plan: Plan) -> list[str]:
    left_out = [f"{plan.left_out} controls left out (--controls none)"] if plan.left_out else []
    return [*plan.dataset.remarks, *left_out, *plan.origin.remarks]


def _fold_lines(folds: list[Fold]) -> list[str]:
    """One line per run of equal sizes, such as ``folds 0-9: 59 train, 12 val, 12 selection``."""
    sizes = [", ".join(f"{len(cases)} {role}" for role, cases in fold.items()) for fold in folds]
    lines = []
    for size, group in groupby(range(len(sizes)), key=lambda number: sizes[number]):
        first, *others = group
        lines.append(f"folds {first}-{others[-1]}: {size}" if others else f"fold {first}: {size}")
    return lines


def _dataset_json(plan: Plan, n_training: int) -> dict[str, Any]:
    dataset, options, origin = plan.dataset, plan.options, plan.origin
    registered = {} if options.space == "none" else asdict(options.registration)
    return {
        "name": origin.name,
        "channel_names": {str(index): name for index, name in enumerate(dataset.channels)},
        "labels": dict(dataset.labels),
        "numTraining": n_training,
        "file_ending": ".nii.gz",
        "licence": origin.licence,
        "reference": origin.reference,
        "dataset_descriptions": list(origin.descriptions),
        "converted_by": f"nnunet-tv {__version__}",
        "conversion": {"split": options.split, "seed": SEED, "runs": len(plan.folds), "controls": options.controls,
                       "registration": options.space, **registered, **dataset.options, "synthetic": origin.synthetic},
    }

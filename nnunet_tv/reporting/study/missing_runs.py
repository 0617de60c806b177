"""Runs that were to be scored and were not, with their reasons."""

from collections.abc import Iterator

from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.tables.table import Table
from nnunet_tv.utils.numbers import counted


def missing_warning(record: Record) -> Iterator[str]:
    """A line over the tables, if a run is missing."""
    if record.missing_runs:
        planned = sum(len(scored) + len(_lost(record, group)) for group, scored in _scored(record).items())
        yield (f"{len(record.missing_runs)} of {counted(planned, 'run')} missing, so that the figures are of fewer "
               f"trainings than planned: {'; '.join(f'{one.group}, run {one.run}' for one in record.missing_runs)}. "
               "Reasons are in the notes.")


def missing_notes(record: Record) -> Iterator[str]:
    """Notes under Table 1: each missing run with its reason, and groups of which no run is left."""
    for one in record.missing_runs:
        yield f"Missing: {one.group}, run {one.run}: {one.reason}"
    if record.missing_runs:
        scored = _scored(record)
        for group in (group for group, runs in scored.items() if not runs):
            yield f"No run of {group} was scored, so it has no row."
        yield ("Figures are over the runs that were scored. If a run is missing for a reason that depends on its "
               "result, they are biased.")


def runs_table(record: Record) -> Table:
    """Numbers of runs of each group: planned, scored and missing, with the reasons."""
    rows: list[tuple[str | int, ...]] = []
    for group, scored in _scored(record).items():
        lost = _lost(record, group)
        rows.append((group, len(scored) + len(lost), len(scored), len(lost),
                     "; ".join(f"run {run}: {reason}" for run, reason in lost.items())))
    return Table("flow-runs", "Runs of each group", ("Group", "Runs planned", "Scored", "Missing", "Which, and why"),
                 tuple(rows), prose=True,
                 notes=("Planned is scored and missing together. Of a cross-validation, runs are folds: a fold that is "
                        "missing in one group is left out of all.",))


def _scored(record: Record) -> dict[str, set[int]]:
    """The scored runs of each group, also of one without any; of a pooled cross-validation its folds."""
    found: dict[str, set[int]] = {}
    for run in record.meta["runs"]:
        found.setdefault(run["group"], set()).update(range(len(run["folds"])) if "folds" in run else [run["run"]])
    return {**found, **{one.group: set() for one in record.missing_runs if one.group not in found}}


def _lost(record: Record, group: str) -> dict[int, str]:
    """Reason of each run of a group that was not scored."""
    pooled = any("folds" in run for run in record.meta["runs"])
    others = {one.run: f"left out, since it is missing in {one.group}" for one in record.missing_runs} if pooled else {}
    return dict(sorted({**others, **{one.run: one.reason for one in record.missing_runs
                                     if one.group == group}}.items()))

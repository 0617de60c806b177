"""Table 1: mean and standard deviation over runs, raw and post-processed.

The page shows it as ordinary tables (:func:`stage_table`). ``table1.md``, ``.csv`` and ``.tex`` hold both stages in one
file, which the writers here compose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from nnunet_tv.metrics.registry import NOT_RECORDED, TABLE_ONE, Measure
from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.reporting.groups import GroupStage, gather
from nnunet_tv.reporting.tables.table import Table, csv_text, escape_latex, latex_tabular, markdown_table
from nnunet_tv.scoring.rows import FILTERED, RAW, STAGES, CaseRow

TITLES = {RAW: "(a) Test results", FILTERED: "(b) Post-processed test results"}
COLUMNS = ("Group", "Runs", *(measure.short for measure in TABLE_ONE))
#: Measures that are pooled over subjects and given as means over subjects too.
_PER_SUBJECT = tuple(measure for measure in TABLE_ONE if measure.pooled_with)


@dataclass(frozen=True)
class RunSummary:
    """Mean and sample standard deviation (ddof = 1) over runs; None where undefined."""

    mean: float | None
    std: float | None
    runs: tuple[float | None, ...] | None  #: figures of the single runs; None if not published or not recorded
    n_runs: int

    @classmethod
    def of(cls, runs: Sequence[float | None]) -> RunSummary:
        """Summary of single runs; without a mean if any is undefined, since leaving it out biases the result."""
        values = [] if None in runs else [value for value in runs if value is not None]
        return cls(fmean(values) if values else None, stdev(values) if len(values) > 1 else None, tuple(runs),
                   len(runs))

    def __str__(self):
        if self.mean is not None:
            return f"{self.mean:.4f}" + ("" if self.std is None else f" ± {self.std:.4f}")
        if self.runs is None:
            return NOT_RECORDED
        return "undefined" + (f" in {self.runs.count(None)} of {self.n_runs} runs" if self.n_runs > 1 else "")

    def content(self) -> dict[str, Any]:
        """As ``report.json`` stores it; `n_runs` only where the runs are not given."""
        runs = {"runs": None, "n_runs": self.n_runs} if self.runs is None else {"runs": list(self.runs)}
        return {"mean": self.mean, "std": self.std, **runs}


@dataclass(frozen=True)
class TableOneRow:
    """A group at a stage."""

    group: str
    stage: str
    figures: dict[str, RunSummary]  #: by short name of the measure
    per_subject: dict[str, RunSummary]  #: means over subjects of the pooled ones

    def cells(self) -> list[str]:
        """Texts of :data:`COLUMNS`."""
        runs = next(iter(self.figures.values())).n_runs
        return [self.group, str(runs), *(str(self.figures.get(name, "–")) for name in COLUMNS[2:])]


def table_one(rows: Sequence[CaseRow]) -> list[TableOneRow]:
    """Table 1, stage by stage; ValueError for a row without a score, since leaving it out biases the result.

    Sens and Prec pool the voxels of all subjects of a run; DC is the mean over subjects with a lesion; sSens the share
    of these that are detected; nFPC the false clusters per subject, over all subjects.
    """
    return [TableOneRow(group.group, group.stage, _summaries(group, TABLE_ONE, pooled=True),
                        _summaries(group, _PER_SUBJECT, pooled=False)) for group in gather(rows)]


def _summaries(group: GroupStage, measures: Sequence[Measure], *, pooled: bool) -> dict[str, RunSummary]:
    found = {}
    for measure in measures:
        pool = pooled and bool(measure.pooled_with)
        figures = [_figure(scores, measure, pooled=pool) for scores in zip(*group.scores.values(), strict=True)]
        found[measure.short] = (RunSummary.of(figures) if pool or group.recorded(measure) else
                                RunSummary(None, None, None, len(group.runs)))
    return found


def _figure(scores: Sequence[CaseScore], measure: Measure, *, pooled: bool) -> float | None:
    """Figure of one run."""
    if pooled:
        tp, rest = sum(score.tp for score in scores), sum(getattr(score, measure.pooled_with) for score in scores)
        return tp / (tp + rest) if tp + rest else None
    values = [float(value) for score in scores if (value := measure.value(score)) is not None]
    return fmean(values) if values else None


def contents(rows: Sequence[TableOneRow], part: str) -> dict[str, dict[str, dict[str, Any]]]:
    """`figures` or `per_subject` of the rows as ``report.json`` stores them: group, stage, measure."""
    content: dict[str, dict[str, dict[str, Any]]] = {row.group: {} for row in rows}
    for row in rows:
        content[row.group][row.stage] = {name: summary.content() for name, summary in getattr(row, part).items()}
    return content


def stage_table(rows: Sequence[TableOneRow], stage: str, subjects: str, *, notes: Sequence[str] = ()) -> Table:
    """One stage as an ordinary table; `subjects` describes whom the figures are of."""
    return Table(
        f"table1-{stage}", f"{TITLES[stage]}, mean ± sample standard deviation over runs; {subjects}",
        (*COLUMNS, *(f"{measure.short}, per subject" for measure in _PER_SUBJECT)),
        tuple((*row.cells(), *(str(row.per_subject.get(measure.short, "–")) for measure in _PER_SUBJECT))
              for row in rows if row.stage == stage),
        notes=tuple(notes))


def to_markdown(rows: Sequence[TableOneRow], notes: Sequence[str]) -> str:
    """Both stages, the per-subject means and the notes as Markdown."""
    parts = ["# Table 1"]
    header = [*COLUMNS[:2], *(f"{measure.short}, mean over subjects" for measure in _PER_SUBJECT)]
    for stage in STAGES:
        shown = [row for row in rows if row.stage == stage]
        parts += [f"## {TITLES[stage]}", markdown_table(COLUMNS, [row.cells() for row in shown]), markdown_table(
            header, [[*row.cells()[:2], *map(str, row.per_subject.values())] for row in shown if row.per_subject])]
    return "\n\n".join([*parts, "## Notes", "\n".join(f"- {note}" for note in notes)]) + "\n"


def to_csv(rows: Sequence[TableOneRow]) -> str:
    """One line per group and stage in full precision; empty where undefined."""
    names = [*COLUMNS[2:], *(f"{measure.short}_per_subject" for measure in _PER_SUBJECT)]
    lines = []
    for row in sorted(rows, key=lambda row: STAGES.index(row.stage)):
        summaries = [*(row.figures.get(name) for name in COLUMNS[2:]),
                     *(row.per_subject.get(measure.short) for measure in _PER_SUBJECT)]
        figures = [figure for each in summaries for figure in ((each.mean, each.std) if each else (None, None))]
        lines.append([row.stage, row.group, row.cells()[1], *figures])
    header = [f"{name}_{part}" for name in names for part in ("mean", "std")]
    return csv_text(["stage", "group", "n_runs", *header], lines)


def to_latex(rows: Sequence[TableOneRow], notes: Sequence[str]) -> str:
    """Both stages as one table environment; needs no package."""
    lines = [r"\begin{table}", r"\centering"]
    for stage in STAGES:
        lines += [r"\par\medskip " + escape_latex(TITLES[stage]) + r"\par", *latex_tabular(
            COLUMNS, [row.cells() for row in rows if row.stage == stage], "lr" + "c" * len(TABLE_ONE))]
    lines += [r"\par\medskip\footnotesize " + " ".join(escape_latex(note) for note in notes), r"\end{table}"]
    return "\n".join(lines) + "\n"

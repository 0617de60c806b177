"""Table 1 from scored cases, as data, Markdown, CSV and LaTeX. No images here."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from nnunet_tv.metrics.scores import FILTERED, RAW, STAGES, CaseRow, CaseScore
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.tables.table import csv_text, escape_latex, latex_tabular, markdown_table

#: Measures of Table 1, in its order.
MEASURES = ("Sens", "Prec", "DC", "sSens", "nFPC")
#: Measures that are pooled in Table 1 and given as means over subjects too.
PER_SUBJECT = ("Sens", "Prec")
TITLES = {RAW: "(a) Test results", FILTERED: "(b) Post-processed test results"}
Groups = dict[str, dict[str, dict[str, dict[str, Any]]]]


def table_one(rows: Sequence[CaseRow]) -> Groups:
    """Table 1: ``{group: {stage: {measure: {"mean", "std", "runs"}}}}``.

    Sens and Prec pool the voxels of all subjects of a run; DC is the mean over subjects with a lesion; sSens
    the share of these with any true positive voxel; nFPC the false clusters per subject, over all subjects.

    Raises
    ------
    ValueError
        A row has no score: figures over the rest would flatter.
    """
    return _by_group(rows, pooled_measures, MEASURES)


def per_subject_table(rows: Sequence[CaseRow]) -> Groups:
    """Sens and Prec as means over subjects, in the structure of :func:`table_one`."""
    return _by_group(rows, per_subject_measures, PER_SUBJECT)


def pooled_measures(scores: Sequence[CaseScore]) -> dict[str, float | None]:
    """The measures of Table 1 for one run; None where undefined (nothing predicted, no lesion)."""
    tp, fp, fn = (sum(getattr(score, name) for score in scores) for name in ("tp", "fp", "fn"))
    with_lesion = [score for score in scores if score.n_lesions]
    return {
        "Sens": _share(tp, tp + fn),
        "Prec": _share(tp, tp + fp),
        "DC": _mean([score.dice for score in with_lesion]),
        "sSens": _mean([float(score.detected) for score in with_lesion]),
        "nFPC": _mean([float(score.n_false_clusters) for score in scores]),
    }


def per_subject_measures(scores: Sequence[CaseScore]) -> dict[str, float | None]:
    """Sens over subjects with a lesion, Prec over subjects with a prediction; None where there are none."""
    return {
        "Sens": _mean([score.tp / (score.tp + score.fn) for score in scores if score.tp + score.fn]),
        "Prec": _mean([score.tp / (score.tp + score.fp) for score in scores if score.tp + score.fp]),
    }


def summarise(runs: Sequence[float | None]) -> dict[str, Any]:
    """Mean and sample standard deviation (ddof = 1) over runs.

    The deviation of one run is None. A measure that is undefined in any run has no mean: leaving that run out
    would flatter.
    """
    defined = all(value is not None for value in runs)
    return {
        "mean": fmean(runs) if runs and defined else None,
        "std": stdev(runs) if len(runs) > 1 and defined else None,
        "runs": list(runs),
    }


def cell(value: dict[str, Any]) -> str:
    """One cell: ``0.3822 ± 0.0337``; how many runs are undefined where there is no mean."""
    if value["mean"] is None:
        undefined = sum(run is None for run in value["runs"])
        return "undefined" if len(value["runs"]) == 1 else f"undefined in {undefined} of {len(value['runs'])} runs"
    text = f"{value['mean']:.4f}"
    return text if value["std"] is None else f"{text} ± {value['std']:.4f}"


def table_rows(groups: Groups, stage: str, measures: Sequence[str] = MEASURES) -> list[list[str]]:
    """Rows of text for one stage: group, number of runs, one cell per measure."""
    rows = []
    for name, stages in groups.items():
        values = [stages[stage][measure] for measure in measures]
        rows.append([name, str(_n_runs(values[0])), *map(cell, values)])
    return rows


def to_markdown(groups: Groups, per_subject: Groups, notes: Sequence[str]) -> str:
    """Both stages, the per-subject means and the notes as Markdown."""
    parts = ["# Table 1"]
    for stage in STAGES:
        parts.append(f"## {TITLES[stage]}")
        parts.append(markdown_table(["Group", "Runs", *MEASURES], table_rows(groups, stage)))
        header = ["Group", "Runs", *(f"{name}, mean over subjects" for name in PER_SUBJECT)]
        parts.append(markdown_table(header, table_rows(per_subject, stage, PER_SUBJECT)))
    parts.append("## Notes")
    parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def to_csv(groups: Groups, per_subject: Groups) -> str:
    """One line per group and stage; empty where undefined."""
    columns = [f"{name}{suffix}" for name in MEASURES for suffix in ("_mean", "_std")]
    extra = [f"{name}_per_subject{suffix}" for name in PER_SUBJECT for suffix in ("_mean", "_std")]
    lines = []
    for stage in STAGES:
        for name, stages in groups.items():
            values = [stages[stage][measure] for measure in MEASURES]
            values += [per_subject.get(name, {}).get(stage, {}).get(measure, {}) for measure in PER_SUBJECT]
            numbers = [value.get(key) for value in values for key in ("mean", "std")]
            lines.append([stage, name, _n_runs(values[0]), *numbers])
    return csv_text(["stage", "group", "n_runs", *columns, *extra], lines)


def to_latex(groups: Groups, notes: Sequence[str]) -> str:
    """Both stages as one table environment; needs no package."""
    lines = [r"\begin{table}", r"\centering"]
    for stage in STAGES:
        lines += [r"\par\medskip " + escape_latex(TITLES[stage]) + r"\par",
                  *latex_tabular(["Group", "Runs", *MEASURES], table_rows(groups, stage), "lr" + "c" * len(MEASURES))]
    lines += [r"\par\medskip\footnotesize " + " ".join(escape_latex(note) for note in notes), r"\end{table}"]
    return "\n".join(lines) + "\n"


def _by_group(rows: Sequence[CaseRow], measures_of, names: Sequence[str]) -> Groups:
    groups: Groups = {}
    for part in gather(rows):
        values = [measures_of(scores) for scores in part.by_run()]
        groups.setdefault(part.group, {})[part.stage] = {
            name: summarise([run[name] for run in values]) for name in names
        }
    return groups


def _n_runs(value: dict[str, Any]) -> int:
    """Number of runs behind a value; quoted figures carry it, ours have the runs themselves."""
    return value["n_runs"] if value["runs"] is None else len(value["runs"])


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None

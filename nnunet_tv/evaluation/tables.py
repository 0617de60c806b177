"""Table 1 from scored cases, as data, Markdown, CSV and LaTeX. No images here."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from nnunet_tv.evaluation.folders import FILTERED, RAW, STAGES, CaseRow
from nnunet_tv.evaluation.measures import CaseScore

#: Measures of Table 1, in its order.
MEASURES = ("Sens", "Prec", "DC", "sSens", "nFPC")
#: Measures that are pooled in Table 1 and given as means over subjects too.
PER_SUBJECT = ("Sens", "Prec")
TITLES = {RAW: "(a) Test results", FILTERED: "(b) Post-processed test results"}
CASE_COLUMNS = ("case", "group", "run", "stage", "status", "tp", "fp", "fn", "dice", "detected", "n_false_clusters")
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
        parts.append(_markdown_table(["Group", "Runs", *MEASURES], table_rows(groups, stage)))
        header = ["Group", "Runs", *(f"{name}, mean over subjects" for name in PER_SUBJECT)]
        parts.append(_markdown_table(header, table_rows(per_subject, stage, PER_SUBJECT)))
    parts.append("## Notes")
    parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def to_csv(groups: Groups, per_subject: Groups) -> str:
    """One line per group and stage; empty where undefined."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [f"{name}{suffix}" for name in MEASURES for suffix in ("_mean", "_std")]
    extra = [f"{name}_per_subject{suffix}" for name in PER_SUBJECT for suffix in ("_mean", "_std")]
    writer.writerow(["stage", "group", "n_runs", *columns, *extra])
    for stage in STAGES:
        for name, stages in groups.items():
            values = [stages[stage][measure] for measure in MEASURES]
            values += [per_subject.get(name, {}).get(stage, {}).get(measure, {}) for measure in PER_SUBJECT]
            numbers = [value.get(key) for value in values for key in ("mean", "std")]
            writer.writerow([stage, name, _n_runs(values[0]), *numbers])
    return text.getvalue()


def to_latex(groups: Groups, notes: Sequence[str]) -> str:
    """Both stages as one table environment; needs no package."""
    lines = [r"\begin{table}", r"\centering"]
    for stage in STAGES:
        lines += [r"\par\medskip " + escape_latex(TITLES[stage]) + r"\par",
                  r"\begin{tabular}{lr" + "c" * len(MEASURES) + "}", r"\hline",
                  " & ".join(["Group", "Runs", *MEASURES]) + r" \\", r"\hline"]
        for row in table_rows(groups, stage):
            lines.append(" & ".join(escape_latex(text) for text in row) + r" \\")
        lines += [r"\hline", r"\end{tabular}"]
    lines += [r"\par\medskip\footnotesize " + " ".join(escape_latex(note) for note in notes), r"\end{table}"]
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    """`text` as plain LaTeX text."""
    special = {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
        "×": r"$\times$", "³": r"$^3$", ">": r"\textgreater{}", "<": r"\textless{}", "|": r"\textbar{}",
        "\n": " ", "·": r"$\cdot$",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
    return "".join(special.get(character, character) for character in text)


def cases_csv(rows: Sequence[CaseRow]) -> str:
    """Every case of every run and stage; figures are empty where nothing could be scored.

    ``detected`` is 1 or 0, and empty for a subject without lesion.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CASE_COLUMNS)
    for row in rows:
        score = row.score
        figures = [""] * 6 if score is None else [
            score.tp, score.fp, score.fn, score.dice, "" if score.detected is None else int(score.detected),
            score.n_false_clusters,
        ]
        writer.writerow([row.case, row.group, row.run, row.stage, row.status, *figures])
    return text.getvalue()


def _by_group(rows: Sequence[CaseRow], measures_of, names: Sequence[str]) -> Groups:
    lost = [row for row in rows if row.score is None]
    if lost:
        raise ValueError(f"{len(lost)} rows have no score, the first {lost[0].case} ({lost[0].status}): no table "
                         "is made of the rest")
    scores: dict[str, dict[str, dict[int, list[CaseScore]]]] = {}
    for row in rows:
        scores.setdefault(row.group, {}).setdefault(row.stage, {}).setdefault(row.run, []).append(row.score)
    groups: Groups = {}
    for group, stages in scores.items():
        for stage, runs in stages.items():
            values = [measures_of(runs[run]) for run in sorted(runs)]
            groups.setdefault(group, {})[stage] = {name: summarise([run[name] for run in values]) for name in names}
    return groups


def _n_runs(value: dict[str, Any]) -> int:
    """Number of runs behind a value; quoted figures carry it, ours have the runs themselves."""
    return value["n_runs"] if value["runs"] is None else len(value["runs"])


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([text.replace("|", r"\|") for text in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)

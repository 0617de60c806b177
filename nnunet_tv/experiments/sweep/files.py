"""Files of a sweep: the figures at each weight with their intervals, the curves, and the knee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nnunet_tv.experiments.sweep.knee import RULE, Knee, collapsed, find_knee
from nnunet_tv.metrics.registry import DETECTED, DICE, FALSE_CLUSTERS
from nnunet_tv.metrics.scores import BOTH_EMPTY, EMPTY_PREDICTION
from nnunet_tv.reporting.groups import GroupStage, gather
from nnunet_tv.reporting.record import read_record
from nnunet_tv.scoring.rows import FILTERED, RAW, STAGES, CaseRow
from nnunet_tv.utils.files import atomic, write_text

MEASURES = (FALSE_CLUSTERS, DETECTED, DICE)
#: Said wherever a weight is named.
CAUTION = ("A weight that is chosen by these figures was chosen on these cases: report its results on other cases, or "
           "choose it on the selection set.")


def write_sweep(report: Path, weights: Mapping[str, float], out: Path) -> Knee:
    """Write ``sweep.csv``, ``sweep.md`` and the curves as PNG and SVG from an earlier report; return the knee.

    `weights` gives the weight of each group of the report; those without a scored run are left out and named.
    """
    record = read_record(report)
    seed = record.settings["seed"]
    groups = {(weights[group.group], group.stage): group for group in gather(record.rows) if group.group in weights}
    found = sorted({weight for weight, _ in groups})
    table = _table(groups, found, record.rows, weights, seed)
    knee = find_knee(found, _false_clusters([groups[weight, RAW] for weight in found]), seed=seed)
    lacking = [f"{weight:g}" for weight in sorted(set(weights.values()) - set(found))]
    raw = table[table["stage"] == RAW]
    lost = collapsed(dict(zip(found, raw["empty predictions"], strict=True)))
    notes = [knee.text, RULE, *([CAUTION] if knee.weight is not None else []),
             *([f"No run was scored at the weights {', '.join(lacking)}."] if lacking else []),
             *([f"More than half of the predictions are empty at {', '.join(f'{each:g}' for each in lost)}: the "
                "trivial solution of the TV paper (4.7)."] if lost else []),
             "Figures are means over subjects, averaged over runs, with 95 % intervals over subjects; raw predictions "
             "and filtered ones."]
    _draw(table, knee, out)
    with atomic(out / "sweep.csv") as temporary:
        table.to_csv(temporary, index=False)
    lines = ["# Weight of the total variation", "", _markdown(table), "", *(f"- {note}" for note in notes)]
    write_text("\n".join(lines) + "\n", out / "sweep.md")
    return knee


def _table(groups: Mapping[tuple[float, str], GroupStage], weights: Sequence[float], rows: Sequence[CaseRow],
           names: Mapping[str, float], seed: int) -> pd.DataFrame:
    lines = []
    for stage in STAGES:
        for weight in weights:
            group = groups[weight, stage]
            own = [row for row in rows if names.get(row.group) == weight and row.stage == stage]
            line: dict[str, object] = {"weight": weight, "stage": stage, "runs": len(group.runs),
                                       "subjects": len(group.scores)}
            for measure in MEASURES:
                interval = group.interval(measure, seed=seed)
                line |= {measure.short: interval.value, f"{measure.short} low": interval.low,
                         f"{measure.short} high": interval.high}
            empty = sum(row.status in (EMPTY_PREDICTION, BOTH_EMPTY) for row in own)
            lines.append({**line, "empty predictions": empty / len(own)})
    return pd.DataFrame(lines)


def _false_clusters(groups: Sequence[GroupStage]) -> np.ndarray:
    """False clusters of each subject at each weight, shape (subjects, weights)."""
    columns = [group.subjects(FALSE_CLUSTERS.value) for group in groups]
    return np.array([[column[case] for column in columns] for case in columns[0]])


def _markdown(table: pd.DataFrame) -> str:
    lines = ["| Weight | Stage | Runs | " + " | ".join(measure.short for measure in MEASURES) + " | Empty |",
             "| --- | --- | --- | " + "--- | " * (len(MEASURES) + 1)]
    for _, row in table.iterrows():
        cells = [_cell(row, measure.short) for measure in MEASURES]
        lines.append(f"| {row['weight']:g} | {row['stage']} | {row['runs']} | {' | '.join(cells)} | "
                     f"{row['empty predictions']:.0%} |")
    return "\n".join(line.rstrip() for line in lines)


def _cell(row: pd.Series, name: str) -> str:
    if pd.isna(row[name]):
        return "–"
    bounds = "" if pd.isna(row[f"{name} low"]) else f" ({row[f'{name} low']:.4f} to {row[f'{name} high']:.4f})"
    return f"{row[name]:.4f}{bounds}"


def _draw(table: pd.DataFrame, knee: Knee, out: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(MEASURES), 3.6), layout="constrained")
    for axes, measure in zip(np.atleast_1d(figure.subplots(1, len(MEASURES))), MEASURES, strict=True):
        name = measure.short
        for stage, marker in ((RAW, "o"), (FILTERED, "s")):
            rows = table[table["stage"] == stage]
            value = rows[name].to_numpy(float)
            low, high = (rows[f"{name} {side}"].to_numpy(float) for side in ("low", "high"))
            bounds = np.nan_to_num(np.maximum([value - low, high - value], 0))
            axes.errorbar(rows["weight"], value, yerr=bounds, marker=marker, capsize=3, label=stage)
        if knee.weight is not None and measure is FALSE_CLUSTERS:
            axes.axvline(knee.weight, linestyle=":", color="grey", label=f"knee (raw): {knee.weight:g}")
        axes.set(xlabel="weight of the total variation", ylabel=name, ylim=(0, None))
        axes.legend(frameon=False)
    for ending in ("png", "svg"):
        with atomic(out / f"sweep.{ending}") as temporary:
            figure.savefig(temporary, dpi=150)

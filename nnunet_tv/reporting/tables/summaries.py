"""Figures of Table 1 with their intervals over subjects."""

from collections.abc import Sequence

import numpy as np

from nnunet_tv.metrics import registry
from nnunet_tv.metrics.registry import RATE
from nnunet_tv.reporting.groups import GroupStage, Value
from nnunet_tv.reporting.statistics import Interval, bootstrap, poisson_rate
from nnunet_tv.reporting.tables.table import Cell, Table


def pooled_interval(group: GroupStage, other: str, *, seed: int = 0) -> Interval:
    """True positive voxels over those and the `other` ones ("fn" or "fp"), pooled over subjects.

    With several runs the mean of their ratios; subjects are resampled, each with its voxels in all runs.
    """
    columns = [[figure for score in scores for figure in (score.tp, score.tp + getattr(score, other))]
               for scores in group.scores.values()]

    def mean_ratio(means: np.ndarray) -> np.ndarray:
        part, whole = means[:, 0::2], means[:, 1::2]
        return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan).mean(axis=1)

    return bootstrap(np.array(columns, float), mean_ratio, seed=seed)


def poisson_of_run(group: GroupStage, value: Value) -> Interval | str:
    """Exact Poisson interval of a count per subject, for one run; runs of a subject are not independent."""
    counts = group.subjects(value).values()
    return poisson_rate(round(sum(counts)), len(counts)) if group.one_run and counts else "–"


def uncertainty_table(groups: Sequence[GroupStage], *, seed: int = 0) -> Table:
    """Table 1's figures, each with its 95 % interval over subjects."""
    columns: dict[str, list[Cell]] = {}
    digits: dict[str, int] = {}
    for measure in registry.leading(registry.TABLE_ONE, "sSens", "nFPC", "DC"):
        pooled = measure.pooled_with
        name = f"{measure.short}, pooled" if pooled else measure.short
        columns[name] = [pooled_interval(group, pooled, seed=seed) if pooled else group.interval(measure, seed=seed)
                         for group in groups]
        digits[name] = measure.digits
        if measure.interval == RATE and any(group.one_run for group in groups):
            columns[f"{name}, exact Poisson"] = [poisson_of_run(group, measure.value) for group in groups]
    return Table(
        "uncertainty", "Figures with 95 % intervals over subjects", ("Group", "Stage", "Runs", *columns),
        tuple((group.group, group.stage, len(group.runs), *cells)
              for group, *cells in zip(groups, *columns.values(), strict=True)),
        digits=digits,
        notes=(
            "Intervals show how far a figure may be from that of more such patients; ± in Table 1 shows how training "
            "varies. Runs of a subject are averaged first: they are no further patients.",
            "sSens: Clopper-Pearson (exact binomial) for one run; for several, bootstrap over subjects, and "
            "Clopper-Pearson where all runs find every subject, or none.",
            f"Means and pooled ratios: percentile bootstrap over subjects, 10 000 resamples, seed {seed}. Where all "
            "subjects agree it has no width, and there is no interval.",
            "nFPC: bootstrap over subjects; where no false cluster was seen, exact Poisson. The Poisson column, for "
            "one run, takes false clusters as independent of each other; they gather in few subjects, which makes it "
            "too narrow.",
        ),
    )

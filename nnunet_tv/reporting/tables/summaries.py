"""Figures of Table 1 with their intervals over subjects."""

from collections.abc import Sequence

import numpy as np

from nnunet_tv.metrics import registry
from nnunet_tv.metrics.registry import RATE
from nnunet_tv.reporting.groups import GroupStage, Value
from nnunet_tv.reporting.statistics import RESAMPLES, Interval, mean_interval, poisson_rate
from nnunet_tv.reporting.tables.table import Cell, Table


def pooled_interval(group: GroupStage, other: str, *, seed: int = 0) -> Interval:
    """True positive voxels over those and the `other` ones ("fn" or "fp"), pooled over the subjects of each run.

    With several runs the mean of their ratios; subjects are resampled, each with its voxels in all runs.
    """
    scores = group.scores.values()
    true = np.array([[score.tp for score in runs] for runs in scores])
    return mean_interval(true, true + np.array([[getattr(score, other) for score in runs] for runs in scores]),
                         seed=seed, limits=(0.0, 1.0))


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
    poisson = ['Column "exact Poisson", for one run: false clusters as if independent of each other. They concentrate '
               "in few subjects, so that it is too narrow."] if any("exact Poisson" in name for name in columns) else []
    return Table(
        "uncertainty", "Figures with 95 % intervals over subjects", ("Group", "Stage", "Runs", *columns),
        tuple((group.group, group.stage, len(group.runs), *cells)
              for group, *cells in zip(groups, *columns.values(), strict=True)),
        digits=digits,
        notes=(
            "Intervals show how far a figure may be from that of more such patients; ± in Table 1 shows how training "
            "varies. Runs of a subject are averaged first: they are no further patients.",
            "sSens: Clopper-Pearson (exact binomial). With several runs, of the subjects' mean shares: the effective "
            "number of subjects is their number, however much the runs agree. Where most are found, one miss more "
            "never narrows it.",
            f"DC and pooled ratios: bootstrap-t over subjects, {RESAMPLES} resamples, seed {seed}; DC not beyond the "
            "Clopper-Pearson interval of the mean. Where all subjects agree there is no interval.",
            "nFPC: exact Poisson, where no subject has several false clusters; else Poisson with the dispersion of the "
            "counts between subjects (variance / mean, with Student's t), as of events / dispersion in subjects / "
            "dispersion. With several runs, of the subjects' mean counts. One false cluster more never gives a smaller "
            "upper bound nor, up to one per subject, a narrower interval. One or two subjects of whom one has several "
            "have no interval.",
            *poisson,
        ),
    )

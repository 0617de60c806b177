"""The table of all measures: means over subjects, undefined values, penalised means."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from nnunet_tv.metrics import registry
from nnunet_tv.metrics.registry import MEAN, RATE, SHARE, Measure
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import RESAMPLES
from nnunet_tv.reporting.tables.table import Cell, Table

#: How the interval of each kind of measure is computed: see :meth:`GroupStage.interval`.
_INTERVALS = {
    SHARE: "Clopper-Pearson on the number of subjects",
    RATE: "Poisson with the dispersion of the counts between subjects (exact Poisson where no subject has several)",
    MEAN: f"bootstrap-t over subjects, {RESAMPLES} resamples, seed {{seed}}; for values from 0 to 1 not beyond the "
          "Clopper-Pearson interval of their mean",
}


def endpoint_notes(endpoints: Sequence[Measure], *, seed: int | None = None) -> list[str]:
    """Notes of a table of endpoints: the definition of each; with the `seed`, how its interval is computed."""
    notes = [f"{endpoint.short_label} ({endpoint.title}): {endpoint.explanation}" for endpoint in endpoints]
    return notes if seed is None else [f"{note} Interval: {_INTERVALS[endpoint.interval].format(seed=seed)}."
                                       for note, endpoint in zip(notes, endpoints, strict=True)]


def measures_table(
    groups: Sequence[GroupStage], *, distances: bool, settings: Mapping[str, Any], seed: int = 0
) -> Table:
    """Every measure but those of Table 1, and `distances` if measured: mean, number undefined, penalised mean.

    `settings` are those of the report, which stand in the names and definitions.
    """
    shown = [measure.with_settings(settings) for measure in registry.MEASURES
             if (measure.pooled_with or not measure.in_table_one)
             and (distances or registry.DISTANCES not in measure.needs)]
    rows = [(measure, (group.group, group.stage, measure.label, *figures))
            for group in groups for measure in shown if (figures := _mean_and_penalised(group, measure, seed))]
    shares = [measure.title for measure in shown if measure.interval == SHARE]
    defined = [f"{measure.label}: {measure.explanation}" for measure in shown
               if any(measure is row_measure for row_measure, _ in rows)]
    return Table(
        "measures", "All measures, means over subjects",
        ("Group", "Stage", "Measure", "Mean where defined", "Undefined", "Worst value", "Penalised mean"),
        tuple(row for _, row in rows), row_digits=tuple(measure.digits for measure, _ in rows),
        folded=True,
        notes=(
            *defined,
            "Undefined: of all scores (subjects × runs) to which the measure applies. The mean where defined leaves "
            "these out, which biases it: a missed lesion has no distance. The penalised mean takes the worst value in "
            "their place; – where none can be undefined.",
            "Means: over the subjects for which the measure is defined, in each run, and then over runs. Intervals: "
            f"{_INTERVALS[MEAN].format(seed=seed)}. {', '.join(shares)}: {_INTERVALS[SHARE]}.",
        ),
    )


def _mean_and_penalised(group: GroupStage, measure: Measure, seed: int) -> tuple[Cell, ...]:
    """Cells of a measure; empty where no probabilities were given for one that needs them."""
    worst = measure.worst if isinstance(measure.worst, str) else "–" if measure.worst is None else f"{measure.worst:g}"
    if not group.recorded(measure):
        unrecorded = group.interval(measure)
        return unrecorded, "–", worst, unrecorded
    scores = list(chain(*group.scores.values()))
    values = [measure.value(score) for score in scores if measure.applies(score)]
    if registry.PROBABILITIES in measure.needs and not any(value is not None for value in values):
        return ()
    if measure.interval == SHARE:
        share = group.interval(measure)
        return share, f"{values.count(None)} of {len(values)}", worst, share
    limits = measure.limits
    if measure.worst == registry.IMAGE_DIAGONAL:  # no distance is larger
        limits = limits[0], max(score.worst_mm for score in scores)
    defined, penalised = (group.mean(value, limits=limits, seed=seed) for value in (measure.value, measure.penalised))
    return defined, f"{values.count(None)} of {len(values)}", worst, penalised

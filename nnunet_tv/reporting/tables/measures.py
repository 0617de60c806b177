"""The table of all measures: means over subjects, undefined values, penalised means."""

from collections.abc import Sequence
from itertools import chain

from nnunet_tv.metrics import registry
from nnunet_tv.metrics.registry import HEADLINE, LESION, PREDICTION, Measure
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import RESAMPLES
from nnunet_tv.reporting.tables.table import Cell, Table


def measures_table(groups: Sequence[GroupStage], *, distances: bool, seed: int = 0) -> Table:
    """Every measure but those of Table 1, and `distances` if measured: mean, number undefined, penalised mean."""
    shown = [measure for measure in registry.MEASURES if measure not in HEADLINE
             and (distances or registry.DISTANCES not in measure.needs)]
    rows = [(measure, (group.group, group.stage, measure.label, *figures))
            for group in groups for measure in shown if (figures := _mean_and_penalised(group, measure, seed))]
    return Table(
        "measures", "All measures, means over subjects",
        ("Group", "Stage", "Measure", "Mean where defined", "Undefined", "Worst value", "Penalised mean"),
        tuple(row for _, row in rows), row_digits=tuple(measure.digits for measure, _ in rows),
        notes=(
            "Undefined: of all scores (subjects × runs) to which the measure applies. "
            f"{_titles(shown, LESION)} apply to subjects with a lesion; {_titles(shown, PREDICTION)} to subjects with "
            "a lesion or a prediction. Average precision is that of the probabilities, which the filter does not "
            "change.",
            "The mean where defined leaves missed lesions out, which biases it; the penalised mean takes the worst "
            "value for each undefined score: 0, or for distances the image's diagonal. Lower is better for "
            f"{', '.join(measure.title for measure in shown if not measure.higher_is_better) or 'none of them'}, "
            "higher for the others.",
            "HD95: the larger of the two directed 95th percentiles; MASD: mean of the two directed means; ASSD: "
            "pooled; NSD at 2 mm. Both empty: Dice 1, NSD 1, distances 0; one empty: Dice 0, NSD 0, distances "
            "undefined.",
            "Means: over the subjects for which the measure is defined, in each run, and then over runs. Intervals: "
            f"bootstrap-t over subjects, {RESAMPLES} resamples, seed {seed}.",
        ),
    )


def _titles(measures: Sequence[Measure], need: str) -> str:
    return ", ".join(measure.title for measure in measures if need in measure.needs)


def _mean_and_penalised(group: GroupStage, measure: Measure, seed: int) -> tuple[Cell, ...]:
    """Cells of a measure; empty where no probabilities were given for one that needs them."""
    worst = measure.worst if isinstance(measure.worst, str) else f"{measure.worst:g}"
    if not group.recorded(measure):
        return group.interval(measure), "–", worst, group.interval(measure)
    values = [measure.value(score) for score in chain(*group.scores.values()) if measure.applies(score)]
    if registry.PROBABILITIES in measure.needs and not any(value is not None for value in values):
        return ()
    limits = measure.limits
    defined, penalised = (group.mean(value, limits=limits, seed=seed) for value in (measure.value, measure.penalised))
    return defined, f"{values.count(None)} of {len(values)}", worst, penalised

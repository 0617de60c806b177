"""Tables of one group at a time: figures with intervals, all measures, hit rules, lesions lost to the filter."""

from collections.abc import Sequence
from functools import partial
from itertools import chain

import numpy as np

from nnunet_tv.metrics import registry
from nnunet_tv.metrics.registry import HEADLINE, LESION, PREDICTION, RATE, Measure
from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.reporting.groups import GroupStage, Value
from nnunet_tv.reporting.statistics import Interval, bootstrap, poisson_rate, rate_interval, share_interval
from nnunet_tv.reporting.tables.table import Cell, Table
from nnunet_tv.scoring.rows import FILTERED, CaseRow


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
            f"Intervals: percentile bootstrap over subjects, 10 000 resamples, seed {seed}.",
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
    defined, penalised = (bootstrap(list(group.subjects(value).values()), seed=seed)
                          for value in (measure.value, measure.penalised))
    return defined, f"{values.count(None)} of {len(values)}", worst, penalised


def _hit_count(score: CaseScore, *, rule: str, count: str) -> float | None:
    return getattr(score.hits[rule], count)


def rules_table(groups: Sequence[GroupStage], *, seed: int = 0) -> Table:
    """Detection and false clusters under every hit rule given."""
    rows = []
    for group in groups:
        scores = list(chain(*group.scores.values()))
        lesions = sum(score.n_lesions for score in scores)
        for number, rule in enumerate(scores[0].hits):
            seen, false = (list(group.subjects(partial(_hit_count, rule=rule, count=count)).values())
                           for count in ("detected", "n_false_clusters"))
            found = sum(score.hits[rule].n_lesions_found for score in scores)
            rows.append((group.group, group.stage, rule + (" (primary)" if number == 0 else ""),
                         share_interval(seen, seed=seed, one_run=group.one_run), rate_interval(false, seed=seed),
                         f"{found} of {lesions}"))
    return Table(
        "hit-rules", "How much the hit rule matters",
        ("Group", "Stage", "Hit rule", "sSens", "nFPC", "Lesions found"), tuple(rows),
        notes=(
            "any: one shared voxel. overlap:F: at least the share F of the lesion's voxels (for a cluster to be true: "
            "of the cluster's). center: a cluster's centre of mass is in the lesion. distance:D: at most D mm "
            "between voxel centres; MELD counts a border zone of 20 mm.",
            "A cluster that is not true by the rule is a false one. Lesions found: summed over runs; a subject may "
            "have several lesions. All other tables use the primary rule.",
        ),
    )


def lost_table(rows: Sequence[CaseRow]) -> Table:
    """True lesions lost to the filter, by step; without rows where every filtered segmentation came as a file."""
    before = {(row.group, row.run, row.case): row.score.n_lesions_hit for row in rows
              if row.stage != FILTERED and row.score is not None}
    filtered = [row for row in rows if row.stage == FILTERED and row.lost is not None]
    lines = []
    for group in dict.fromkeys(row.group for row in filtered):
        ours = [row for row in filtered if row.group == group]
        hit = sum(before.get((group, row.run, row.case), 0) for row in ours)
        lost = [[getattr(row.lost, step) for row in ours] for step in ("by_filter", "by_opening", "by_size")]
        lines.append((group, len(ours), hit, *("not known" if None in numbers else sum(numbers) for numbers in lost)))
    return Table(
        "lost-lesions", "True lesions lost by the filter",
        ("Group", "Scores", "Lesions found before", "Lost", "by opening", "by size"), tuple(lines),
        notes=(
            "Lesions found by the raw prediction and no longer found after the filter, by the primary hit rule, summed "
            "over subjects and runs. Opening erases any sheet two voxels thick, which is the shape of thickened "
            "cortex.",
            "Not known: the step, for filtered segmentations given as files.",
        ),
    )

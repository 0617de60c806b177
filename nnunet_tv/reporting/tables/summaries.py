"""Tables of one group at a time: figures with intervals, all measures, hit rules, lesions lost by the filter."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_tv.metrics.scores import DISTANCES_MM, FILTERED, MEASURE_KEYS, CaseRow, CaseScore
from nnunet_tv.reporting.groups import GroupStage, Value, detected, dice, false_clusters, has_lesion
from nnunet_tv.reporting.statistics import Interval, bootstrap, poisson_rate, rate_interval, share_interval
from nnunet_tv.reporting.tables.table import Table

#: How a reader finds the measures of :class:`CaseScore` named.
MEASURE_NAMES = {
    "sensitivity": "Sensitivity (voxels)", "precision": "Precision (voxels)", "f2": "F2", "hd95_mm": "HD95 (mm)",
    "masd_mm": "MASD (mm)", "assd_mm": "ASSD (mm)", "nsd": "NSD", "lesion_precision": "Precision (clusters)",
    "lesion_recall": "Recall (lesions)", "lesion_f1": "F1 (lesions)", "average_precision": "Average precision",
}
_NEEDS_LESION = ("sensitivity", "lesion_recall", "average_precision")
_NEEDS_PREDICTION = ("precision", "lesion_precision")


def detection_interval(group: GroupStage, *, seed: int = 0) -> Interval:
    """sSens: share of the subjects with a lesion that are detected."""
    return share_interval(list(group.subjects(detected).values()), seed=seed, one_run=group.one_run)


def dice_interval(group: GroupStage, *, seed: int = 0) -> Interval:
    """DC: mean over subjects with a lesion."""
    return bootstrap(list(group.subjects(dice).values()), seed=seed)


def false_cluster_interval(group: GroupStage, *, seed: int = 0) -> Interval:
    """nFPC: false clusters per subject, over all subjects."""
    return rate_interval(list(group.subjects(false_clusters).values()), seed=seed)


def pooled_interval(group: GroupStage, other: str, *, seed: int = 0) -> Interval:
    """Voxels found of the lesions' (`other` = "fn") or of the predicted ones ("fp"), pooled over subjects.

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
    rows, single = [], any(group.one_run for group in groups)
    for group in groups:
        rows.append((
            group.group, group.stage, len(group.runs), detection_interval(group, seed=seed),
            false_cluster_interval(group, seed=seed), *([poisson_of_run(group, false_clusters)] if single else []),
            dice_interval(group, seed=seed), pooled_interval(group, "fn", seed=seed),
            pooled_interval(group, "fp", seed=seed),
        ))
    return Table(
        "uncertainty", "Figures with 95 % intervals over subjects",
        ("Group", "Stage", "Runs", "sSens", "nFPC", *(["nFPC, exact Poisson"] if single else []), "DC", "Sens, pooled",
         "Prec, pooled"),
        tuple(rows),
        notes=(
            "An interval says how far the figure may be from that of more such patients; ± in Table 1 says how "
            "training varies. Runs of a subject are averaged first: they are no further patients.",
            "sSens: Clopper-Pearson (exact binomial) for one run; for several, bootstrap over subjects, and "
            "Clopper-Pearson where all runs find every subject, or none.",
            f"Means and pooled ratios: percentile bootstrap over subjects, 10 000 resamples, seed {seed}. Where all "
            "subjects agree it says nothing, and there is no interval.",
            "nFPC: bootstrap over subjects; where no false cluster was seen, exact Poisson. The Poisson column, for "
            "one run, takes false clusters as independent of each other; they gather in few subjects, which makes it "
            "too narrow.",
        ),
    )


def measures_table(groups: Sequence[GroupStage], *, distances: bool, seed: int = 0) -> Table:
    """Every measure: mean where defined, how often undefined, and the mean with the worst value in its place.

    Parameters
    ----------
    groups : sequence of GroupStage
        As :func:`nnunet_tv.reporting.groups.gather` gives them.
    distances : bool
        Whether distances were asked for; without, their None is not a missing value.
    seed : int
        Of the bootstrap.
    """
    keys = [key for key in MEASURE_KEYS if distances or key not in (*DISTANCES_MM, "nsd")]
    rows = []
    for group in groups:
        for key in keys:
            every = [score for scores in group.scores.values() for score in scores if _applies(key, score)]
            missing = sum(score.measures.get(key) is None for score in every)
            if key == "average_precision" and missing == len(every):  # no probabilities were given
                continue
            plain = group.subjects(lambda score, key=key: score.measures.get(key))
            penalised = group.subjects(lambda score, key=key: _penalised(key, score))
            rows.append((group.group, group.stage, MEASURE_NAMES[key], bootstrap(list(plain.values()), seed=seed),
                         f"{missing} of {len(every)}", "image diagonal" if key in DISTANCES_MM else "0",
                         bootstrap(list(penalised.values()), seed=seed)))
    return Table(
        "measures", "All measures, means over subjects",
        ("Group", "Stage", "Measure", "Mean where defined", "Undefined", "Worst value", "Penalised mean"), tuple(rows),
        notes=(
            "Undefined: of all scores (subjects × runs) to which the measure applies. Sensitivity, recall and average "
            "precision apply to subjects with a lesion; precision to subjects with a lesion or a prediction. Average "
            "precision is that of the probabilities, which the filter does not change.",
            "The mean where defined leaves missed lesions out and flatters; the penalised mean takes the worst value "
            "for each undefined score: 0, or for distances the image's diagonal.",
            "HD95: the larger of the two directed 95th percentiles; MASD: mean of the two directed means; ASSD: "
            "pooled; NSD at 2 mm. Both empty: Dice 1, NSD 1, distances 0; one empty: Dice 0, NSD 0, distances "
            "undefined.",
            f"Intervals: percentile bootstrap over subjects, 10 000 resamples, seed {seed}.",
        ),
    )


def _applies(key: str, score: CaseScore) -> bool:
    if key in _NEEDS_LESION:
        return has_lesion(score)
    return has_lesion(score) or score.n_clusters > 0 if key in _NEEDS_PREDICTION else True


def _penalised(key: str, score: CaseScore) -> float | None:
    value = score.measures.get(key)
    if value is None and _applies(key, score):
        return score.worst_mm if key in DISTANCES_MM else 0.0
    return value


def rules_table(groups: Sequence[GroupStage], *, seed: int = 0) -> Table:
    """Detection and false clusters under every hit rule that was asked for."""
    rows = []
    for group in groups:
        first = next(iter(group.scores.values()), ())
        for number, rule in enumerate(first[0].hits if first else ()):
            seen = group.subjects(lambda score, rule=rule: score.hits[rule].detected)
            false = group.subjects(lambda score, rule=rule: score.hits[rule].n_false_clusters)
            found = sum(score.hits[rule].n_lesions_found for scores in group.scores.values() for score in scores)
            lesions = sum(score.n_lesions for scores in group.scores.values() for score in scores)
            rows.append((group.group, group.stage, rule + (" (primary)" if number == 0 else ""),
                         share_interval(list(seen.values()), seed=seed, one_run=group.one_run),
                         rate_interval(list(false.values()), seed=seed), f"{found} of {lesions}"))
    return Table(
        "hit-rules", "How much the hit rule matters",
        ("Group", "Stage", "Hit rule", "sSens", "nFPC", "Lesions found"), tuple(rows),
        notes=(
            "any: one shared voxel. overlap:F: at least the share F of the lesion's voxels (for a cluster to be true: "
            "of the cluster's). center: a cluster's centre of mass lies in the lesion. distance:D: at most D mm "
            "between voxel centres; MELD counts a border zone of 20 mm.",
            "A cluster that is not true by the rule is a false one. Lesions found: summed over runs; a subject may "
            "have several lesions. All other tables use the primary rule.",
        ),
    )


def lost_table(rows: Sequence[CaseRow]) -> Table:
    """True lesions that the filter lost, by step; empty where every filtered segmentation is without a record."""
    found: dict[str, list[CaseRow]] = {}
    for row in rows:
        if row.stage == FILTERED and row.lost is not None:
            found.setdefault(row.group, []).append(row)
    before = {(row.group, row.run, row.case): row.score.n_lesions_hit for row in rows
              if row.stage != FILTERED and row.score is not None}
    lines = []
    for group, filtered in found.items():
        hit = sum(before.get((group, row.run, row.case), 0) for row in filtered)
        lost = [[getattr(row.lost, step) for row in filtered] for step in ("by_filter", "by_opening", "by_size")]
        lines.append((group, len(filtered), hit,
                      *("not known" if None in numbers else sum(numbers) for numbers in lost)))
    return Table(
        "lost-lesions", "True lesions lost by the filter",
        ("Group", "Scores", "Lesions found before", "Lost", "by opening", "by size"), tuple(lines),
        notes=(
            "Lesions found by the raw prediction and no longer found after the filter, by the primary hit rule, summed "
            "over subjects and runs. Opening erases any sheet two voxels thick, which is the shape of thickened "
            "cortex.",
            "Not known: filtered segmentations that were given as files do not tell the step.",
        ),
    )

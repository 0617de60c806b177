"""Table of pooled clusters and lesions: the share of clusters that are true, the share of lesions that are found."""

from collections.abc import Callable, Sequence

from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import Interval, cluster_share, pooled_share
from nnunet_tv.reporting.tables.patients_controls import Pair
from nnunet_tv.reporting.tables.table import Cell, Table

Count = Callable[[CaseScore], int]
#: In place of figures of a group without controls.
NO_CONTROLS = "–"


def cluster_table(groups: Sequence[GroupStage], pairs: Sequence[Pair] = ()) -> Table:
    """Predictive value of clusters and sensitivity for lesions, under every hit rule; `pairs` add the controls."""
    of_name = {(pair.references.group, pair.references.stage): pair for pair in pairs}
    rows = []
    for group in groups:
        pair = of_name.get((group.group, group.stage))
        rules = next(iter(group.scores.values()))[0].hits
        for number, rule in enumerate(rules):
            rows.append((group.group, group.stage, len(group.runs), rule + (" (primary)" if number == 0 else ""),
                         *_true_clusters([group], rule),
                         *(_with_controls(pair, rule) if pairs else ()),
                         *_found_lesions(group, rule)))
    controls = ("True clusters, controls included", "Cluster PPV, controls included") if pairs else ()
    return Table(
        "cluster-ppv", "Clusters that are true, and lesions that are found",
        ("Group", "Stage", "Runs", "Hit rule", "True clusters", "Cluster PPV", *controls, "Lesions found",
         "Lesion sensitivity"), tuple(rows),
        notes=(
            "Cluster PPV (pooled positive predictive value): true clusters / all predicted clusters of all subjects "
            "with references. One subject with many false clusters weighs more than many with one; the mean over "
            "subjects is Precision (clusters) among all measures. Lesion sensitivity: lesions found / all lesions; a "
            "subject may have several. The hit rules are explained above.",
            *(("Controls included: the clusters of the controls, all of them false, are added, in the runs that both "
               f"have. {NO_CONTROLS}: no controls of this group.",) if pairs else ()),
            "Several runs: the counts of a subject are summed over its runs.",
            "Interval of cluster PPV: on each side the wider of two. One combines the intervals of true and of false "
            "clusters per subject (Poisson with the dispersion, as for nFPC) for their ratio (MOVER, Donner and Zou "
            "2012); the other is Clopper-Pearson with an effective number of clusters, p (1 − p) / linearised variance "
            "of the ratio over subjects, with Student's t (Korn and Graubard 1998). The lower bound is at most that of "
            "fewer false clusters, and that of k in k, for the k subjects with a true cluster. One false cluster never "
            "gives a narrower interval than none. n: subjects with a cluster.",
            "Interval of lesion sensitivity: Clopper-Pearson with an effective number of subjects, p (1 − p) / "
            "linearised variance, at most the number n of subjects with a lesion. One run and one lesion in each "
            "subject: that of sSens.",
        ),
    )


def _with_controls(pair: Pair | None, rule: str) -> tuple[Cell, Cell]:
    return (NO_CONTROLS, NO_CONTROLS) if pair is None else _true_clusters([pair.references, pair.controls], rule)


def _true_clusters(groups: Sequence[GroupStage], rule: str) -> tuple[str, Interval]:
    true, false = (_by_subject(groups, count) for count in (
        lambda score: score.hits[rule].n_true_clusters, lambda score: score.hits[rule].n_false_clusters))
    return _of(true, [sum(pair) for pair in zip(true, false, strict=True)]), cluster_share(
        true, false, runs=len(groups[0].runs))


def _found_lesions(group: GroupStage, rule: str) -> tuple[str, Interval]:
    found, lesions = (_by_subject([group], count) for count in (
        lambda score: score.hits[rule].n_lesions_found, lambda score: score.n_lesions))
    return _of(found, lesions), pooled_share(found, lesions)


def _by_subject(groups: Sequence[GroupStage], count: Count) -> list[int]:
    """A count of each subject, summed over its runs."""
    return [sum(map(count, scores)) for group in groups for scores in group.scores.values()]


def _of(part: Sequence[int], whole: Sequence[int]) -> str:
    return f"{sum(part)} of {sum(whole)}"

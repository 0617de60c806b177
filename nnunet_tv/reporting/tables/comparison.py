"""Groups compared in pairs over the same subjects, with the primary endpoint named before.

Two questions have a table each: whether these trained models differ (new subjects, the same models), and whether the
groups differ as ways of training (new subjects and new runs).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np

from nnunet_tv.metrics.registry import ENDPOINTS, NOT_RECORDED, SHARE, Measure
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import difference_of_trainings, holm, paired_difference
from nnunet_tv.reporting.tables.table import Cell, PValue, Table
from nnunet_tv.scoring.rows import FILTERED, RAW, STAGES
from nnunet_tv.utils.errors import NnunetTVError

PRIMARY, SECONDARY, FILTER, ACROSS = "primary", "secondary", "effect of the filter", "across stages"
#: Fewest pairs that differ with which an exact test can reach 0.05: 2 / 2^6.
_FEWEST = 6
#: A test of a pair by an endpoint: cells from the means on, p, and the number of pairs that differ.
_Test = Callable[[Measure, GroupStage, GroupStage], tuple[tuple[Cell, ...], float | None, int | None]]
_FAMILIES = (
    f"Families: {PRIMARY} (the primary endpoint, all pairs of groups at the same stage), {SECONDARY} (the other "
    f"endpoints), {FILTER} (raw and filtered of one group), {ACROSS} (raw of one group and filtered of another). "
    f"Holm's correction runs over each family by itself; all but {PRIMARY} are exploratory."
)
_STAGES = ", raw against filtered"


@dataclass(frozen=True)
class _Comparison:
    """A pair of groups, an endpoint, and the family to which the test belongs."""

    family: str
    endpoint: Measure
    first: GroupStage
    second: GroupStage

    def names(self) -> tuple[Cell, ...]:
        """Cells of the family, the endpoint, the stages and the groups."""
        first, second = self.first, self.second
        if first.stage == second.stage:
            return self.family, self.endpoint.short, first.stage, f"{second.group} − {first.group}"
        groups = (first.group if first.group == second.group else
                  f"{second.group}, {second.stage} − {first.group}, {first.stage}")
        return self.family, self.endpoint.short, f"{second.stage} − {first.stage}", groups


def check_primary(primary: str) -> None:
    """Raise NnunetTVError unless `primary` is an endpoint."""
    if primary not in ENDPOINTS:
        raise NnunetTVError(f"primary endpoint {primary!r}: expected one of {', '.join(ENDPOINTS)}")


def comparison_table(
    groups: Sequence[GroupStage], *, primary: str = "DC", stages: bool = False, seed: int = 0
) -> Table:
    """Compare the trained models by every endpoint: every pair of groups at one stage, or raw with filtered (`stages`).

    Raises NnunetTVError for another endpoint than those of the registry.
    """
    def test(endpoint: Measure, first: GroupStage, second: GroupStage) -> tuple[tuple[Cell, ...], float | None, int]:
        one, two = first.subjects(endpoint.value), second.subjects(endpoint.value)
        cases = [case for case in one if case in two]
        found = paired_difference([one[case] for case in cases], [two[case] for case in cases], seed=seed)
        binary = endpoint.interval == SHARE and first.one_run and second.one_run
        return ((*_means(endpoint, one, two, cases), found.interval, f"{found.n_less} / {found.n_more}",
                 "McNemar" if binary else "permutation"), found.p, found.n_differ)

    comparisons = _comparisons(groups, primary, stages)
    rows, few = _rows(comparisons, test, 4)
    warnings = () if not few else (
        f"Fewer than {_FEWEST} subjects differ, so that no exact test can reach p < 0.05, in {len(few)} of "
        f"{len(comparisons)} comparisons: {'; '.join(few[:6])}{'; …' if len(few) > 6 else ''}.",)
    return Table(
        "comparisons-stages" if stages else "comparisons",
        f"These trained models compared, paired over subjects{_STAGES if stages else ''}; primary endpoint {primary}",
        ("Family", "Endpoint", "Stage", "Second − first", "Means", "Difference", "Higher in first / second", "Test",
         "p", "p, Holm"), rows,
        row_digits=tuple(one.endpoint.digits for one in comparisons), warnings=warnings,
        notes=(
            f"The primary endpoint is {primary} and has to be chosen before results are seen (--primary). {_FAMILIES}",
            "The question is whether these models differ on further subjects. It is not whether the losses differ: "
            "another training with the same loss is another model. The table of losses answers that, for groups of "
            "several runs.",
            "Runs of a subject are averaged first. Permutation test of the mean paired difference: all exchanges up to "
            f"16 subjects that differ, else 10 000 random ones (seed {seed}). For sSens of one run it is McNemar's "
            "exact test.",
            "Difference: with the 95 % interval of the differences that the same test does not reject; it excludes 0 "
            "where p is at most 0.05. There is none where no difference can be rejected, or where all subjects differ "
            "by the same. A large p is no proof of equality: read the interval.",
            "Higher in first / second: subjects by the direction of their difference; for sSens of one run the "
            "discordant pairs of McNemar's test.",
        ),
    )


def trainings_table(groups: Sequence[GroupStage], *, primary: str = "DC", stages: bool = False) -> Table:
    """Compare the groups as ways of training, over subjects and runs; without rows where no group has several runs."""
    def test(endpoint: Measure, first: GroupStage, second: GroupStage) -> tuple[tuple[Cell, ...], float | None, None]:
        cases = [case for case in first.scores if case in second.scores and all(
            endpoint.value(score) is not None for group in (first, second) for score in group.scores[case])]
        one, two = (np.array([[endpoint.value(score) for score in group.scores[case]] for case in cases],
                             float).reshape(len(cases), len(group.runs)) for group in (first, second))
        interval, p = difference_of_trainings(one, two, same_runs=first.group == second.group)
        if first.group in repeated or second.group in repeated:
            interval, p = replace(interval, low=None, high=None), None
        means = [dict(zip(cases, table.mean(axis=1).tolist(), strict=True)) for table in (one, two)]
        return ((f"{len(first.runs)}, {len(second.runs)}", *_means(endpoint, means[0], means[1], cases), interval), p,
                None)

    twice = [(group.group, _repeated_runs(group)) for group in groups]
    repeated = {name: runs for name, runs in twice if runs and all(other for of, other in twice if of == name)}
    comparisons = [one for one in _comparisons(groups, primary, stages)
                   if not (one.first.one_run or one.second.one_run)]
    rows, _ = _rows(comparisons, test, 3)
    warnings = [f"{name}: runs {' and '.join(map(str, runs))} have the same results in every subject, as of one "
                "training given twice. How trainings vary is then not known, so that this group has no p here."
                for name, runs in repeated.items()]
    if one := dict.fromkeys(group.group for group in groups if group.one_run):
        warnings.append(f"{', '.join(one)}: one run, so that nothing is known of how its training varies; not compared "
                        "here.")
    if two := dict.fromkeys(group.group for group in groups if len(group.runs) == 2):
        warnings.append(f"{', '.join(two)}: two runs, whose spread rests on one difference. Equal losses then differ "
                        "with p < 0.05 in up to 12 % of simulations, instead of 5 %. Train at least three times.")
    return Table(
        "comparisons-trainings-stages" if stages else "comparisons-trainings",
        f"Losses (or other groups) compared as ways of training{_STAGES if stages else ''}; primary endpoint {primary}",
        ("Family", "Endpoint", "Stage", "Second − first", "Runs", "Means", "Difference", "p", "p, Holm"), rows,
        row_digits=tuple(one.endpoint.digits for one in comparisons), warnings=tuple(warnings) if rows else (),
        notes=(
            "The question is whether the groups differ on further subjects and after further trainings: what a claim "
            "about a loss needs. Subjects and runs are both samples here; the table of trained models takes the runs "
            "as fixed.",
            "Variance of the difference: that of the subjects' mean differences over the number of subjects, plus that "
            "of the run means over the number of runs of each group, minus the residual in both (at least the "
            "residual). p and 95 % interval: "
            "Student's t with Satterthwaite's degrees of freedom (quasi-F test of two crossed random factors). The "
            "filter is applied to the same runs, so that only the difference varies. Subjects in whom the figure is "
            "undefined in a run are left out here.",
            _FAMILIES,
        ),
    )


def _repeated_runs(group: GroupStage) -> tuple[int, int] | None:
    """Two runs with the same scores in every subject, of any prediction."""
    seen: dict[tuple[tuple[int, ...], ...], int] = {}
    for run, scores in zip(group.runs, zip(*group.scores.values(), strict=True), strict=True):
        content = tuple((score.tp, score.fp, score.n_clusters, score.n_false_clusters) for score in scores)
        if any(map(any, content)) and seen.setdefault(content, run) != run:
            return seen[content], run
    return None


def _comparisons(groups: Sequence[GroupStage], primary: str, stages: bool) -> list[_Comparison]:
    """All comparisons at one stage, or (`stages`) of raw with filtered, family by family."""
    check_primary(primary)
    others = [measure for name, measure in ENDPOINTS.items() if name != primary]
    every = [ENDPOINTS[primary], *others]
    by_stage = {stage: [group for group in groups if group.stage == stage] for stage in STAGES}
    if stages:
        filtered = {group.group: group for group in by_stage[FILTERED]}
        own = [(group, filtered[group.group]) for group in by_stage[RAW] if group.group in filtered]
        across = [(first, filtered[second.group]) for first, second in permutations(by_stage[RAW], 2)
                  if second.group in filtered]
        families = [(FILTER, every, own), (ACROSS, every, across)]
    else:
        same = [pair for stage in STAGES for pair in combinations(by_stage[stage], 2)]
        families = [(PRIMARY, every[:1], same), (SECONDARY, others, same)]
    return [_Comparison(family, endpoint, first, second) for family, endpoints, pairs in families
            for endpoint in endpoints for first, second in pairs]


def _means(
    endpoint: Measure, first: dict[str, float], second: dict[str, float], cases: Sequence[str]
) -> tuple[Cell, ...]:
    if not cases:
        return ("–",)
    return (", ".join(f"{sum(values[case] for case in cases) / len(cases):.{endpoint.digits}f}"
                      for values in (first, second)),)


def _rows(
    comparisons: Sequence[_Comparison], test: _Test, unknown: int
) -> tuple[tuple[tuple[Cell, ...], ...], list[str]]:
    """Rows with p adjusted in each family, and the comparisons in which few subjects differ.

    `unknown` cells stand for a test by an endpoint that an earlier report did not record; a test without p is not
    counted in its family.
    """
    tested: list[tuple[_Comparison, tuple[Cell, ...], float | None, str]] = []
    few = []
    for one in comparisons:
        if not (one.first.recorded(one.endpoint) and one.second.recorded(one.endpoint)):
            tested.append((one, (NOT_RECORDED,) * unknown, None, NOT_RECORDED))
            continue
        cells, p, differ = test(one.endpoint, one.first, one.second)
        tested.append((one, cells, p, "undefined"))
        if differ is not None and p is not None and differ < _FEWEST:
            few.append(f"{', '.join(map(str, one.names()[1:]))} ({differ})")
    adjusted: dict[int, float] = {}
    for family in dict.fromkeys(one.family for one in comparisons):
        found = [(number, p) for number, (one, _, p, _) in enumerate(tested) if one.family == family and p is not None]
        adjusted |= dict(zip((number for number, _ in found), holm([p for _, p in found]), strict=True))
    rows = tuple((*one.names(), *cells, *((none, none) if p is None else (PValue(p), PValue(adjusted[number]))))
                 for number, (one, cells, p, none) in enumerate(tested))
    return rows, few

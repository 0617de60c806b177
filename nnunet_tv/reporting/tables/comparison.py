"""Groups against each other: paired over the same subjects, the primary endpoint named before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from nnunet_tv.metrics.scores import STAGES, CaseScore
from nnunet_tv.reporting.groups import GroupStage, detected, dice, false_clusters
from nnunet_tv.reporting.statistics import bootstrap, holm, mcnemar, permutation_test
from nnunet_tv.reporting.tables.table import PValue, Table
from nnunet_tv.utils.errors import NnunetTVError

#: Endpoints, and what each is of one score.
ENDPOINTS: dict[str, Callable[[CaseScore], float | None]] = {
    "DC": dice, "sSens": detected, "nFPC": false_clusters,
}


def comparison_table(groups: Sequence[GroupStage], *, primary: str = "DC", seed: int = 0) -> Table:
    """Every pair of groups, stage by stage and endpoint by endpoint.

    Parameters
    ----------
    groups : sequence of GroupStage
        As :func:`nnunet_tv.reporting.groups.gather` gives them.
    primary : {"DC", "sSens", "nFPC"}
        The endpoint that was chosen before looking; its comparisons are one family for Holm's correction, those of
        the other endpoints another.
    seed : int
        Of permutations and bootstrap.

    Returns
    -------
    Table
        Without rows for a single group.

    Raises
    ------
    NnunetTVError
        Another endpoint.
    """
    check_primary(primary)
    names = [primary, *(name for name in ENDPOINTS if name != primary)]
    rows, few = [], False
    for family in (names[:1], names[1:]):
        tested = [_compare(first, second, endpoint, seed)
                  for endpoint in family for stage in STAGES
                  for first, second in combinations([group for group in groups if group.stage == stage], 2)]
        adjusted = holm([p for _, p in tested])
        which = "primary" if family == names[:1] else "secondary"
        rows += [(which, *row, PValue(p), PValue(corrected))
                 for (row, p), corrected in zip(tested, adjusted, strict=True)]
        few = few or any(row[4].n < 6 for row, _ in tested)
    warnings = ("With fewer than 6 pairs no exact test can reach p < 0.05, whatever the difference.",) if few else ()
    return Table(
        "comparisons", f"Comparisons, paired over subjects; primary endpoint {primary}",
        ("Family", "Endpoint", "Stage", "Second − first", "Means", "Difference", "Test", "p", "p, Holm"), tuple(rows),
        warnings=warnings,
        notes=(
            f"The primary endpoint is {primary}"
            " and has to be chosen before results are seen (--primary). Holm's correction runs over its comparisons "
            "(all pairs of groups, raw and filtered), and apart from them over those of the other endpoints, which "
            "are exploratory.",
            "Runs of a subject are averaged first. DC and nFPC: permutation test of the mean paired difference (all "
            "exchanges up to 16 subjects that differ, else 10 000 seeded). sSens: McNemar's exact test for one run "
            "each, else the permutation test of the share of runs that detect the subject.",
            "A large p is no proof of equality: look at the interval of the difference (percentile bootstrap over "
            f"subjects, seed {seed}).",
        ),
    )


def check_primary(primary: str) -> None:
    """Raise unless `primary` is an endpoint."""
    if primary not in ENDPOINTS:
        raise NnunetTVError(f"primary endpoint {primary!r}: expected one of {', '.join(ENDPOINTS)}")


def _compare(first: GroupStage, second: GroupStage, endpoint: str, seed: int) -> tuple[tuple, float]:
    value = ENDPOINTS[endpoint]
    one, two = first.subjects(value), second.subjects(value)
    cases = [case for case in one if case in two]
    a, b = [one[case] for case in cases], [two[case] for case in cases]
    binary = endpoint == "sSens" and first.one_run and second.one_run
    p = mcnemar(a, b) if binary else permutation_test(a, b, seed=seed)
    difference = bootstrap([y - x for x, y in zip(a, b, strict=True)], seed=seed)
    means = f"{sum(a) / len(a):.3f}, {sum(b) / len(b):.3f}" if cases else "–"
    row = (endpoint, first.stage, f"{second.group} − {first.group}", means, difference,
           "McNemar" if binary else "permutation")
    return row, p

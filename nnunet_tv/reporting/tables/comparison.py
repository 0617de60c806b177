"""Groups compared in pairs over the same subjects, with the primary endpoint named before."""

from collections.abc import Sequence
from itertools import combinations

from nnunet_tv.metrics.registry import ENDPOINTS, NOT_RECORDED, SHARE, Measure
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import Interval, bootstrap, holm, mcnemar, permutation_test
from nnunet_tv.reporting.tables.table import Cell, PValue, Table
from nnunet_tv.scoring.rows import STAGES
from nnunet_tv.utils.errors import NnunetTVError


def comparison_table(groups: Sequence[GroupStage], *, primary: str = "DC", seed: int = 0) -> Table:
    """Compare every pair of groups by every endpoint; the comparisons of `primary` are one family, the others another.

    Raises NnunetTVError for another endpoint than those of the registry.
    """
    check_primary(primary)
    others = [measure for name, measure in ENDPOINTS.items() if name != primary]
    pairs = [pair for stage in STAGES
             for pair in combinations([group for group in groups if group.stage == stage], 2)]
    rows: list[tuple[Cell, ...]] = []
    for family, endpoints in (("primary", [ENDPOINTS[primary]]), ("secondary", others)):
        compared = [_compare(endpoint, *pair, seed=seed) for endpoint in endpoints for pair in pairs]
        adjusted = iter(holm([p for _, p in compared if p is not None]))
        rows += [(family, *row, *((NOT_RECORDED,) * 2 if p is None else (PValue(p), PValue(next(adjusted)))))
                 for row, p in compared]
    few = any(isinstance(cell, Interval) and cell.n < 6 for row in rows for cell in row)
    warnings = ("With fewer than 6 pairs no exact test can reach p < 0.05, whatever the difference.",) if few else ()
    return Table(
        "comparisons", f"Comparisons, paired over subjects; primary endpoint {primary}",
        ("Family", "Endpoint", "Stage", "Second − first", "Means", "Difference", "Test", "p", "p, Holm"), tuple(rows),
        row_digits=tuple(ENDPOINTS[str(row[1])].digits for row in rows), warnings=warnings,
        notes=(
            f"The primary endpoint is {primary}"
            " and has to be chosen before results are seen (--primary). Holm's correction runs over its comparisons "
            "(all pairs of groups, raw and filtered), and apart from them over those of the other endpoints, which "
            "are exploratory.",
            "Runs of a subject are averaged first. sSens: McNemar's exact test for one run each, else the permutation "
            "test of the share of runs that detect the subject. Other endpoints: permutation test of the mean paired "
            "difference (all exchanges up to 16 subjects that differ, else 10 000 seeded).",
            "A large p is no proof of equality: read the interval of the difference (percentile bootstrap over "
            f"subjects, seed {seed}).",
        ),
    )


def check_primary(primary: str) -> None:
    """Raise unless `primary` is an endpoint."""
    if primary not in ENDPOINTS:
        raise NnunetTVError(f"primary endpoint {primary!r}: expected one of {', '.join(ENDPOINTS)}")


def _compare(
    endpoint: Measure, first: GroupStage, second: GroupStage, *, seed: int
) -> tuple[tuple[Cell, ...], float | None]:
    """Cells from the endpoint to the test, and p; None where an earlier report did not record the endpoint."""
    names = endpoint.short, first.stage, f"{second.group} − {first.group}"
    if not (first.recorded(endpoint) and second.recorded(endpoint)):
        return (*names, *[NOT_RECORDED] * 3), None
    one, two = first.subjects(endpoint.value), second.subjects(endpoint.value)
    cases = [case for case in one if case in two]
    a, b = [one[case] for case in cases], [two[case] for case in cases]
    binary = endpoint.interval == SHARE and first.one_run and second.one_run
    p = mcnemar([x > 0 for x in a], [y > 0 for y in b]) if binary else permutation_test(a, b, seed=seed)
    difference = bootstrap([y - x for x, y in zip(a, b, strict=True)], seed=seed)
    means = ", ".join(f"{sum(values) / len(values):.{endpoint.digits}f}" for values in (a, b)) if cases else "–"
    return (*names, means, difference, "McNemar" if binary else "permutation"), p

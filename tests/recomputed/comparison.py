"""The two tables of comparisons: permutation tests with all permutations, and the quasi-F test of trainings."""

from itertools import combinations, permutations

import numpy as np
from recomputed.compare import interval
from recomputed.intervals import ERRORS, RESAMPLES, Between
from recomputed.scores import STAGES
from recomputed.study import GROUPS, RUNS
from scipy import stats

COLUMNS = {"DC": "dice", "sSens": "detected", "nFPC": "n_false_clusters"}
EXACT = 16
TIE = 1e-9


def pairs_of_one_stage():
    """(family, endpoint, stage, name, first (group, stage), second) in the order of the tables; DC is primary."""
    for family in ("primary", "secondary"):
        for endpoint in ("DC",) if family == "primary" else ("sSens", "nFPC"):
            for stage in STAGES:
                for a, b in combinations(GROUPS, 2):
                    yield family, endpoint, stage, f"{b} − {a}", (a, stage), (b, stage)


def pairs_of_stages():
    """As above, raw against filtered."""
    for endpoint in COLUMNS:
        for group in GROUPS:
            yield "effect of the filter", endpoint, "filtered − raw", group, (group, "raw"), (group, "filtered")
    for endpoint in COLUMNS:
        for a, b in permutations(GROUPS, 2):
            yield "across stages", endpoint, "filtered − raw", f"{b}, filtered − {a}, raw", (a, "raw"), (b, "filtered")


def values(scores, endpoint, group, stage):
    cases = {} if endpoint == "nFPC" else {"cases": scores.lesion_cases()}
    return scores.table(COLUMNS[endpoint], group, stage, **cases)


def all_flips(differences):
    """Sum of the differences, and their number, that are flipped, in each of the 2^n exchanges."""
    total, number = np.zeros(1), np.zeros(1)
    for difference in differences:
        total, number = np.concatenate([total, total + difference]), np.concatenate([number, number + 1])
    return total, number


def permutation(differences):
    """P of the mean difference and its interval: numbers if all exchanges count, else where 10 000 of them lie."""
    differ = differences[np.abs(differences) > TIE]
    exact = len(differ) <= EXACT
    flipped, number = all_flips(differ)
    total = differ.sum()
    p = (np.abs(total - 2 * flipped) >= abs(total) - TIE).mean()
    flipped, number = all_flips(differences)
    # A difference below the mean is rejected in the exchanges in which the mean of the subjects flipped, or of
    # those not flipped, is above it (inversion of the test, exchange by exchange).
    with np.errstate(invalid="ignore", divide="ignore"):
        part, rest = flipped / number, (total - flipped) / (len(differences) - number)
    low = np.sort(np.fmin(np.where(number == 0, -np.inf, part), np.where(number == len(differences), -np.inf, rest)))
    high = -np.sort(np.fmin(np.where(number == 0, -np.inf, -part),
                            np.where(number == len(differences), -np.inf, -rest)))
    return p, exact, low, high


def permutation_row(differences):
    """p, low, high; ranges where the report draws 10 000 exchanges or, for the bounds, signs of equal pairs."""
    p, exact, low, high = permutation(differences)
    if not exact:
        tail = stats.norm.sf(ERRORS)
        p = Between(*((stats.binom.ppf(q, RESAMPLES, p) + 1) / (RESAMPLES + 1) for q in (tail, 1 - tail)))
    elif (np.abs(differences) > TIE).all():
        place = int(np.floor(0.05 * len(low)))
        return p, low[place], high[place]
    places = [int(np.clip(q, 0, 1) * (len(low) - 1)) for q in
              (0.05 + side * ERRORS * np.sqrt(0.05 * 0.95 / RESAMPLES) for side in (-1, 1))]
    return p, Between(low[places[0]], low[places[1]]), Between(high[places[1]], high[places[0]])


def holm(families, p):
    """Holm's correction in each family; a range of p gives a range."""
    adjusted = [None] * len(p)
    for family in set(families):
        places = [i for i, other in enumerate(families) if other == family]
        ends = [[getattr(p[i], end, p[i]) for i in places] for end in ("low", "high")]
        corrected = []
        for values_of_p in ends:
            order, running, result = np.argsort(values_of_p, kind="stable"), 0.0, [0.0] * len(places)
            for rank, i in enumerate(order):
                running = max(running, min(1.0, (len(places) - rank) * values_of_p[i]))
                result[i] = running
            corrected.append(result)
        for i, low, high in zip(places, *corrected, strict=True):
            adjusted[i] = low if low == high else Between(low, high)
    return adjusted


def with_holm(rows):
    for row, p in zip(rows, holm([row["Family"] for row in rows], [row["p"] for row in rows]), strict=True):
        row["p, Holm"] = p
    return rows


def comparisons(scores, *, pairs=pairs_of_one_stage):
    rows = []
    for family, endpoint, stage, name, first, second in pairs():
        a, b = (values(scores, endpoint, *side).mean(axis=1) for side in (first, second))
        differences = b - a
        p, low, high = permutation_row(differences)
        rows.append({
            "Family": family, "Endpoint": endpoint, "Stage": stage, "Second − first": name,
            "Means": f"{a.mean():.3f}, {b.mean():.3f}",
            **interval("Difference", differences.mean(), low, high, len(differences), "permutation"),
            "Higher in first / second": f"{(differences < -TIE).sum()} / {(differences > TIE).sum()}",
            "Test": "permutation", "p": p,
        })
    return with_holm(rows)


def mean_squares(table):
    """Variances of the mean of `table` (subjects, runs) from subjects, runs and the residual, with their freedom."""
    n, runs = table.shape
    of_subjects, of_runs = table.mean(axis=1), table.mean(axis=0)
    residual = table - of_subjects[:, None] - of_runs[None, :] + table.mean()
    return ((of_subjects.var(ddof=1) / n, n - 1), (of_runs.var(ddof=1) / runs, runs - 1),
            ((residual ** 2).sum() / ((n - 1) * (runs - 1)) / (n * runs), (n - 1) * (runs - 1)))


def quasi_f(groups):
    """Variance and degrees of freedom of the difference of two groups, or of one table of differences."""
    n = len(groups[0])
    subjects = sum((-1) ** i * table.mean(axis=1) for i, table in enumerate(groups))
    parts = [(subjects.var(ddof=1) / n, n - 1)]
    parts += [mean_squares(table)[1] for table in groups]
    residuals = [mean_squares(table)[2] for table in groups]
    noise = sum(part for part, _ in residuals)
    variance = sum(part for part, _ in parts) - noise
    if variance < noise:  # the residual by itself, with its degrees of freedom
        variance, parts = noise, []
    freedom = variance ** 2 / sum(part ** 2 / df for part, df in parts + residuals)
    # The residual that is subtracted can bring the quotient below what the variances alone can have.
    freedom = max(freedom, min(df for _, df in parts + residuals))
    return variance, freedom


def comparisons_trainings(scores, *, pairs=pairs_of_one_stage):
    rows = []
    for family, endpoint, stage, name, first, second in pairs():
        a, b = (values(scores, endpoint, *side) for side in (first, second))
        variance, freedom = quasi_f([b - a] if first[0] == second[0] else [b, a])
        difference, width = b.mean() - a.mean(), stats.t.ppf(0.975, freedom) * np.sqrt(variance)
        rows.append({
            "Family": family, "Endpoint": endpoint, "Stage": stage, "Second − first": name,
            "Runs": f"{RUNS}, {RUNS}", "Means": f"{a.mean():.3f}, {b.mean():.3f}",
            **interval("Difference", difference, difference - width, difference + width, len(a),
                       "subjects and runs"),
            "p": 2 * stats.t.sf(abs(difference) / np.sqrt(variance), freedom),
        })
    return with_holm(rows)


def comparisons_stages(scores):
    return comparisons(scores, pairs=pairs_of_stages)


def comparisons_trainings_stages(scores):
    return comparisons_trainings(scores, pairs=pairs_of_stages)

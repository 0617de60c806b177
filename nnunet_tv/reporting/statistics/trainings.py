"""Groups compared as ways of training: both the subjects and the runs are samples."""

import numpy as np
from scipy import stats

from nnunet_tv.reporting.statistics.interval import TAILS, Interval


def difference_of_trainings(
    first: np.ndarray, second: np.ndarray, *, same_runs: bool = False
) -> tuple[Interval, float | None]:
    """Return the mean of `second` minus `first`, with its interval and p, for new subjects and new runs.

    The variance of the difference is that of crossed random factors: the variance of the subjects' mean differences
    over the number of subjects, plus the variance of the run means over the number of runs in each group, minus the
    residual that both contain; at least that residual. Degrees of freedom are Satterthwaite's (quasi-F test: Clark
    1973; Satterthwaite 1946), at least those of the variance with the fewest, with a variance of runs for each group
    (Welch 1947).

    Parameters
    ----------
    first, second : ndarray, shape (subjects, runs)
        Values of the same subjects; the numbers of runs may differ.
    same_runs : bool
        Whether the columns of both belong to the same trainings, such as before and after the filter.

    Returns
    -------
    interval, p : Interval, float or None
        Without bounds and p for fewer than two subjects or runs, or where nothing varies.
    """
    if len(first) != len(second):
        raise ValueError(f"expected the same subjects, found {len(first)} and {len(second)}")
    tables = [second - first] if same_runs else [first, second]
    by_subject = (second.mean(axis=1) - first.mean(axis=1)) if len(first) else np.zeros(0)
    n = len(by_subject)
    without = Interval(float(by_subject.mean()) if n else None, None, None, n, "no interval")
    if n < 2 or min(table.shape[1] for table in tables) < 2:
        return without, None
    subjects = float(by_subject.var(ddof=1)) / n, n - 1
    runs = [(float(table.mean(axis=0).var(ddof=1)) / table.shape[1], table.shape[1] - 1) for table in tables]
    residuals = [(_residual(table) / table.size, (n - 1) * (table.shape[1] - 1)) for table in tables]
    residual = sum(variance for variance, _ in residuals)
    both = subjects[0] + sum(variance for variance, _ in runs) - residual
    variance, parts = (both, [subjects, *runs, *residuals]) if both >= residual else (residual, residuals)
    if variance <= 0:
        return without, None
    # The residual that is subtracted can bring the quotient below what the variances alone can have.
    freedom = max(variance ** 2 / sum(part ** 2 / degrees for part, degrees in parts),
                  min(degrees for _, degrees in parts))
    mean, error = float(by_subject.mean()), variance ** 0.5
    low, high = mean + error * stats.t.ppf(TAILS, freedom)
    p = float(2 * stats.t.sf(abs(mean) / error, freedom))
    return Interval(mean, float(low), float(high), n, "subjects and runs"), p


def _residual(table: np.ndarray) -> float:
    """Mean square of what neither the subject nor the run explains."""
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    return float((rest ** 2).sum()) / ((table.shape[0] - 1) * (table.shape[1] - 1))

"""FROC: detection against false clusters per subject over thresholds of confidence; the curve, its band, its table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.reporting.figures.curves import BAND_RESAMPLES, Curve
from nnunet_tv.reporting.statistics import TAILS, Interval, resampled_means, share_interval
from nnunet_tv.reporting.tables.table import Table

#: False clusters per subject at which the table gives the detection.
POINTS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
#: Places of the band, besides these points: in equal ratios, and in equal steps.
_IN_RATIOS, _IN_STEPS = 120, 60
#: Sums in another order differ by rounding.
_TIE = 1e-9


@dataclass(frozen=True)
class _Steps:
    """Subjects at the thresholds at which a run of one of them becomes detected, falling, and at the lowest of all.

    Detection is constant from one of these thresholds to the next, so that they determine the curve over every
    threshold.
    """

    false: np.ndarray  #: false clusters of each subject, mean over its runs, shape (subjects, thresholds)
    found: np.ndarray  #: share of its runs in which it is detected, same shape
    lesion: np.ndarray  #: whether it has a lesion, shape (subjects,), float

    def line(self, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """False clusters per subject and share detected, from means over subjects of :meth:`columns`."""
        width = self.false.shape[1]
        return means[:, :width], means[:, width:-1] / np.where(means[:, -1:] > 0, means[:, -1:], np.nan)

    def columns(self) -> np.ndarray:
        return np.concatenate([self.false, self.found, self.lesion[:, None]], axis=1)


def froc(
    cases: dict[str, list[FrocCandidates]], rule: str, *, name: str = "",
    marks: Sequence[tuple[str, float, float]] = (), seed: int = 0,
) -> tuple[Curve, list[tuple[float, Interval]]]:
    """Return the share of subjects detected against false clusters per subject, over every threshold of confidence.

    Runs of a case are averaged; candidates of equal confidence have one threshold. The vertices of the curve are those
    where detection rises, which is exact between them. The points are the best detection with at most as many false
    clusters as each of :data:`POINTS` below the curve's end, and at its end, where all candidates count.
    """
    steps = _find_steps(cases, rule)
    columns = steps.columns()
    x, y = (part[0] for part in steps.line(columns.mean(axis=0, keepdims=True)))
    end = float(x[-1])
    points = np.array([*(point for point in POINTS if point < end), end])
    runs = max(len(each) for each in cases.values())
    grid = np.unique([0.0, *points, *np.linspace(0, end, _IN_STEPS),
                      *(np.geomspace(1 / (len(cases) * runs), end, _IN_RATIOS) if end > 0 else ())])
    grid = grid[grid <= end]
    drawn = zip(*steps.line(resampled_means(columns, seed=seed, resamples=BAND_RESAMPLES)), strict=True)
    chosen_anew = np.nanquantile([_at(each_y, _last(each_x, grid)) for each_x, each_y in drawn], TAILS, axis=0)
    with_lesion, exact = steps.found[steps.lesion > 0], {}
    found = []
    for place, *bounds in zip(_last(x, grid).tolist(), *chosen_anew.tolist(), strict=True):
        if place not in exact:
            shares = with_lesion[:, place] if place >= 0 else np.zeros(len(with_lesion))
            exact[place] = share_interval(shares.tolist())
        found.append(_widened(exact[place], *bounds))
    low, high = np.array([(share.low, share.high) for share in found], float).T.tolist()
    curve = Curve(name, (0.0, *x.tolist()), (0.0, *y.tolist()), tuple(grid.tolist()), tuple(low), tuple(high),
                  len(cases), len(with_lesion), tuple(marks))
    return curve, [(point, found[int(np.searchsorted(grid, point))]) for point in points.tolist()]


def _find_steps(cases: dict[str, list[FrocCandidates]], rule: str) -> _Steps:
    # A run is detected from the confidence of its surest candidate that finds a lesion on.
    detected = {(row, number): max((value for value, lesions in zip(one.confidence, one.lesions[rule], strict=True)
                                    if lesions), default=-np.inf)
                for row, runs in enumerate(cases.values()) for number, one in enumerate(runs)}
    thresholds = np.unique([-np.inf, *detected.values()])[::-1]
    false, found = (np.zeros((len(cases), len(thresholds))) for _ in range(2))
    for row, runs in enumerate(cases.values()):
        for number, one in enumerate(runs):
            confidence = np.asarray(one.confidence, float)[~np.asarray(one.true[rule], bool)]
            false[row] += (len(confidence) - np.searchsorted(np.sort(confidence), thresholds)) / len(runs)
            found[row] += ((thresholds <= detected[row, number]) & np.isfinite(detected[row, number])) / len(runs)
    return _Steps(false, found, np.array([float(runs[0].n_lesions > 0) for runs in cases.values()]))


def _last(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Place of the last x <= at, for x that does not decrease; -1 where there is none."""
    return np.searchsorted(x, at + _TIE, side="right") - 1


def _at(y: np.ndarray, place: np.ndarray) -> np.ndarray:
    return np.where(place >= 0, y[np.maximum(place, 0)], 0.0 * y[0])  # NaN in a resample without a lesion


def _widened(share: Interval, low: float, high: float) -> Interval:
    """The interval of a share, widened to other bounds."""
    if share.low is None or share.high is None:
        return share
    return Interval(share.value, min(share.low, low), max(share.high, high), share.n,
                    f"{share.method}, widened to the bootstrap of the threshold")


def froc_table(found: dict[str, list[tuple[float, Interval]]], rule: str, threshold: float, seed: int) -> Table:
    """Return the detection at given numbers of false clusters, by group."""
    return Table(
        "froc", "FROC: detection at a number of false clusters per subject",
        ("Group", "False clusters per subject, at most", "Detected share of subjects"),
        tuple((group, *point) for group, points in found.items() for point in points),
        notes=(f"Candidates are clusters of voxels with a probability of at least {threshold:g}; the confidence of a "
               f"cluster is its peak probability. Hit rule: {rule}. Every confidence is a threshold. The threshold is "
               "chosen on the same subjects, so an operating point must be fixed on other subjects.",
               "The last row of a group is the end of its curve, where all candidates count.",
               "Intervals: that of the share of subjects detected at the threshold chosen (as for sSens), widened to "
               "the percentile bootstrap over subjects that chooses the threshold anew in each of "
               f"{BAND_RESAMPLES} resamples (seed {seed}). The band of the figure is this interval at up to 200 "
               "numbers of false clusters, pointwise."),
    )

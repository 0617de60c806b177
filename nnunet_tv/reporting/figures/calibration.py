"""Calibration of probabilities: reliability diagrams, Brier score and expected calibration error, and their tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.metrics.probability import RELIABILITY_BINS
from nnunet_tv.reporting.statistics import Interval, bootstrap, mean_interval, pooled_share
from nnunet_tv.reporting.tables.table import Table

#: Most bins of clusters, and fewest clusters in each.
MOST_BINS, BIN_CLUSTERS = 10, 10
#: What is calibrated.
ALL_VOXELS, LIKELY_VOXELS, CLUSTERS = "all voxels", "voxels from 0.1 on", "clusters"
_OF_CLUSTERS = ("Share of clusters: Clopper-Pearson with an effective number of subjects, at most the number of those "
                "with a cluster, since the clusters of a subject are not independent.")


@dataclass(frozen=True)
class ReliabilityBin:
    """Voxels or clusters of similar probability, pooled over subjects and runs."""

    low: float  #: limits of the probability
    high: float
    number: int
    probability: float  #: mean
    share: Interval  #: of lesion voxels, or of true clusters


@dataclass(frozen=True)
class Calibration:
    """How the probabilities of one group agree with the reference."""

    name: str
    of: str  #: :data:`ALL_VOXELS`, :data:`LIKELY_VOXELS` or :data:`CLUSTERS`
    number: int  #: voxels or clusters, over subjects and runs
    probability: float | None  #: mean; None without any
    share: Interval  #: of lesion voxels, or of true clusters
    brier: Interval
    ece: Interval  #: expected calibration error
    bins: tuple[ReliabilityBin, ...]  #: by rising probability; none is empty


@dataclass(frozen=True)
class _Sums:
    """Sums of each subject in each bin, means over its runs; shape (subjects, bins)."""

    number: np.ndarray
    true: np.ndarray
    probability: np.ndarray
    squared_error: np.ndarray


def calibrate_voxels(cases: dict[str, list[FrocCandidates]], *, name: str = "", seed: int = 0) -> list[Calibration]:
    """Return the calibration of all voxels and of those from 0.1 on, in equal bins of probability."""
    counts = [[one.reliability for one in runs if one.reliability is not None] for runs in cases.values()]
    columns = [np.array([np.mean([getattr(one, part) for one in runs], axis=0) for runs in counts])
               for part in ("voxels", "lesion", "probability", "squared_error")]
    pooled = np.sum([one.voxels for runs in counts for one in runs], axis=0)
    limits = np.arange(RELIABILITY_BINS + 1) / RELIABILITY_BINS
    return [_calibrate(_Sums(*(column[:, first:] for column in columns)), pooled[first:], limits[first:-1],
                       limits[first + 1:], name=name, of=of, seed=seed)
            for first, of in ((0, ALL_VOXELS), (1, LIKELY_VOXELS))]


def calibrate_clusters(
    cases: dict[str, list[FrocCandidates]], rule: str, *, name: str = "", seed: int = 0
) -> Calibration:
    """Return the calibration of the candidates' confidence, in bins of equal number.

    The bins are those of scikit-learn's ``calibration_curve`` with the strategy ``quantile``: equal confidences are in
    one bin. There are up to ten, of about ten clusters or more.
    """
    rows = np.array([(row, value, true, 1 / len(runs)) for row, runs in enumerate(cases.values()) for one in runs
                     for value, true in zip(one.confidence, one.true[rule], strict=True)], float).reshape(-1, 4)
    subject, confidence, true, weight = rows.T
    number = max(1, min(MOST_BINS, len(rows) // BIN_CLUSTERS))
    limits = np.quantile(confidence, np.arange(1, number) / number) if len(rows) else np.zeros(0)
    bins = np.unique(np.searchsorted(limits, confidence), return_inverse=True)[1]
    width = int(bins.max()) + 1 if len(rows) else 0
    place = subject.astype(int) * width + bins

    def by_subject(values: np.ndarray) -> np.ndarray:
        return np.bincount(place, weight * values, minlength=len(cases) * width).reshape(len(cases), width)

    sums = _Sums(by_subject(np.ones(len(rows))), by_subject(true), by_subject(confidence),
                 by_subject((confidence - true) ** 2))
    low, high = (np.array([pick(confidence[bins == each]) for each in range(width)]) for pick in (np.min, np.max))
    return _calibrate(sums, np.bincount(bins, minlength=width), low, high, name=name, of=CLUSTERS, seed=seed)


def _calibrate(
    sums: _Sums, pooled: np.ndarray, low: np.ndarray, high: np.ndarray, *, name: str, of: str, seed: int
) -> Calibration:
    with_any = sums.number.sum(axis=1) > 0
    number, true, probability, error = (part[with_any] for part in (
        sums.number, sums.true, sums.probability, sums.squared_error))
    total = number.sum(axis=1)

    def share(parts: np.ndarray, wholes: np.ndarray) -> Interval:
        there = wholes > 0
        return (pooled_share(parts.tolist(), wholes.tolist()) if of == CLUSTERS else
                mean_interval(parts[there], wholes[there], limits=(0.0, 1.0), seed=seed))

    brier = mean_interval(error.sum(axis=1), total, limits=(0.0, 1.0), seed=seed)

    def ece(means: np.ndarray) -> np.ndarray:
        return np.abs(means[:, :-1]).sum(axis=1) / means[:, -1]

    columns = np.concatenate([probability - true, total[:, None]], axis=1)
    return Calibration(
        name, of, int(pooled.sum()), float(probability.sum() / total.sum()) if len(total) else None,
        share(true.sum(axis=1), total), brier, bootstrap(columns, ece, seed=seed),
        tuple(ReliabilityBin(float(low[place]), float(high[place]), int(pooled[place]),
                             float(probability[:, place].sum() / number[:, place].sum()),
                             share(true[:, place], number[:, place]))
              for place in np.flatnonzero(pooled)))


def calibration_table(found: Sequence[Calibration], rule: str, threshold: float, seed: int) -> Table:
    """Return Brier score and expected calibration error, by group."""
    return Table(
        "calibration", "Calibration of the probabilities",
        ("Group", "Of", "Number", "Share that is lesion", "Mean probability", "Brier score",
         "Expected calibration error"),
        tuple((one.name, one.of, one.number, one.share, one.probability, one.brier, one.ece) for one in found),
        row_digits=tuple(5 if one.of == ALL_VOXELS else 3 for one in found),
        notes=("Voxels and clusters of all subjects and runs are pooled. Nearly all voxels are background of "
               "probability near 0, so that the figures of all voxels are small for any model; those of the voxels "
               f"with a probability of at least {1 / RELIABILITY_BINS:g} are of the places that the model marks.",
               f"Clusters are the candidates of FROC (voxels with a probability of at least {threshold:g}). Their "
               "probability is their confidence, the peak; they are lesion if they are true under the hit rule "
               f"{rule}.",
               "Brier score: mean of (probability - truth)², with truth 1 in the lesion and 0 outside; 0 is best. A "
               "model that gives the share of lesion everywhere has share · (1 - share).",
               "Expected calibration error: sum over bins of (share of the voxels or clusters that are in the bin) · "
               "|mean probability - share that is lesion|; 0 is best. Bins: for voxels equal in probability, 0.1 wide; "
               f"for clusters of equal number, up to {MOST_BINS}, of about {BIN_CLUSTERS} or more. It depends on the "
               "bins, and with few clusters it is above 0 by chance.",
               f"Intervals over subjects, seed {seed}. Brier score, and share of voxels: bootstrap-t. Expected "
               f"calibration error: BCa bootstrap. {_OF_CLUSTERS}"),
    )


def reliability_table(found: Sequence[Calibration], seed: int) -> Table:
    """Return the points of the reliability diagrams."""
    shown = [(one, each) for one in found if one.of != LIKELY_VOXELS for each in one.bins]
    return Table(
        "reliability", "Reliability: probability against the share that is lesion",
        ("Group", "Of", "From", "To", "Number", "Mean probability", "Share that is lesion"),
        tuple((one.name, one.of, each.low, each.high, each.number, each.probability, each.share)
              for one, each in shown),
        digits={"From": 3, "To": 3}, folded=True,
        row_digits=tuple(5 if one.of == ALL_VOXELS and not each.low else 3 for one, each in shown),
        notes=("Of a calibrated model, the share that is lesion equals the mean probability. A bin of voxels contains "
               "its lower limit; those of clusters are given by their lowest and highest confidence. Empty bins are "
               "not listed.",
               f"Intervals over subjects, seed {seed}. Voxels: bootstrap-t. {_OF_CLUSTERS}"),
    )

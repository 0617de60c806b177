"""Measures of a probability map by voxels: average precision, and counts from which maps are pooled over cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

#: Cells of logit, the finest thresholds: as small as the steps of float32, so that its values differ in their cells.
CELLS_PER_LOGIT = 2**24
#: Cell of probability 1; that of probability 0 is its negative. float32 reaches logits of -103 and 16.6.
_END = 128 * CELLS_PER_LOGIT
#: Cells of a first, coarse count, as a power of two: 1/64 in logit.
_COARSE = 18
#: Voxels in memory at once, in float64.
_CHUNK = 2**20
#: Most by which the voxels above a threshold grow from one edge to the next, and largest share of all lesion voxels in
#: between, unless these voxels are of one cell.
GROWTH, LESION_SHARE = 0.02, 0.0025
#: Equal bins of probability for calibration; 0.1, the least probability of a FROC candidate, is an edge.
RELIABILITY_BINS = 10


def average_precision(probability: np.ndarray, reference: np.ndarray) -> float | None:
    """Sum over thresholds of (R_n - R_(n-1)) · P_n, with recall R and precision P of voxels.

    Every probability in the reference is a threshold; nothing is interpolated (as scikit-learn's
    ``average_precision_score``). `probability` and the mask `reference`, bool, have the shape (X, Y, Z); None is
    returned without a lesion.
    """
    inside = probability[reference]
    if not inside.size:
        return None
    thresholds, counts = np.unique(inside, return_counts=True)
    high = (probability >= thresholds[0]) & ~reference
    reached = np.searchsorted(thresholds, probability[high], side="right")  # thresholds up to each voxel's probability
    false = np.bincount(reached, minlength=len(thresholds) + 1)[1:]
    tp, fp = np.cumsum(counts[::-1]), np.cumsum(false[::-1])
    return float((counts[::-1] / len(inside) * (tp / (tp + fp))).sum())


def check_probability(probability: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`probability` as an array; ValueError unless it has the shape and its values are in 0..1."""
    probability = np.asarray(probability)
    if probability.shape != tuple(shape):
        raise ValueError(f"probability {probability.shape} and reference {tuple(shape)} differ in shape: bring them "
                         "onto one grid first")
    low, high = (float(probability.min()), float(probability.max())) if probability.size else (0.0, 0.0)
    if not (-1e-3 <= low and high <= 1 + 1e-3):  # NaN fails too
        raise ValueError(f"expected probabilities from 0 to 1, found {low:g} to {high:g}")
    return probability


@dataclass(frozen=True)
class ReliabilityCounts:
    """Voxels of a probability map in ten equal bins of probability: sums from which calibration follows exactly."""

    voxels: tuple[int, ...]
    lesion: tuple[int, ...]  #: voxels of the reference among them
    probability: tuple[float, ...]  #: sum over the voxels
    squared_error: tuple[float, ...]  #: sum of (probability - 1)² in the reference and probability² outside of it

    @classmethod
    def of(cls, probability: np.ndarray, reference: np.ndarray) -> ReliabilityCounts:
        """Count the voxels of a map from 0 to 1 and of a mask, bool, of one shape; a bin contains its lower edge."""
        edges = (np.arange(1, RELIABILITY_BINS) / RELIABILITY_BINS).astype(np.result_type(probability, np.float16))
        sums = np.zeros((4, RELIABILITY_BINS))
        values, inside = _flat(probability, reference)
        for start in range(0, len(values), _CHUNK):
            p, lesion = values[start:start + _CHUNK], inside[start:start + _CHUNK]
            bins, high = np.zeros(len(p), int), np.flatnonzero(p >= edges[0])  # few; the others are in the first bin
            bins[high] = np.searchsorted(edges, p[high], side="right")
            p = np.clip(p.astype(float), 0, 1)
            for row, weights in enumerate((None, lesion, p, (p - lesion) ** 2)):
                sums[row] += np.bincount(bins, weights, minlength=RELIABILITY_BINS)
        voxels, of_lesion = sums[:2].astype(int).tolist()
        return cls(tuple(voxels), tuple(of_lesion), *(tuple(row) for row in sums[2:].tolist()))


@dataclass(frozen=True, eq=False)
class ProbabilityCounts:
    """Voxels of the lesion and of the background between edges of falling probability.

    The numbers of voxels above each edge are exact. From one edge to the next, both grow by at most 2 %, and at most
    1 in 400 of the lesion's voxels are between; if voxels of equal probability (one cell of logit) are more than
    that, they are a bin of their own. Precision at any threshold thus follows to 2 % · precision · (1 - precision),
    whatever the distribution of the probabilities, also for sums of several maps. One half is always an edge, so that
    the counts hold the hard segmentation.
    """

    edges: np.ndarray  #: lower edge of each bin in cells of logit, falling, shape (bins,), int64
    lesion: np.ndarray  #: voxels of the lesion in each bin, shape (bins,)
    background: np.ndarray  #: voxels outside of it, same shape

    @classmethod
    def of(cls, probability: np.ndarray, reference: np.ndarray) -> ProbabilityCounts:
        """Count the voxels of a map from 0 to 1 and of a mask, bool, of one shape."""
        values, inside = _flat(probability, reference)
        coarse = np.concatenate([(_cells(values[start:start + _CHUNK]) + _END >> _COARSE).astype(np.int16)
                                 for start in range(0, max(len(values), 1), _CHUNK)])
        lesion, every = (np.bincount(part, minlength=(2 * _END >> _COARSE) + 1) for part in (coarse[inside], coarse))
        both = np.stack([lesion, every - lesion])
        above = np.cumsum(both[:, ::-1], axis=1)[:, ::-1]
        fine: np.ndarray = np.any(both > _most(above - both, lesion.sum()), axis=0)  # these are counted cell by cell
        fine[[0, -1]] = False  # exactly 0 and exactly 1 are one cell each
        kept, chosen = ~fine & both.any(axis=0), fine[coarse]
        cells, places = np.unique(_cells(values[chosen]), return_inverse=True)
        found = np.bincount(places[inside[chosen]], minlength=len(cells))
        edges = np.concatenate([(np.flatnonzero(kept) << _COARSE) - _END, cells])
        order = np.argsort(-edges)
        return merged(cls(edges[order], np.concatenate([both[0, kept], found])[order],
                          np.concatenate([both[1, kept], np.bincount(places, minlength=len(cells)) - found])[order]))

    @classmethod
    def pooled(cls, counts: Sequence[ProbabilityCounts], weights: Sequence[float]) -> ProbabilityCounts:
        """Weighted sum of the counts of several maps, on the edges of all."""
        edges, places = np.unique(np.concatenate([-one.edges for one in counts]), return_inverse=True)
        weight = np.repeat(weights, [len(one.edges) for one in counts])
        return cls(-edges, *(np.bincount(places, weight * np.concatenate(parts), minlength=len(edges)) for parts in (
            [one.lesion for one in counts], [one.background for one in counts])))

    @classmethod
    def decode(cls, text: str) -> ProbabilityCounts:
        """Inverse of :meth:`encode`."""
        rows = [(*map(int, word.split(",")), 0)[:3] for word in text.split()]
        steps, background, lesion = np.array(rows, np.int64).reshape(-1, 3).T
        return cls(_END - np.cumsum(steps), lesion, background)

    def encode(self) -> str:
        """Counts of whole voxels as text: for each bin the step down to its edge, background, and lesion if any."""
        steps = -np.diff(self.edges, prepend=_END)
        columns = zip(steps.tolist(), self.background.tolist(), self.lesion.tolist(), strict=True)
        return " ".join(",".join(map(str, row if row[2] else row[:2])) for row in columns)

    def within(self, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Voxels of the lesion and of the background by other falling edges, of which the last is the lowest."""
        places = np.searchsorted(-edges, -self.edges)
        return (np.bincount(places, self.lesion, minlength=len(edges)),
                np.bincount(places, self.background, minlength=len(edges)))


def _flat(probability: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both arrays flattened, in the order of the map's memory: several times faster."""
    order: Literal["C", "F"] = "C" if probability.flags.c_contiguous else "F"
    return probability.ravel(order), reference.ravel(order)


def _cells(probability: np.ndarray) -> np.ndarray:
    """Cell of logit of each probability, shape (n,), int64."""
    cells = np.full(probability.shape, -_END)
    positive = probability > 0  # most voxels of many maps are exactly 0
    p = np.minimum(probability[positive].astype(float), 1.0)
    with np.errstate(divide="ignore"):
        logit = np.log(p / (1 - p))
    cells[positive] = np.floor(np.clip(logit * CELLS_PER_LOGIT, -_END, _END))
    return cells


def merged(counts: ProbabilityCounts) -> ProbabilityCounts:
    """The same with as few edges as :class:`ProbabilityCounts` allows."""
    above = np.cumsum([counts.lesion, counts.background], axis=1)
    half = int(np.searchsorted(-counts.edges, 0, side="right"))  # bins from one half on
    last, start, before = [], 0, np.zeros(2)
    while start < len(counts.edges):
        limits = before + _most(before, above[0, -1])
        reached = [np.searchsorted(part, limit, side="right") for part, limit in zip(above, limits, strict=True)]
        end = max(start + 1, int(min(reached)))
        start = min(end, half) if start < half else end
        last.append(start - 1)
        before = above[:, start - 1]
    return ProbabilityCounts(counts.edges[last], *np.diff(above[:, last], prepend=0))


def _most(above: np.ndarray, lesion: float) -> np.ndarray:
    """Most voxels of each kind in a bin with `above` voxels over it; `lesion` is the number of all lesion voxels."""
    most = GROWTH * above
    most[0] = np.minimum(most[0], LESION_SHARE * lesion)
    return most

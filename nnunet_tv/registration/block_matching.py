"""Block matching (Ourselin et al., MICCAI 2000): the shift of each block of the brain, found independently.

Two uses: with scans of one person every block is in place, with scans of two persons none is
(:mod:`~nnunet_tv.registration.plausibility`); and an affine map fitted to the blocks with equal weight per block is
better centred than one by mutual information, which follows the strongest edges. Ourselin et al. trim blocks that do
not fit; here none are trimmed, since a brain differs from the template by more than an affine map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nnunet_tv.imaging.affine import transform
from nnunet_tv.imaging.sampling import at_resolution, random_points, sample
from nnunet_tv.imaging.volume import Volume

_RESOLUTION_MM = 2.0
#: Side of the adjacent blocks. With 24 or 32 mm the errors on phantoms were a third larger.
_BLOCK_MM = 18.0
#: Points in the brain (some 300 per block), and the least number that a block needs.
_POINTS, _FEWEST_POINTS = 90_000, 100
_STEPS_MM = (2.0, 1.0, 0.5)
#: Fewer blocks than this do not determine 12 parameters.
_FEWEST_BLOCKS = 40


def best_shift(fit: Callable[[np.ndarray], float], steps_mm: Sequence[float] = _STEPS_MM) -> np.ndarray:
    """Shift (mm, shape (3,)) with the best `fit` near zero, by up to four steps along the axes of each size."""
    shift, best = np.zeros(3), fit(np.zeros(3))
    for step in steps_mm:
        for _ in range(4):
            tried = [shift + sign * step * np.eye(3)[axis] for axis in range(3) for sign in (-1, 1)]
            values = [fit(one) for one in tried]
            if max(values) <= best:
                break
            best, shift = max(values), tried[int(np.argmax(values))]
    return shift


def refine_affine(pose: np.ndarray, fixed: Volume, moving: Volume, region: Volume) -> np.ndarray:
    """Refine an affine pose by block matching, with equal weight per block.

    Parameters
    ----------
    pose : ndarray, shape (4, 4)
        Points of `fixed` to points of `moving`, right to a few mm.
    fixed, moving : Volume
        Of one contrast: blocks are compared by correlation, which is insensitive to slow changes of brightness.
    region : Volume
        Mask of the brain, in mm of `fixed`.

    Returns
    -------
    ndarray, shape (4, 4)
        By least squares; `pose` itself where the blocks are too few or the mean fit does not improve.
    """
    points = random_points(region, _POINTS)
    if not len(points):
        return pose
    target = at_resolution(moving, _RESOLUTION_MM)
    values = sample(at_resolution(fixed, _RESOLUTION_MM), points)
    blocks = _blocks(points)
    if len(blocks) < _FEWEST_BLOCKS:
        return pose
    centres, moved = [], []
    for block in blocks:
        def fit(shift, here=values[block], where=points[block]):
            return _correlation(here, sample(target, transform(pose, where + shift)))

        centres.append(points[block].mean(axis=0))
        moved.append(centres[-1] + best_shift(fit))
    step = np.eye(4)
    step[:3] = np.linalg.lstsq(np.c_[centres, np.ones(len(centres))], np.array(moved), rcond=None)[0].T

    def mean_fit(matrix):
        found = sample(target, transform(matrix, points))
        return np.mean([_correlation(values[block], found[block]) for block in blocks])

    return pose @ step if mean_fit(pose @ step) > mean_fit(pose) else pose


def _blocks(points: np.ndarray) -> list[np.ndarray]:
    """Indices of the points of each block."""
    cells = np.floor((points - points.min(axis=0)) / _BLOCK_MM).astype(int)
    _, numbers, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(numbers.ravel(), kind="stable")
    return [block for block in np.split(order, np.cumsum(counts)[:-1]) if len(block) >= _FEWEST_POINTS]


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation; 0 if either is constant."""
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size > 0 else 0.0

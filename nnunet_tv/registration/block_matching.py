"""Block matching (Ourselin et al., MICCAI 2000): the shift of each block of the brain, found independently.

Two uses: with scans of one person every block is in place, with scans of two persons none is
(:mod:`~nnunet_tv.registration.plausibility`); and an affine map fitted to the blocks with equal weight per block is
better centred than one by mutual information, which follows the strongest edges. Ourselin et al. trim blocks that do
not fit; here none are trimmed, since a brain differs from the template by more than an affine map.
"""

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
    """Refine an affine pose by block matching, by least squares with equal weight per block.

    `pose` (4 x 4) maps points of `fixed` to points of `moving`, right to a few mm; it is returned where the blocks of
    the brain mask `region`, in mm of `fixed`, are too few or the mean fit does not improve. Both scans are of one
    contrast: blocks are compared by correlation, which is insensitive to slow changes of brightness.
    """
    points = random_points(region, _POINTS)
    found = blocks((points - points.min(axis=0, initial=np.inf)) / _BLOCK_MM, _FEWEST_POINTS)
    if len(found) < _FEWEST_BLOCKS:
        return pose
    target = at_resolution(moving, _RESOLUTION_MM)
    values = sample(at_resolution(fixed, _RESOLUTION_MM), points)
    centres, moved = [], []
    for block in found:
        def fit(shift, here=values[block], where=points[block]):
            return _correlation(here, sample(target, transform(pose, where + shift)))

        centres.append(points[block].mean(axis=0))
        moved.append(centres[-1] + best_shift(fit))
    step = np.eye(4)
    step[:3] = np.linalg.lstsq(np.c_[centres, np.ones(len(centres))], np.array(moved), rcond=None)[0].T

    def mean_fit(matrix):
        here = sample(target, transform(matrix, points))
        return np.mean([_correlation(values[block], here[block]) for block in found])

    return pose @ step if mean_fit(pose @ step) > mean_fit(pose) else pose


def blocks(positions: np.ndarray, fewest: int) -> list[np.ndarray]:
    """Indices of the points in each unit cube of `positions`, shape (N, 3), with at least `fewest` of them."""
    _, numbers, counts = np.unique(np.floor(positions).astype(int), axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(numbers.ravel(), kind="stable")
    return [block for block in np.split(order, np.cumsum(counts)[:-1]) if len(block) >= fewest]


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation; 0 if either is constant."""
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size > 0 else 0.0

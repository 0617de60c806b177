"""Where parts of the brain would rather lie: shifts of blocks, each found alone.

Two uses. Of one person's scans every block is in place, of two persons' none is: that tells them apart
(:mod:`~nnunet_tv.preparation.plausibility`). And an affine map fitted to the blocks lies in the middle of what
parts of a brain want, each with the same say, while mutual information follows its strongest edges.

Block matching: Ourselin et al., MICCAI 2000. They trim what does not fit; here nothing is trimmed, as a person's
brain really differs from the template by more than an affine map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nnunet_tv.imaging.geometry import apply, random_points
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.mutual_information import at_resolution, sample

_RESOLUTION_MM = 2.0
#: Side of the blocks, which touch each other. With 24 or 32 mm the errors on phantoms were a third larger.
_BLOCK_MM = 18.0
#: Points of the brain from which blocks are made (some 300 a block), and the least that a block needs.
_POINTS, _FEWEST_POINTS = 90_000, 100
_STEPS_MM = (2.0, 1.0, 0.5)
#: Fewer blocks than this say too little for 12 parameters.
_FEWEST_BLOCKS = 40


def climb(fit: Callable[[np.ndarray], float], steps_mm: Sequence[float] = _STEPS_MM) -> np.ndarray:
    """Shift (mm, shape (3,)) with the best `fit` near zero: steps along the axes, each size up to four times."""
    shift, best = np.zeros(3), fit(np.zeros(3))
    for step in steps_mm:
        for _ in range(4):
            tried = [shift + sign * step * np.eye(3)[axis] for axis in range(3) for sign in (-1, 1)]
            values = [fit(one) for one in tried]
            if max(values) <= best:
                break
            best, shift = max(values), tried[int(np.argmax(values))]
    return shift


def balanced_affine(pose: np.ndarray, fixed: Volume, moving: Volume, region: Volume) -> np.ndarray:
    """`pose` after every block of `region` had the same say.

    Parameters
    ----------
    pose : ndarray, shape (4, 4)
        Points of `fixed` to points of `moving`, right to a few mm.
    fixed, moving : Volume
        Of one contrast: blocks are compared by correlation, which a slow change of brightness leaves alone.
    region : Volume
        Mask of the brain, in mm of `fixed`.

    Returns
    -------
    ndarray, shape (4, 4)
        Affine, by least squares; `pose` itself where the blocks are too few or do not fit better by it.
    """
    points = random_points(region, _POINTS)
    if not len(points):
        return pose
    target = at_resolution(moving, _RESOLUTION_MM)
    values = sample(at_resolution(fixed, _RESOLUTION_MM), points)
    blocks = _blocks(points)
    if len(blocks) < _FEWEST_BLOCKS:
        return pose
    centres, wanted = [], []
    for block in blocks:
        def fit(shift, here=values[block], where=points[block]):
            return _correlation(here, sample(target, apply(pose, where + shift)))

        centres.append(points[block].mean(axis=0))
        wanted.append(centres[-1] + climb(fit))
    step = np.eye(4)
    step[:3] = np.linalg.lstsq(np.c_[centres, np.ones(len(centres))], np.array(wanted), rcond=None)[0].T

    def mean_fit(matrix):
        found = sample(target, apply(matrix, points))
        return np.mean([_correlation(values[block], found[block]) for block in blocks])

    return pose @ step if mean_fit(pose @ step) > mean_fit(pose) else pose


def _blocks(points: np.ndarray) -> list[np.ndarray]:
    """Indices of the points of each block."""
    cells = np.floor((points - points.min(axis=0)) / _BLOCK_MM).astype(int)
    _, numbers, counts = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(numbers.ravel(), kind="stable")
    return [block for block in np.split(order, np.cumsum(counts)[:-1]) if len(block) >= _FEWEST_POINTS]


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's; 0 where one is constant."""
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size > 0 else 0.0

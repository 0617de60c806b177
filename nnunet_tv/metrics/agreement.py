"""Agreement of two predictions of one subject, such as of two scans."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_tv.metrics import overlap
from nnunet_tv.metrics.components import as_mask, find_components
from nnunet_tv.metrics.hit_rules import ANY, HitRule
from nnunet_tv.metrics.lesion_matching import LesionMatching


@dataclass(frozen=True)
class Agreement:
    """Two masks compared, neither of which is the truth."""

    dice: float | None  #: of their voxels; None if both are empty
    n_first: int  #: clusters of the first mask
    n_second: int
    n_both: int  #: clusters found in both
    first_mm3: float  #: volume
    second_mm3: float

    @property
    def empty(self) -> bool:
        """Whether neither mask has a voxel: they agree, but on no place."""
        return self.dice is None


def agreement(first: np.ndarray, second: np.ndarray, spacing_mm: Sequence[float], *,
              connectivity: int = 26) -> Agreement:
    """Compare two masks of 0 and 1 on one grid, shape (X, Y, Z); the result does not depend on which is first.

    A cluster is found in both masks if it shares a voxel with a cluster of the other one, and every cluster counts for
    one other cluster only: `n_both` is the largest possible number of such pairs.

    Raises
    ------
    ValueError
        Different shapes, not 3D, values other than 0 and 1, another connectivity than 26, 18 or 6.

    Examples
    --------
    >>> first = np.zeros((8, 8, 8), bool)
    >>> first[2:6, 2:6, 2:6] = True
    >>> agreement(first, np.roll(first, 1, axis=0), (1, 1, 1))
    Agreement(dice=0.75, n_first=1, n_second=1, n_both=1, first_mm3=64.0, second_mm3=64.0)
    """
    if np.shape(first) != np.shape(second):
        raise ValueError(f"two predictions of one subject differ in shape: {np.shape(first)} and {np.shape(second)}")
    a, b = (find_components(as_mask(mask, name), connectivity=connectivity)
            for mask, name in ((first, "first prediction"), (second, "second prediction")))
    matching = LesionMatching(a, b, spacing_mm)
    n_a, n_b, shared = len(a.voxels), len(b.voxels), int(matching.overlap[0].sum())
    voxel_mm3 = float(math.prod(spacing_mm))
    return Agreement(overlap.dice(shared, n_a - shared, n_b - shared) if n_a + n_b else None, len(a), len(b),
                     matching.n_matched(HitRule.parse(ANY)), n_a * voxel_mm3, n_b * voxel_mm3)

"""Order of the cases, and positions of patches, as pure functions of a generator.

Arrays are nnU-Net's preprocessed ones: segmentation (1, *spatial) with -1 outside the nonzero mask,
0 in the brain, 1 in the lesion.
"""

from collections.abc import Sequence

import numpy as np

from nnunet_tv.training.seeds import Stage, generator
from nnunet_tv.utils.errors import CaseError


def epoch_order(cases: Sequence[str], fold: int | str, epoch: int) -> list[str]:
    """Every training case once, in an order drawn from (fold, epoch) alone."""
    ordered = sorted(cases)
    return [ordered[i] for i in generator(fold, Stage.ORDER, epoch).permutation(len(ordered))]


class Centres:
    """Voxels at which patches of one case may be centred; the segmentation is read once for all patches.

    `segmentation` (X, Y, Z) is -1 outside the nonzero mask, 0 brain, 1 lesion; `case` is named in errors.
    """

    def __init__(self, segmentation: np.ndarray, *, case: str):
        self.shape, self.case = segmentation.shape, case
        self.lesion, self.brain = (np.flatnonzero(segmentation == label) for label in (1, 0))

    def draw(self, rng: np.random.Generator, *, lesion: bool) -> tuple[int, ...]:
        """Index of one voxel, uniform over the lesion; otherwise, and without a lesion, over the rest of the brain.

        CaseError if there is no such voxel.
        """
        voxels = self.lesion if lesion and self.lesion.size else self.brain
        if voxels.size == 0:
            raise CaseError(self.case, "the preprocessed case has no brain voxel (nonzero, without lesion) to draw a "
                            "background patch from: check its image and label, and preprocess again")
        return tuple(int(i) for i in np.unravel_index(voxels[rng.integers(voxels.size)], self.shape))


def patch_start(centre: Sequence[int], shape: Sequence[int], patch_size: Sequence[int]) -> tuple[int, ...]:
    """First index of the patch along each axis: moved inside the volume, or centred on an axis smaller than the patch.

    >>> patch_start((5, 50, 2), (100, 100, 10), (20, 20, 20))
    (0, 40, -5)
    """
    start = []
    for middle, size, patch in zip(centre, shape, patch_size, strict=True):
        if size <= patch:
            start.append(-((patch - size) // 2))
        else:
            start.append(min(max(middle - patch // 2, 0), size - patch))
    return tuple(start)

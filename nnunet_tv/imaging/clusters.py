"""Connected components of a binary mask, and the box around it."""

from typing import Literal, cast

import cc3d
import numpy as np
from scipy import ndimage

#: Neighbours: across faces; also across edges; also across corners.
CONNECTIVITIES = (6, 18, 26)


def label_clusters(mask: np.ndarray, *, connectivity: int = 26) -> tuple[np.ndarray, int]:
    """Number the clusters of a mask of shape (X, Y, Z).

    Returns the labels, unsigned integers (0 outside, 1 to n in the clusters), and n. A `connectivity` other than 26,
    18 or 6 raises a `ValueError`.
    """
    if connectivity not in CONNECTIVITIES:
        raise ValueError(f"expected connectivity 6, 18 or 26, found {connectivity!r}")
    # Two faults of cc3d 4.1.1: its binary algorithm for 26 neighbours allocates voxels / 4 labels, too few for odd
    # sides, and writes past its memory, hence uint8; and it drops voxels of a view that is a single row, hence
    # contiguous memory. It refuses arrays that must not be written to, although it does not write.
    mask = mask.astype(bool, copy=False)
    mask = mask if mask.flags.forc and mask.flags.writeable else mask.copy(order="A")
    labels, n = cc3d.connected_components(mask.view(np.uint8), return_N=True,
                                          connectivity=cast(Literal[6, 18, 26], connectivity))
    return labels.reshape(mask.shape), int(n)  # cc3d before 4.1 returns a flat array for a mask without voxels


def separate_boxes(mask: np.ndarray, *, gap: int) -> list[tuple[slice, ...]]:
    """Boxes that contain all true voxels and can be processed independently; none for an empty mask.

    Voxels of different boxes are more than `gap` (at least 1) apart, and no cluster encloses another box. Operations
    with a reach of at most `gap` voxels, and the filling of holes, therefore give the same result box by box as on
    the whole mask. A mask of more than 200 clusters has one box.
    """
    whole = bounding_box(mask)
    if not mask[whole].any():
        return []
    labels, n = label_clusters(mask[whole])
    if n > 200:
        return [whole]
    boxes = np.array([[(side.start + first.start, side.stop + first.start)
                       for side, first in zip(box, whole, strict=True)] for box in ndimage.find_objects(labels, n)])
    merged: list[np.ndarray] = []
    for box in boxes:
        while True:  # a box that has grown may touch earlier ones
            touching = [other for other in merged
                        if ((box[:, 0] <= other[:, 1] + gap) & (other[:, 0] <= box[:, 1] + gap)).all()]
            if not touching:
                break
            merged = [other for other in merged if not any(other is one for one in touching)]
            together = np.stack([box, *touching])
            box = np.stack([together[..., 0].min(0), together[..., 1].max(0)], axis=-1)
        merged.append(box)
    return [tuple(slice(int(start), int(stop)) for start, stop in box) for box in merged]


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Smallest box around the true voxels of a mask; one voxel at the origin when there is none."""
    box = []
    for axis in range(mask.ndim):
        there = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0, 1))
    return tuple(box)

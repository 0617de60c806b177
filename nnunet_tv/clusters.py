"""Connected components of a binary mask, and the box around it."""

from __future__ import annotations

import cc3d
import numpy as np

#: Neighbours that make one cluster: faces; with edges; with corners.
CONNECTIVITIES = (6, 18, 26)


def label_clusters(mask: np.ndarray, *, connectivity: int = 26) -> tuple[np.ndarray, int]:
    """Number the clusters of a mask.

    Parameters
    ----------
    mask : ndarray, shape (X, Y, Z), bool
        True inside.
    connectivity : {26, 18, 6}
        Which neighbours make one cluster.

    Returns
    -------
    labels : ndarray, shape of `mask`, unsigned integers
        0 outside, 1..n in the clusters.
    n : int
        Number of clusters.

    Raises
    ------
    ValueError
        Another connectivity.
    """
    if connectivity not in CONNECTIVITIES:
        raise ValueError(f"expected connectivity 6, 18 or 26, found {connectivity!r}")
    # Two faults of cc3d 4.1.1, both seen: its binary algorithm for 26 neighbours allots voxels / 4 labels,
    # too few on odd sides, and writes past its memory, hence labels (uint8); and it drops voxels of a view
    # that is a single row, hence contiguous memory.
    mask = mask.astype(bool, copy=False)
    mask = mask if mask.flags.forc else np.ascontiguousarray(mask)
    labels, n = cc3d.connected_components(mask.view(np.uint8), connectivity=connectivity, return_N=True)
    return labels, int(n)


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """Smallest box around the true voxels of a mask; one voxel at the origin when there is none."""
    box = []
    for axis in range(mask.ndim):
        there = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        box.append(slice(int(there[0]), int(there[-1]) + 1) if there.size else slice(0, 1))
    return tuple(box)

"""Distances between two masks, in mm.

The surface of a mask is the set of its voxels that have a face neighbour outside of it; beyond the volume's
border is outside. Distances are between voxel centres, with the voxel size of each axis, and every surface
voxel counts the same, whatever its area. These are the definitions of Reinke et al. 2024 (Metrics Reloaded) on a
voxel grid; no sub-voxel contour is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import KDTree

from nnunet_tv.metrics.components import as_mask
from nnunet_tv.metrics.hit_rules import ROUNDING


class SurfaceDistances(NamedTuple):
    """HD95, MASD and ASSD in mm, and NSD; None is undefined."""

    hd95_mm: float | None
    masd_mm: float | None
    assd_mm: float | None
    nsd: float


_BOTH_EMPTY = SurfaceDistances(0.0, 0.0, 0.0, 1.0)


def on_surface(mask: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Which of a mask's voxels have a face neighbour outside; shapes (X, Y, Z), (n, 3) -> (n,), bool."""
    result = np.zeros(len(voxels), bool)
    for axis, size in enumerate(mask.shape):
        for step in (-1, 1):
            beside = voxels.copy()
            beside[:, axis] += step
            inside = (beside[:, axis] >= 0) & (beside[:, axis] < size)
            beside[~inside] = 0
            result |= ~(inside & mask[tuple(beside.T)])
    return result


def surface_points_mm(mask: np.ndarray, voxels: np.ndarray, spacing_mm: Sequence[float]) -> np.ndarray:
    """Centres of a mask's surface voxels in mm from the first voxel of the volume, shape (n, 3)."""
    return voxels[on_surface(mask, voxels)] * np.asarray(spacing_mm, float)


def nearest_mm(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance of each point to the nearest of the others; shapes (n, 3), (m, 3) -> (n,)."""
    return KDTree(others).query(points)[0]


def surface_distances(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: Sequence[float], *, tolerance_mm: float = 2.0
) -> SurfaceDistances:
    """Distances between the surfaces of two masks.

    HD95 is the larger of the two directed 95th percentiles (linear interpolation), MASD the mean of the two
    directed means, ASSD the mean over both surfaces together, NSD the share of both surfaces that lies within
    `tolerance_mm` of the other.

    Parameters
    ----------
    prediction, reference : ndarray, shape (X, Y, Z), bool or integer
        Masks of 0 and 1 on one grid.
    spacing_mm : sequence of 3 floats
        Voxel size in mm, in the order of the axes.
    tolerance_mm : float
        Of NSD.

    Returns
    -------
    SurfaceDistances
        Both empty: distances 0, NSD 1. One empty: distances None (undefined), NSD 0.
    """
    masks = as_mask(prediction, "prediction"), as_mask(reference, "reference")
    points = [surface_points_mm(mask, np.argwhere(mask), spacing_mm) for mask in masks]
    return between_surfaces(*points, tolerance_mm=tolerance_mm)


def between_surfaces(first: np.ndarray, second: np.ndarray, *, tolerance_mm: float) -> SurfaceDistances:
    """As :func:`surface_distances`, of surface points in mm, shapes (n, 3) and (m, 3)."""
    if not (len(first) and len(second)):
        return SurfaceDistances(None, None, None, 0.0) if len(first) or len(second) else _BOTH_EMPTY
    there, back = nearest_mm(first, second), nearest_mm(second, first)
    both = np.concatenate([there, back])
    return SurfaceDistances(
        hd95_mm=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        masd_mm=float((there.mean() + back.mean()) / 2),
        assd_mm=float(both.mean()),
        nsd=float((both <= tolerance_mm * (1 + ROUNDING)).mean()),
    )

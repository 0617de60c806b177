"""Distances between the surfaces of two masks, in mm.

The surface of a mask is the set of its voxels that have a face neighbour outside of it; beyond the volume's border is
outside. Distances are between voxel centres, with the voxel size of each axis, and every surface voxel counts the
same, whatever its area. These are the definitions of Reinke et al. 2024 (Metrics Reloaded) on a voxel grid, without a
sub-voxel contour.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from nnunet_tv.metrics.components import as_mask
from nnunet_tv.metrics.hit_rules import ROUNDING
from nnunet_tv.metrics.registry import NSD_TOLERANCE_MM


@dataclass(frozen=True)
class SurfaceDistances:
    """Distance in mm of each surface voxel of the prediction to the reference's surface, and of the reference's.

    Where one of the masks is empty, the distances of the other are infinite.
    """

    to_reference_mm: np.ndarray
    to_prediction_mm: np.ndarray


def surface_distances(prediction: np.ndarray, reference: np.ndarray, spacing_mm: Sequence[float]) -> SurfaceDistances:
    """Distances between the surfaces of two masks of 0 and 1, shape (X, Y, Z); `spacing_mm` in the order of axes."""
    masks = as_mask(prediction, "prediction"), as_mask(reference, "reference")
    points = [voxels[on_surface(mask, voxels)] * np.asarray(spacing_mm, float)
              for mask, voxels in zip(masks, map(np.argwhere, masks), strict=True)]
    return between_points(*points)


def between_points(predicted: np.ndarray, reference: np.ndarray) -> SurfaceDistances:
    """As :func:`surface_distances`, of surface points in mm, shapes (n, 3) and (m, 3)."""
    return SurfaceDistances(nearest_mm(predicted, reference), nearest_mm(reference, predicted))


def hd95_mm(distances: SurfaceDistances) -> float | None:
    """Larger of the two directed 95th percentiles (linear interpolation); 0 for two empty masks, None for one."""
    return _summary(distances, lambda there, back: max(np.percentile(there, 95), np.percentile(back, 95)))


def masd_mm(distances: SurfaceDistances) -> float | None:
    """Mean of the two directed mean distances; 0 for two empty masks, None for one."""
    return _summary(distances, lambda there, back: (there.mean() + back.mean()) / 2)


def assd_mm(distances: SurfaceDistances) -> float | None:
    """Mean distance over both surfaces together; 0 for two empty masks, None for one."""
    return _summary(distances, lambda there, back: np.concatenate([there, back]).mean())


def nsd(distances: SurfaceDistances, tolerance_mm: float = NSD_TOLERANCE_MM) -> float:
    """Share of both surfaces within `tolerance_mm` of the other; 1 for two empty masks, 0 for one."""
    both = np.concatenate([distances.to_reference_mm, distances.to_prediction_mm])
    return float((both <= tolerance_mm * (1 + ROUNDING)).mean()) if len(both) else 1.0


def _summary(distances: SurfaceDistances, statistic: Callable[[np.ndarray, np.ndarray], float]) -> float | None:
    there, back = distances.to_reference_mm, distances.to_prediction_mm
    if len(there) and len(back):
        return float(statistic(there, back))
    return None if len(there) or len(back) else 0.0


def on_surface(mask: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Which of a mask's voxels have a face neighbour outside; shapes (X, Y, Z), (n, 3) -> (n,), bool."""
    result = np.zeros(len(voxels), bool)
    for axis, size in enumerate(mask.shape):
        for step in (-1, 1):
            neighbour = voxels.copy()
            neighbour[:, axis] += step
            inside = (neighbour[:, axis] >= 0) & (neighbour[:, axis] < size)
            neighbour[~inside] = 0
            result |= ~(inside & mask[tuple(neighbour.T)])
    return result


def nearest_mm(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Distance of each point to the nearest of the others; shapes (n, 3), (m, 3) -> (n,); infinite without others."""
    return KDTree(others).query(points)[0] if len(others) else np.full(len(points), np.inf)

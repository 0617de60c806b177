"""How well two scans fit, independent of what aligned them: mutual information at given points.

Mutual information (in nats, 0 for independent images) from a joint histogram of 32 x 32 bins, as Mattes
et al. (IEEE TMI 2003), without their spline windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from nnunet_tv.imaging.geometry import apply, nearest_rotation
from nnunet_tv.imaging.volume import Volume

BINS = 32


def itk_image(volume: Volume) -> sitk.Image:
    """SimpleITK image whose "world" is scanner RAS mm (no LPS), with the nearest orthonormal axes."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.T, dtype=np.float32))
    image.SetSpacing([float(size) for size in volume.spacing_mm])
    image.SetOrigin(volume.affine[:3, 3].tolist())
    axes = nearest_rotation(volume.affine[:3, :3] / np.array(volume.spacing_mm))
    image.SetDirection(axes.ravel().tolist())
    return image


def at_resolution(volume: Volume, resolution_mm: float) -> Volume:
    """`volume` smoothed and resampled to cubes of `resolution_mm`, on its own axes.

    Smoothing adds up to a Gaussian of half the new voxel (sigma), what the old voxel holds already taken off.
    """
    image = itk_image(volume)
    bins = np.maximum(resolution_mm / 1.25 / np.array(image.GetSpacing()), 1).astype(int)
    if bins.max() > 1:  # averages first: far cheaper than smoothing all of a fine scan
        image = sitk.BinShrink(image, bins.tolist())
    spacing = np.array(image.GetSpacing())
    sigma = np.sqrt(np.maximum((0.5 * resolution_mm) ** 2 - (0.5 * spacing) ** 2, 0))
    for axis in np.flatnonzero(sigma > 0.4 * spacing):  # less would change next to nothing
        image = sitk.RecursiveGaussian(image, sigma=float(sigma[axis]), direction=int(axis))
    size = np.maximum(np.ceil(np.array(image.GetSize()) * spacing / resolution_mm), 2).astype(int)
    corner = image.TransformContinuousIndexToPhysicalPoint([-0.5] * 3)
    axes = np.array(image.GetDirection()).reshape(3, 3)
    origin = np.array(corner) + axes @ np.full(3, resolution_mm / 2)
    result = sitk.Resample(image, size.tolist(), sitk.Transform(), sitk.sitkLinear, origin.tolist(),
                           [float(resolution_mm)] * 3, image.GetDirection(), 0.0, sitk.sitkFloat32)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes * resolution_mm, origin
    return Volume(sitk.GetArrayFromImage(result).T, affine)


def cropped(volume: Volume, points_mm: np.ndarray, margin_mm: float) -> Volume:
    """The part of `volume` that holds `points_mm` and `margin_mm` around them; no value changes."""
    indices = apply(np.linalg.inv(volume.affine), points_mm)
    margin = margin_mm / np.array(volume.spacing_mm)
    low = np.clip(np.floor(indices.min(axis=0) - margin).astype(int), 0, np.array(volume.shape) - 1)
    high = np.clip(np.ceil(indices.max(axis=0) + margin).astype(int) + 1, low + 1, volume.shape)
    affine = volume.affine.copy()
    affine[:3, 3] = apply(volume.affine, low.astype(float))
    return Volume(np.asfortranarray(volume.data[tuple(map(slice, low, high))]), affine)


def sample(volume: Volume, points_mm: np.ndarray) -> np.ndarray:
    """Values at scanner points of shape (N, 3), interpolated linearly; 0 outside. Shape (N,), float32."""
    indices = apply(np.linalg.inv(volume.affine), points_mm)
    return ndimage.map_coordinates(volume.data, indices.T.astype(np.float32), order=1, output=np.float32)


def limits(volume: Volume) -> tuple[float, float]:
    """Lowest and highest value between which a scan is told apart: percentiles 0.5 and 99.5 of what is not 0."""
    values = volume.data[volume.data != 0]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values[:: max(1, values.size // 200_000)], (0.5, 99.5))
    return float(min(low, 0.0)), float(max(high, low + 1e-6))


def binned(values: np.ndarray, low_high: Sequence[float], bins: int = BINS) -> np.ndarray:
    """Bin numbers 0 … bins - 1 of `values`; what lies outside of the limits is in the outer bins."""
    low, high = low_high
    return np.clip((values - low) * (bins / (high - low)), 0, bins - 1).astype(np.intp)


def mutual_information(first: np.ndarray, second: np.ndarray, bins: int = BINS) -> float:
    """Mutual information in nats of two arrays of bin numbers of equal shape."""
    joint = np.bincount((first * bins + second).ravel(), minlength=bins * bins).reshape(bins, bins)
    joint = joint / max(first.size, 1)
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / product[there])).sum())

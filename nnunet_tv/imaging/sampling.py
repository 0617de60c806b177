"""Other resolutions, crops and values at points of a volume, for registration and brain masks."""

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from nnunet_tv.imaging.affine import nearest_rotation
from nnunet_tv.imaging.volume import Volume


def itk_image(volume: Volume) -> sitk.Image:
    """SimpleITK image, float32, whose physical space is scanner RAS mm (not LPS), with the nearest orthonormal axes."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume.data.T, dtype=np.float32))
    image.SetSpacing([float(size) for size in volume.spacing_mm])
    image.SetOrigin(volume.affine[:3, 3].tolist())
    axes = nearest_rotation(volume.affine[:3, :3] / np.array(volume.spacing_mm))
    image.SetDirection(axes.ravel().tolist())
    return image


def at_resolution(volume: Volume, resolution_mm: float) -> Volume:
    """`volume` smoothed and resampled to cubes of `resolution_mm`, on its own axes.

    The smoothing amounts to a Gaussian with a sigma of half the new voxel, less the smoothing of the old voxel.
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


def crop_around(volume: Volume, points_mm: np.ndarray, margin_mm: float) -> Volume:
    """The part of `volume` that contains `points_mm` and a margin around them."""
    indices = volume.grid.to_indices(points_mm)
    margin = margin_mm / np.array(volume.spacing_mm)
    low = np.clip(np.floor(indices.min(axis=0) - margin).astype(int), 0, np.array(volume.shape) - 1)
    high = np.clip(np.ceil(indices.max(axis=0) + margin).astype(int) + 1, low + 1, volume.shape)
    affine = volume.affine.copy()
    affine[:3, 3] = volume.grid.to_mm(low.astype(float))
    return Volume(np.asfortranarray(volume.data[tuple(map(slice, low, high))]), affine)


def sample(volume: Volume, points_mm: np.ndarray) -> np.ndarray:
    """Values at scanner points of shape (N, 3), interpolated linearly; 0 outside. Shape (N,), float32."""
    indices = volume.grid.to_indices(points_mm)
    return ndimage.map_coordinates(volume.data, indices.T.astype(np.float32), order=1, output=np.float32)


def random_points(mask: Volume, count: int) -> np.ndarray:
    """Scanner mm of at most `count` voxels of `mask`, with a fixed seed, shape (N, 3)."""
    inside = np.flatnonzero(mask.data)
    if inside.size > count:
        inside = np.sort(np.random.default_rng(0).choice(inside, count, replace=False))
    return mask.grid.to_mm(np.stack(np.unravel_index(inside, mask.shape), axis=-1).astype(float))

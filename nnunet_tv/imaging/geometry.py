"""Points, poses and 4 x 4 matrices in scanner millimetres, RAS+; and the one place that knows ITK's LPS."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.utils.files import atomic

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def canonical(volume: Volume) -> Volume:
    """The same voxels with axes that point to the right, to the front and up as nearly as they can.

    Axes are only permuted and reversed, the affine with them: no value changes, and left stays left. The result
    shares its memory with `volume`.
    """
    image = nib.as_closest_canonical(nib.Nifti1Image(volume.data, volume.affine))
    # a view: two scans of 28 million voxels held twice were 0.25 of a case's 1.53 GB
    return Volume(np.asarray(image.dataobj), np.asarray(image.affine, float))


def apply(matrix: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    """`matrix` (4 x 4) applied to points of shape (..., 3)."""
    return points_mm @ matrix[:3, :3].T + matrix[:3, 3]


def voxel_points(mask: Volume) -> np.ndarray:
    """Scanner mm of the voxels of `mask` that are not 0, shape (N, 3)."""
    return apply(mask.affine, np.argwhere(mask.data).astype(float))


def random_points(mask: Volume, count: int) -> np.ndarray:
    """Scanner mm of at most `count` voxels of `mask`, the same ones every time, shape (N, 3)."""
    inside = np.flatnonzero(mask.data)
    if inside.size > count:
        inside = np.sort(np.random.default_rng(0).choice(inside, count, replace=False))
    return apply(mask.affine, np.stack(np.unravel_index(inside, mask.shape), axis=-1).astype(float))


def about(rotation: np.ndarray, centre_mm: np.ndarray, target_mm: np.ndarray) -> np.ndarray:
    """4 x 4 matrix that turns by `rotation` (3 x 3) and brings `centre_mm` to `target_mm`."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = np.asarray(target_mm, float) - rotation @ np.asarray(centre_mm, float)
    return matrix


def nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Orthonormal matrix (3 x 3) nearest to `matrix`, handedness included (polar decomposition)."""
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def displacement_mm(first: np.ndarray, second: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    """Distance in mm between where two matrices take each point, shape (N,)."""
    return np.linalg.norm(apply(first - second, points_mm), axis=-1)


def write_itk_transform(matrix: np.ndarray, path: str | Path) -> None:
    """Write the resampling transform of a registration as an ITK file (``.tfm``), atomically.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
        Points of the moving scan to points of the fixed one, RAS+ mm.
    path : Path
        Ends in ``.tfm``.

    Notes
    -----
    ITK's convention, which antsApplyTransforms and 3D Slicer follow: the file holds the map from points of
    the fixed scan to points of the moving one, in LPS mm, with which the moving scan is resampled.
    """
    import SimpleITK as sitk

    inverse = _LPS @ np.linalg.inv(matrix) @ _LPS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(inverse[:3, :3].ravel().tolist())
    transform.SetTranslation(inverse[:3, 3].tolist())
    with atomic(path) as temporary:
        sitk.WriteTransform(transform, str(temporary))


def read_itk_transform(path: str | Path) -> np.ndarray:
    """Inverse of :func:`write_itk_transform`: points of the moving scan to points of the fixed one, RAS+ mm."""
    import SimpleITK as sitk

    transform = sitk.AffineTransform(sitk.ReadTransform(str(path)))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    return np.linalg.inv(_LPS @ matrix @ _LPS)

"""A patch cut from a case: rotated, flipped, or as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnunet_tv.training.rotation import rotate_into, rotated_region


def cut(
    data: Any, labels: np.ndarray, start: Sequence[int], patch_size: Sequence[int], *,
    axis: int, angle_rad: float | None = None, flipped: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Patch of a case, in memory of its own.

    Parameters
    ----------
    data : array-like of float32, shape (C, *spatial)
        The case's channels; anything that slices give an array of (blosc2, memory map, ndarray).
    labels : ndarray of int16, shape (*spatial)
        -1 outside the nonzero mask, 0 brain, 1 lesion.
    start, patch_size : sequence of int
        First voxel and size; may stick out of the volume.
    axis : int
        Array axis to rotate about.
    angle_rad : float, optional
        Angle in radians, see :func:`~nnunet_tv.training.rotation.rotate_into`; None: not rotated.
    flipped : sequence of int
        Array axes to mirror after the rotation.

    Returns
    -------
    image : ndarray of float32, shape (C, *patch_size)
        0 outside the volume.
    labels : ndarray of int16, shape (*patch_size)
        -1 outside the volume.
    """
    image = np.zeros((data.shape[0], *patch_size), np.float32)
    target = np.full(patch_size, -1, np.int16)
    # written through a flipped view, the patch is mirrored without a copy
    image_view, target_view = np.flip(image, tuple(i + 1 for i in flipped)), np.flip(target, tuple(flipped))
    if angle_rad is None:
        region = tuple(slice(max(first, 0), min(first + size, end))
                       for first, size, end in zip(start, patch_size, labels.shape, strict=True))
        inside = tuple(slice(part.start - first, part.stop - first) for part, first in zip(region, start, strict=True))
        image_view[(slice(None), *inside)] = data[(slice(None), *region)]
        target_view[inside] = labels[region]
    else:
        region = rotated_region(start, patch_size, labels.shape, axis=axis, angle_rad=angle_rad)
        part = np.require(data[(slice(None), *region)], np.float32, "W")  # torch warns of memory that cannot be written
        rotate_into(image_view, target_view, part, labels[region],
                    [first - part.start for first, part in zip(start, region, strict=True)],
                    axis=axis, angle_rad=angle_rad)
    return image, target

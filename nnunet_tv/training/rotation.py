"""A patch turned about one axis of its volume.

A rotation about one array axis moves nothing along it, so it is one 2-D rotation of every slice: four
neighbours a voxel and one small grid for all slices, instead of eight and a 3-D grid. The volume itself
is sampled, so that a corner of the patch is empty only where the volume has no voxel.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn.functional import grid_sample


def rotated_region(
    start: Sequence[int], patch_size: Sequence[int], shape: Sequence[int], *, axis: int, angle_rad: float
) -> tuple[slice, ...]:
    """Part of a volume of `shape` that a patch turned about its own centre is interpolated from.

    >>> rotated_region((10, 10, 10), (4, 4, 4), (30, 30, 30), axis=0, angle_rad=math.pi / 4)
    (slice(10, 14, None), slice(9, 15, None), slice(9, 15, None))
    """
    half = [(size - 1) / 2 for size in patch_size]
    cos, sin = abs(math.cos(angle_rad)), abs(math.sin(angle_rad))
    region = []
    for i, end in enumerate(shape):
        low, high = start[i], start[i] + patch_size[i]
        if i != axis:
            reach = cos * half[i] + sin * half[3 - axis - i]
            low, high = math.floor(low + half[i] - reach), math.floor(low + half[i] + reach) + 2
        region.append(slice(max(low, 0), min(high, end)))
    return tuple(region)


def rotate_into(
    image_out: np.ndarray, labels_out: np.ndarray, image: np.ndarray, labels: np.ndarray, start: Sequence[int], *,
    axis: int, angle_rad: float,
) -> None:
    """Write a patch turned about its own centre.

    `image_out` (C, X, Y, Z), float32, and `labels_out` (X, Y, Z), int16, of any strides, are filled with 0 and -1
    beforehand. The image is bilinear; a label is that of the largest bilinear weight, 0 where the largest are equal.
    `image` and `labels` are those of the volume's :func:`rotated_region`, `start` is the first voxel of the unturned
    patch, counted from the region's first.

    The angle is right-handed in array axes: the voxel at (u, v) from the centre, along the two axes that follow `axis`
    in cyclic order, comes from (u cos - v sin, u sin + v cos).
    """
    u, v = (i for i in range(3) if i != axis)
    turn = -angle_rad if axis == 1 else angle_rad  # axes 0 and 2 are the cyclic order in reverse
    grid = _grid(labels.shape[u], labels.shape[v], start[u], start[v], labels_out.shape[u], labels_out.shape[v], turn)
    held = slice(-start[axis], -start[axis] + labels.shape[axis])  # the patch's slices that the volume has
    # slices first, so that they can be the channels of a 2-D image
    channels, results = np.moveaxis(image, axis + 1, 1), np.moveaxis(image_out, axis + 1, 1)
    for channel, result in zip(channels, results, strict=True):
        result[held] = _sample(channel, grid)
    np.moveaxis(labels_out, axis, 0)[held] = _sample_labels(np.moveaxis(labels, axis, 0), grid)


def _grid(n_u: int, n_v: int, start_u: int, start_v: int, size_u: int, size_v: int, angle_rad: float) -> torch.Tensor:
    """Pixels of a turned rectangle in a slice of (n_u, n_v), in coordinates of grid_sample: (1, U, V, 2)."""
    u, v = np.arange(size_u)[:, None] - (size_u - 1) / 2, np.arange(size_v)[None, :] - (size_v - 1) / 2
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    at_u = start_u + (size_u - 1) / 2 + u * cos - v * sin
    at_v = start_v + (size_v - 1) / 2 + u * sin + v * cos
    unit = [(2 * at_v + 1) / n_v - 1, (2 * at_u + 1) / n_u - 1]
    return torch.from_numpy(np.stack(unit, -1)[None].astype(np.float32))


def _sample(slices: np.ndarray, grid: torch.Tensor) -> np.ndarray:
    """Slices (N, n_u, n_v) on the grid, bilinear, 0 beyond them: (N, U, V) float32."""
    return grid_sample(torch.from_numpy(slices)[None], grid, mode="bilinear", padding_mode="zeros",
                       align_corners=False)[0].numpy()


def _sample_labels(labels: np.ndarray, grid: torch.Tensor) -> np.ndarray:
    """Labels (N, n_u, n_v) on the grid, each the one of the largest weight: (N, U, V) int16."""
    mask = _sample((labels >= 0).astype(np.float32), grid)  # the weight of -1 is the rest to 1: beyond the slice, too
    result = -(mask < 0.5).astype(np.int16)
    with_lesion = np.flatnonzero((labels == 1).any((1, 2)))
    if with_lesion.size:
        few = slice(with_lesion[0], with_lesion[-1] + 1)
        lesion = _sample((labels[few] == 1).astype(np.float32), grid)
        brain, outside = mask[few] - lesion, 1 - mask[few]
        result[few] = np.where(lesion > np.maximum(brain, outside), 1, -(outside > brain).astype(np.int16))
    return result

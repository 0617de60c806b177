"""Exact Euclidean distances to the border of a mask, on the CPU and on the device.

The distance of a voxel is that between its centre and the nearest centre of the other label, so that it
is at least one voxel everywhere. Squares are what the losses need; nothing here takes a root.
"""

import math
from collections.abc import Sequence

import edt
import numpy as np
import torch
from torch import Tensor

#: Numbers of a chunk in the device's transform: 128 MiB of float32.
CHUNK = 1 << 25


def squared_border_distance(mask: Tensor, spacing_mm: Sequence[float]) -> Tensor:
    """Squared distance in mm² to the nearest voxel of the other label, for 2D or 3D masks (B, *spatial), bool.

    float32, of the mask's shape; infinite in a patch that is all True or all False, which has no border.
    """
    if mask.device.type != "cpu":
        return squared_border_distance_on_device(mask, spacing_mm)
    threads = torch.get_num_threads()
    squares = [edt.edtsq(patch.view(np.uint8) + np.uint8(1), anisotropy=tuple(spacing_mm), black_border=False,
                         parallel=threads) for patch in mask.contiguous().numpy()]
    return torch.from_numpy(squares[0][None] if len(squares) == 1 else np.stack(squares))


def squared_border_distance_on_device(mask: Tensor, spacing_mm: Sequence[float]) -> Tensor:
    """:func:`squared_border_distance` in torch alone, so that nothing leaves the device.

    Exact: the squared distance is separable, and each axis takes the smallest of all candidates of a line.
    It does voxels × side operations per axis, which suits a GPU; on the CPU `edt` is far faster.
    """
    field = torch.stack([mask, ~mask])  # distances to the lesion, and to the rest
    field = torch.where(field, 0.0, math.inf)
    for axis, step in enumerate(spacing_mm, start=2):
        field = _smallest_along(field, axis, step)
    return torch.where(mask, field[1], field[0])


def _smallest_along(field: Tensor, axis: int, step: float) -> Tensor:
    """For every place of an axis, the smallest `field` of its line plus the squared distance to it."""
    moved = field.movedim(axis, -1)
    side = moved.shape[-1]
    place = torch.arange(side, device=field.device, dtype=field.dtype) * step
    cost = (place[:, None] - place) ** 2
    lines = moved.reshape(-1, side)
    smallest = torch.empty_like(lines)
    count = max(1, CHUNK // side**2)
    for first in range(0, len(lines), count):
        chunk = slice(first, first + count)
        smallest[chunk] = (lines[chunk, None, :] + cost).amin(-1)
    return smallest.reshape(moved.shape).movedim(-1, axis)


def squared_distance_to_outside(shape: Sequence[int], spacing_mm: Sequence[float], device: torch.device) -> Tensor:
    """Squared distance from every voxel to the nearest voxel centre outside a patch, float32, in mm².

    >>> squared_distance_to_outside((1, 4), (9.0, 2.0), torch.device("cpu"))
    tensor([[ 4., 16., 16.,  4.]])
    """
    result = torch.full(tuple(shape), math.inf, device=device)
    for axis, (side, step) in enumerate(zip(shape, spacing_mm, strict=True)):
        place = torch.arange(1, side + 1, device=device)
        nearest = torch.minimum(place, place.flip(0)) * step
        along = [-1 if other == axis else 1 for other in range(len(shape))]
        result = torch.minimum(result, (nearest**2).view(along))
    return result


def squared_distance_or_outside(mask: Tensor, spacing_mm: Sequence[float]) -> Tensor:
    """:func:`squared_border_distance`; in a patch without border, the distance to the patch's outside.

    A border that is not in the patch is outside it: this is the largest distance that is certain.
    """
    squares = squared_border_distance(mask, spacing_mm)
    borderless = torch.isinf(squares.flatten(1)[:, :1])  # one voxel decides for the patch
    if borderless.device.type == "cpu" and not borderless.any():  # on a GPU reading it would wait
        return squares
    outside = squared_distance_to_outside(mask.shape[1:], spacing_mm, mask.device)
    return torch.where(borderless.view(-1, *[1] * len(spacing_mm)), outside, squares)

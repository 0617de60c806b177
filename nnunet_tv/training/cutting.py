"""A patch cut from a case: rotated, flipped, or as it is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nnunet_tv.training.rotation import rotate_into, rotated_region


def cut(
    data: Any, labels: np.ndarray, start: Sequence[int], patch_size: Sequence[int], *,
    axis: int, angle_rad: float | None = None, flipped: Sequence[int] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Patch of a case, in memory of its own: float32 image (C, *patch_size) and int16 labels (*patch_size).

    Slices of `data` (C, *spatial), float32, give arrays (blosc2, memory map, ndarray). `labels` (*spatial), int16, are
    -1 outside the nonzero mask, 0 in the brain, 1 in the lesion. The patch begins at voxel `start` and may extend
    beyond the volume, where the image is 0 and labels are -1. It is rotated about the array axis `axis` (not if
    `angle_rad` is None), then mirrored along the axes `flipped`.
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

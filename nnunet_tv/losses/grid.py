"""The voxel grid of a patch: the voxel size for distances in mm."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class VoxelGrid:
    """Voxel size of patches, in the order of the array's spatial axes; ValueError unless positive.

    Attributes
    ----------
    spacing_mm : tuple of float, optional
        Voxel size; without it distances are in voxels (1 each way).
    patch_size : tuple of int, optional
        Voxels per axis at which `spacing_mm` holds. A patch with fewer covers the same extent with
        larger voxels (deep supervision). Without it, `spacing_mm` is that of every patch.
    """

    spacing_mm: Sequence[float] | None = None
    patch_size: Sequence[int] | None = None

    def __post_init__(self):
        for name, kind in (("spacing_mm", float), ("patch_size", int)):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, tuple(kind(size) for size in value))
                if not all(0 < size < float("inf") for size in value):
                    raise ValueError(f"{name} must be positive and finite along every axis, found {tuple(value)}")

    def spacing(self, shape: Sequence[int]) -> tuple[float, ...]:
        """Voxel size of a patch of `shape`, in mm (in voxels without `spacing_mm`).

        >>> VoxelGrid((1, 1, 3), (64, 64, 16)).spacing((32, 32, 16))
        (2.0, 2.0, 3.0)
        """
        spacing = self.spacing_mm or (1.0,) * len(shape)
        size = self.patch_size or tuple(shape)
        for name, value in (("spacing_mm", spacing), ("patch_size", size)):
            if len(value) != len(shape):
                raise ValueError(f"{name} has {len(value)} numbers, but a patch of shape {tuple(shape)} has "
                                 f"{len(shape)} axes: give one for each, in the array's order")
        return tuple(step * full / side for step, full, side in zip(spacing, size, shape, strict=True))

"""Resampling to another grid with a single interpolation.

A world map (an :class:`~nnunet_tv.imaging.affine.Affine` from the scanner space of the target grid to that of the
image) is composed with both grids' affines, so that a registration adds no second interpolation. ITK computes in
index space; therefore the orientation of either grid (left-handed, oblique, permuted axes) needs no special case.

A voxel is a box: positions up to half a voxel outside the outer voxel centres still belong to the volume (in
thick-slice scans half a slice of several mm). Beyond that, values are 0.
"""

import numpy as np
import SimpleITK as sitk

from nnunet_tv.imaging.affine import Affine, itk_affine, transform
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume


def index_map(source: Grid, target: Grid, *, world: Affine | None = None) -> np.ndarray:
    """Matrix, shape (4, 4), from voxel indices of `target` to voxel indices of `source`.

    `world` maps the scanner space of `target` to that of `source`; the identity if left out.
    """
    matrix = np.eye(4) if world is None else world.matrix
    return np.linalg.inv(source.affine) @ matrix @ target.affine


def resample_image(image: Volume, grid: Grid, *, world: Affine | None = None) -> Volume:
    """`image` on `grid` by linear interpolation; 0 outside of `image`.

    The result is float32; without `world` (as for :func:`index_map`) the values are kept bit for bit on an equal grid.
    """
    if world is None and image.grid.matches(grid):
        return Volume(image.data.astype(np.float32), grid.affine)
    return Volume(_interpolate(image.data, index_map(image.grid, grid, world=world), grid.shape), grid.affine)


def resample_mask(mask: Volume, grid: Grid, *, world: Affine | None = None) -> Volume:
    """Mask of 0 and 1 on `grid`, uint8: linear interpolation, then a threshold of 0.5; `world` as above.

    The TV paper's implementation used nearest neighbour. Against balls of 3 and 6 mm radius and a 3 mm
    sheet known in closed form, drawn on 1 mm or on 0.7 x 0.7 x 5.07 mm voxels and resampled to a rotated
    0.8 mm grid, linear interpolation gave the higher or an equal Dice every time (.90-.96 against .88-.94 from
    1 mm), at a volume lower by 1-6 % (3-12 % from thick slices). Small objects lose most: a single voxel
    keeps a quarter. Where nothing would remain, the voxels of `grid` that contain centres of the mask's
    voxels are set: the result is empty only if no voxel of the mask has its centre on `grid`.
    """
    if world is None and mask.grid.matches(grid):
        return Volume(mask.data.astype(np.uint8), grid.affine)
    matrix = index_map(mask.grid, grid, world=world)
    result = _interpolate(mask.data, matrix, grid.shape) >= 0.5
    if not result.any() and mask.data.any():
        indices = transform(np.linalg.inv(matrix), np.argwhere(mask.data))
        indices = np.rint(indices[_inside(indices, grid.shape)]).clip(0, np.array(grid.shape) - 1).astype(int)
        result[tuple(indices.T)] = True
    return Volume(result.astype(np.uint8), grid.affine)


def _interpolate(data: np.ndarray, matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.T, dtype=np.float32))
    indices = sitk.Image([int(size) for size in shape], sitk.sitkUInt8)  # spacing 1, origin 0: index space
    result = sitk.Resample(image, indices, itk_affine(matrix), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(result).T


def _inside(indices: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(((indices >= -0.5) & (indices <= np.array(shape) - 0.5)).all(axis=-1))


def share_inside(voxels: np.ndarray, source: Grid, target: Grid, *, world: Affine | None = None) -> float:
    """Share (0 to 1) of `voxels` (N, 3) of one grid whose centres are inside another; `world` as for index_map."""
    to_target = np.linalg.inv(index_map(source, target, world=world))
    return float(_inside(transform(to_target, voxels), target.shape).mean())


def grids_overlap(first: Grid, second: Grid, *, world: Affine | None = None) -> bool:
    """Whether two grids overlap, tested at 9 x 9 x 9 points of each, outer faces included; `world` as for index_map."""
    to_first = index_map(first, second, world=world)
    for matrix, here, there in ((to_first, second, first), (np.linalg.inv(to_first), first, second)):
        axes = [np.linspace(-0.5, size - 0.5, 9) for size in here.shape]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
        if _inside(transform(matrix, points), there.shape).any():
            return True
    return False

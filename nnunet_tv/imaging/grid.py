"""A voxel grid: a shape and an affine from voxel indices to scanner millimetres, RAS+."""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np

#: Largest distance between two grids' corners, as a share of a voxel, at which they are the same grid.
GRID_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Grid:
    """A voxel grid; grids are equal when shape and affine are exactly equal.

    Examples
    --------
    >>> grid = Grid((4, 4, 2), np.diag([1.0, 1.0, 3.0, 1.0]))
    >>> grid.spacing_mm, grid.orientation
    ((1.0, 1.0, 3.0), 'RAS')
    >>> grid.to_mm(np.array([0, 1, 1]))
    array([0., 1., 3.])
    """

    shape: tuple[int, ...]  #: number of voxels along X, Y, Z
    affine: np.ndarray  #: voxel indices to scanner coordinates in mm, RAS+; shape (4, 4), float64

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grid) and self.shape == other.shape and np.array_equal(self.affine, other.affine)

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Voxel size along X, Y, Z in mm."""
        return tuple(float(size) for size in np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def voxel_mm3(self) -> float:
        """Volume of a voxel in mm³."""
        return abs(float(np.linalg.det(self.affine[:3, :3])))

    @property
    def orientation(self) -> str:
        """Nearest axis codes, such as ``RAS``: the directions in which the axes point."""
        return "".join(nib.aff2axcodes(self.affine))

    def to_mm(self, indices: np.ndarray) -> np.ndarray:
        """Scanner coordinates in mm of voxel indices of shape (..., 3)."""
        return indices @ self.affine[:3, :3].T + self.affine[:3, 3]

    def to_indices(self, points_mm: np.ndarray) -> np.ndarray:
        """Fractional voxel indices of scanner coordinates of shape (..., 3)."""
        inverse = np.linalg.inv(self.affine)
        return points_mm @ inverse[:3, :3].T + inverse[:3, 3]

    def points(self, offset: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> np.ndarray:
        """Scanner coordinates in mm of all voxel centres plus `offset` voxels, shape (X, Y, Z, 3), float32."""
        total = self.affine[:3, 3] + self.affine[:3, :3] @ np.asarray(offset, float)
        points = np.broadcast_to(total.astype(np.float32), (*self.shape, 3)).copy()
        for axis, size in enumerate(self.shape):
            steps = np.arange(size, dtype=np.float32)[:, None] * self.affine[:3, axis].astype(np.float32)
            points += steps.reshape([size if a == axis else 1 for a in range(3)] + [3])
        return points

    def matches(self, other: Grid, tolerance: float = GRID_TOLERANCE) -> bool:
        """Whether two grids have equal shapes and corners within `tolerance` voxels."""
        if self.shape != other.shape:
            return False
        corners = np.array([[i, j, k, 1] for i in (0, 1) for j in (0, 1) for k in (0, 1)], float)
        corners[:, :3] *= np.array(self.shape) - 1
        gap_mm = np.abs(corners @ (self.affine - other.affine).T).max()
        return bool(gap_mm <= tolerance * min(self.spacing_mm))

"""A simulated scanner: acquisition grids (oriented, oblique, thick slices), contrast, bias field and noise."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from scipy import ndimage

from nnunet_tv.demo.anatomy import TISSUES, Anatomy
from nnunet_tv.demo.pose import Pose, rigid
from nnunet_tv.imaging.grid import Grid

#: Brightness of :data:`~nnunet_tv.demo.anatomy.TISSUES`; white matter in T1w is about 0.9.
CONTRASTS = {
    "T1w": dict(zip(TISSUES, (0.17, 0.55, 0.88, 0.06, 0.45, 0.95, 0.40), strict=True)),
    "FLAIR": dict(zip(TISSUES, (0.10, 0.58, 0.46, 0.05, 0.30, 0.55, 0.33), strict=True)),
}
#: Voxel value of brightness 1.
SCALE = 800.0


def make_grid(pose: Pose, box_mm: np.ndarray, *, orientation: str, spacing_mm: tuple[float, float, float],
              oblique_deg: tuple[float, float, float] = (0.0, 0.0, 0.0), max_side: int | None = None) -> Grid:
    """Grid that covers a head.

    Parameters
    ----------
    pose : Pose
        Position of the head.
    box_mm : ndarray, shape (2, 3)
        Lowest and highest corner of the head in template mm.
    orientation : str
        Directions of the voxel axes as stored, such as ``RAS``, ``LAS`` or ``PSR``.
    spacing_mm : tuple of 3 floats
        Voxel size along the stored axes.
    oblique_deg : tuple of 3 floats
        Rotation of the slice stack about scanner x, y, z.
    max_side : int, optional
        Largest number of voxels along an axis; the rest of the head is outside the field of view.
    """
    corners = np.array([[x, y, z] for x in box_mm[:, 0] for y in box_mm[:, 1] for z in box_mm[:, 2]])
    corners = pose.to_scanner(corners)
    directions = rigid(np.array(oblique_deg), np.zeros(3), np.zeros(3))[:3, :3] @ _axes(orientation)
    along = corners @ directions
    middle = (along.max(0) + along.min(0)) / 2
    extent = along.max(0) - along.min(0)
    shape = np.ceil(extent / spacing_mm).astype(int) + 1
    if max_side is not None:
        shape = np.minimum(shape, max_side)
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing_mm
    affine[:3, 3] = directions @ (middle - (shape - 1) / 2 * spacing_mm)
    x, y, z = (int(n) for n in shape)
    return Grid((x, y, z), affine)


def _axes(orientation: str) -> np.ndarray:
    """Directions (columns, RAS+) of the voxel axes of `orientation`."""
    columns = np.zeros((3, 3))
    for column, (axis, sign) in enumerate(nib.orientations.axcodes2ornt(tuple(orientation))):
        columns[int(axis), column] = sign
    return columns


def sample(fields: list[np.ndarray], anatomy: Anatomy, pose: Pose, grid: Grid) -> list[np.ndarray]:
    """Resample template-space fields, shape (X, Y, Z) on the anatomy's grid, to `grid`, float32.

    A thick slice is the average over its thickness.
    """
    finest = min(grid.spacing_mm)
    counts = [max(1, round(size / max(finest, 1.5))) for size in grid.spacing_mm]
    offsets = [(np.arange(n) + 0.5) / n - 0.5 for n in counts]
    blur = 0.35 * finest / anatomy.affine[0, 0]
    smooth = [ndimage.gaussian_filter(field, blur, truncate=2.5) for field in fields]
    totals = [np.zeros(grid.shape, np.float32) for _ in fields]
    for offset in np.stack(np.meshgrid(*offsets, indexing="ij"), -1).reshape(-1, 3):
        indices = np.moveaxis(anatomy.voxels(pose.to_template(grid.points(tuple(offset)))), -1, 0)
        indices = indices.astype(np.float32)
        for total, field in zip(totals, smooth, strict=True):
            total += ndimage.map_coordinates(field, indices, order=1) / np.prod(counts)
    return totals


def brightness(anatomy: Anatomy, contrast: dict[str, float]) -> np.ndarray:
    """Sum of the tissues weighted by `contrast`, on the anatomy's grid, float32."""
    total = np.zeros(anatomy.brain.shape, np.float32)
    for name, weight in contrast.items():
        total += np.float32(weight) * anatomy.tissues[name]
    return total


def vary(contrast: dict[str, float], rng: np.random.Generator, share: float = 0.05) -> dict[str, float]:
    """Contrast of one examination: every weight changed by a few per cent."""
    return {name: float(weight * (1 + share * rng.standard_normal())) for name, weight in contrast.items()}


def bias_field(grid: Grid, rng: np.random.Generator, size: float) -> np.ndarray:
    """Smooth multiplicative field around 1, quadratic in the coordinates; `size` spreads its logarithm."""
    ranges = [np.linspace(-1, 1, n, dtype=np.float32) for n in grid.shape]
    axes = np.meshgrid(*ranges, indexing="ij", sparse=True)
    terms = [axes[i] for i in range(3)] + [axes[i] * axes[j] for i in range(3) for j in range(i, 3)]
    log = sum(np.float32(weight) * term for weight, term in zip(rng.standard_normal(9), terms, strict=True))
    return np.exp(size * (log - log.mean()) / log.std())


def acquire(signal: np.ndarray, head: np.ndarray, rng: np.random.Generator, *, bias: np.ndarray,
            noise: float) -> np.ndarray:
    """Magnitude image, int16, with Rician noise: the modulus of bias times signal plus complex normal noise.

    Outside the head the image is exactly 0, as after masking, so that nnU-Net's crop finds the head.
    """
    real = signal * bias + noise * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = noise * rng.standard_normal(signal.shape, dtype=np.float32)
    magnitude = np.hypot(real, imaginary) * (head > 0.5)
    return np.clip(np.rint(SCALE * magnitude), 0, 32767).astype(np.int16)

"""A simulated scanner: acquisition grids (oriented, oblique, thick slices), contrast, bias field and noise."""

from itertools import combinations_with_replacement, product
from typing import Any

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
#: The same in 2D spin echo of a clinic, white matter 1: medians of four sessions of two patients (Lesjak et al. 2017,
#: doi 10.1007/s12021-017-9348-7). There cortex in T1w is 0.88 and deep grey matter as bright as white.
CLINICAL_CONTRASTS = {
    "T1w": dict(zip((*TISSUES, "deep_gm"), (0.40, 0.88, 1.0, 0.15, 0.80, 2.4, 0.65, 1.0), strict=True)),
    "FLAIR": dict(zip(TISSUES, (0.12, 1.08, 1.0, 0.20, 0.45, 0.70, 0.55), strict=True)),
}
#: Centre (right side) and radii in template mm of the ellipsoid that is taken for deep grey matter on each side.
_DEEP_MM = (17.0, -4.0, 6.0), (15.0, 27.0, 15.0)
#: Voxel value of brightness 1.
SCALE = 800.0


def make_grid(pose: Pose, box_mm: np.ndarray, *, orientation: str, spacing_mm: tuple[float, float, float],
              oblique_deg: tuple[float, float, float] = (0.0, 0.0, 0.0), max_side: int | None = None) -> Grid:
    """Grid that covers the head between the corners `box_mm` (template mm, shape (2, 3)).

    The stored axes have the directions `orientation`, such as ``PSR``, and the voxel size `spacing_mm`; `oblique_deg`
    rotates them about scanner x, y, z. Beyond `max_side` voxels the head is outside the field of view.
    """
    axes = np.zeros((3, 3))
    for column, (axis, sign) in enumerate(nib.orientations.axcodes2ornt(tuple(orientation))):
        axes[int(axis), column] = sign
    directions = rigid(np.array(oblique_deg), np.zeros(3), np.zeros(3))[:3, :3] @ axes
    along = pose.to_scanner(np.array(list(product(*box_mm.T)))) @ directions
    low, high = along.min(0), along.max(0)
    shape = np.ceil((high - low) / spacing_mm).astype(int) + 1
    if max_side is not None:
        shape = np.minimum(shape, max_side)
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing_mm
    affine[:3, 3] = directions @ ((high + low) / 2 - (shape - 1) / 2 * spacing_mm)
    return Grid(tuple(shape.tolist()), affine)


def limit_view(grid: Grid, points_mm: np.ndarray, *, above_mm: float, missed: float) -> Grid:
    """The part of `grid` that ends `above_mm` above the highest of `points_mm` (scanner mm, shape (N, 3)), and below
    where the share `missed` of them is outside. Only the axis that is nearest to up is cut.
    """
    axis = int(np.argmax(np.abs(grid.affine[2, :3])))
    up = np.sign(grid.affine[2, axis])
    along = up * grid.to_indices(points_mm)[:, axis]
    ends = up * np.array([np.quantile(along, missed), along.max() + above_mm / grid.spacing_mm[axis]])
    first, last = np.clip(np.rint(np.sort(ends)).astype(int), 0, grid.shape[axis] - 1)
    affine = grid.affine.copy()
    affine[:3, 3] += first * affine[:3, axis]
    shape = list(grid.shape)
    shape[axis] = int(last - first + 1)
    return Grid(tuple(shape), affine)


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
    for offset in product(*offsets):
        indices = np.moveaxis(anatomy.voxels(pose.to_template(grid.points(offset))), -1, 0).astype(np.float32)
        for total, field in zip(totals, smooth, strict=True):
            total += ndimage.map_coordinates(field, indices, order=1) / np.prod(counts)
    return totals


def brightness(anatomy: Anatomy, contrast: dict[str, float]) -> np.ndarray:
    """Sum of the tissues weighted by `contrast`, on the anatomy's grid, float32.

    With a weight ``deep_gm`` the deep grey matter has it in place of that of ``gm``.
    """
    total = np.zeros(anatomy.brain.shape, np.float32)
    for name, weight in contrast.items():
        if name == "deep_gm":
            total += np.float32(weight - contrast["gm"]) * anatomy.tissues["gm"] * _deep(anatomy)
        else:
            total += np.float32(weight) * anatomy.tissues[name]
    return total


def _deep(anatomy: Anatomy) -> np.ndarray:
    """1 around basal ganglia and thalami, 0 elsewhere, on the anatomy's grid, float32."""
    axes = [anatomy.points(np.eye(3)[axis] * np.arange(n)[:, None])[:, axis]
            for axis, n in enumerate(anatomy.brain.shape)]
    x, y, z = np.meshgrid(np.abs(axes[0]), *axes[1:], indexing="ij", sparse=True)
    far = sum(((one - centre) / radius) ** 2 for one, centre, radius in zip((x, y, z), *_DEEP_MM, strict=True))
    return np.asarray(far < 1, np.float32)


def vary(contrast: dict[str, float], rng: np.random.Generator, share: float = 0.05) -> dict[str, float]:
    """Contrast of one examination: every weight changed by a few per cent."""
    return {name: float(weight * (1 + share * rng.standard_normal())) for name, weight in contrast.items()}


def bias_field(grid: Grid, rng: np.random.Generator, size: float) -> np.ndarray:
    """Smooth multiplicative field around 1, quadratic in the coordinates; `size` spreads its logarithm."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in grid.shape), indexing="ij", sparse=True)
    terms = [*axes, *(first * second for first, second in combinations_with_replacement(axes, 2))]
    log: Any = sum(np.float32(weight) * term for weight, term in zip(rng.standard_normal(9), terms, strict=True))
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

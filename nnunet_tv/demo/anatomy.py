"""The head of every phantom: MNI152 tissue maps with added shells and a neck.

The maps come from nilearn's bundled ICBM 2009a symmetric template (no download). The shells are concentric
layers around the brain's hull, not anatomy: they are there so that a scan has scalp, skull and cerebrospinal
fluid around the brain, as a real one has. The face is missing, as in defaced public data.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

#: First and last coordinate of the anatomy's grid in template mm (MNI, RAS+): room for scalp and neck.
BOX_MM = ((-92.0, 92.0), (-124.0, 94.0), (-96.0, 102.0))
#: Outer borders of the layers around the brain's hull, mm.
LAYERS_MM = {"csf": 2.0, "skull": 4.0, "marrow": 6.5, "outer_skull": 8.0, "scalp": 12.0}
#: Tissues, in the order in which contrasts weight them.
TISSUES = ("csf", "gm", "wm", "bone", "marrow", "fat", "muscle")


@dataclass(frozen=True, eq=False)  # equal only to itself: a key of caches
class Anatomy:
    """Tissue fractions on a regular grid of template space; maps have the shape (X, Y, Z)."""

    tissues: dict[str, np.ndarray]  #: share of each of :data:`TISSUES`, float32; in the head they add up to 1
    brain: np.ndarray  #: mask of the template's brain, with the fluid of its sulci and ventricles; bool
    affine: np.ndarray  #: voxel indices to template mm, shape (4, 4)

    def voxels(self, points_mm: np.ndarray) -> np.ndarray:
        """Voxel indices of template points; both have shape (..., 3)."""
        return (points_mm - self.affine[:3, 3]) / np.diag(self.affine)[:3]

    def points(self, indices: np.ndarray) -> np.ndarray:
        """Template points in mm of voxel indices; both have shape (..., 3)."""
        return indices * np.diag(self.affine)[:3] + self.affine[:3, 3]


@lru_cache(maxsize=2)
def load_anatomy(resolution_mm: float = 1.0) -> Anatomy:
    """Anatomy at `resolution_mm` (1 for fine phantoms, 1.5 is enough for scans of 2 mm).

    The template's tissue probabilities are averages of 152 brains; they are sharpened (squared and
    normalised), which makes the cortex as thin and distinct as in one brain.
    """
    from nilearn import datasets

    affine = np.diag([resolution_mm] * 3 + [1.0])
    affine[:3, 3] = [low for low, _ in BOX_MM]
    shape = tuple(round((high - low) / resolution_mm) + 1 for low, high in BOX_MM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gm, wm, brain = (_on_grid(load(resolution=1), affine, shape) for load in (
            datasets.load_mni152_gm_template, datasets.load_mni152_wm_template, datasets.load_mni152_brain_mask))
    inside = np.clip(brain, 0, 1)
    csf = np.clip(inside - gm - wm, 0, 1)
    powers = [np.square(part) for part in (csf, gm, wm)]
    total = sum(powers) + 1e-6
    csf, gm, wm = (inside * part / total for part in powers)
    tissues = {**{name: np.zeros(shape, np.float32) for name in TISSUES}, "csf": csf, "gm": gm, "wm": wm}
    _add_shells(tissues, inside, affine)
    return Anatomy({name: part.astype(np.float32) for name, part in tissues.items()}, brain > 0.5, affine)


def _on_grid(image, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    to_source = np.linalg.inv(image.affine) @ affine
    data = np.asarray(image.dataobj, np.float32)
    if affine[0, 0] > 1:
        data = ndimage.gaussian_filter(data, 0.4 * affine[0, 0], truncate=2)
    return ndimage.affine_transform(data, np.diag(to_source[:3, :3]), to_source[:3, 3], shape, order=1)


def _add_shells(tissues: dict[str, np.ndarray], inside: np.ndarray, affine: np.ndarray) -> None:
    """Add the surroundings of the brain: fluid, skull with marrow, scalp, and a neck of muscle and fat."""
    shape, size = inside.shape, affine[0, 0]
    x, y, z = np.meshgrid(*(low + size * np.arange(n, dtype=np.float32) for low, n in zip(
        affine[:3, 3], shape, strict=True)), indexing="ij", sparse=True)
    distance = _hull_distance(inside > 0.5, size)
    neck = 1.0 - np.sqrt((x / 52) ** 2 + ((y + 38) / 58) ** 2)
    base = 1.0 - np.sqrt((x / 58) ** 2 + ((y - 12) / 62) ** 2 + ((z + 42) / 46) ** 2)
    depth_mm = np.maximum(np.minimum(neck * 52, (-30 - z)), base * 46)
    left = 1.0 - inside
    within = {name: _ramp(border_mm - distance, size) for name, border_mm in LAYERS_MM.items()}
    head = np.maximum(within["scalp"], _ramp(depth_mm, size))
    texture = _texture(shape, size)
    tissues["csf"] += left * within["csf"]
    tissues["marrow"] += left * (within["marrow"] - within["skull"]) * (0.5 + 0.5 * texture)
    tissues["bone"] += left * (within["outer_skull"] - within["csf"]) - tissues["marrow"]
    soft = left * np.clip(head - within["outer_skull"], 0, 1)
    deep = _ramp(depth_mm - 5, 2.0) * _ramp(distance - LAYERS_MM["scalp"], 2.0)
    muscle = np.clip(deep * (0.55 + 0.45 * texture) + 0.25 * texture, 0, 1)
    tissues["muscle"] += soft * muscle
    tissues["fat"] += soft * (1 - muscle)


def _ramp(depth_mm: np.ndarray, width_mm: float) -> np.ndarray:
    """0 outside, 1 inside, linear over `width_mm` around the border: partial volume."""
    return np.clip(depth_mm / width_mm + 0.5, 0, 1).astype(np.float32)


def _hull_distance(brain: np.ndarray, resolution_mm: float, closing_mm: float = 12.0) -> np.ndarray:
    """Distance in mm to the closed brain mask, 0 inside; computed at about 3 mm, as the hull is smooth."""
    step = max(1, round(3 / resolution_mm))
    coarse = brain[::step, ::step, ::step]
    size = step * resolution_mm
    dilated = ndimage.distance_transform_edt(~coarse, sampling=size) <= closing_mm
    closed = ndimage.distance_transform_edt(dilated, sampling=size) > closing_mm
    distance = ndimage.distance_transform_edt(~(closed | coarse), sampling=size)
    distance = ndimage.gaussian_filter(distance, 1.0)
    grid = [np.arange(n, dtype=np.float32) / step for n in brain.shape]
    return ndimage.map_coordinates(distance.astype(np.float32), np.meshgrid(*grid, indexing="ij"), order=1,
                                   mode="nearest")


def _texture(shape: tuple[int, ...], resolution_mm: float) -> np.ndarray:
    """Smooth random field in [0, 1], the same for every head: soft tissue is not uniform."""
    coarse = np.random.default_rng(0).standard_normal([int(n * resolution_mm / 6) + 3 for n in shape])
    coarse = ndimage.gaussian_filter(coarse, 1.0)
    grid = [np.arange(n, dtype=np.float32) * resolution_mm / 6 for n in shape]
    field = ndimage.map_coordinates(coarse.astype(np.float32), np.meshgrid(*grid, indexing="ij"), order=1)
    return np.clip(0.5 + field / (4 * coarse.std()), 0, 1)

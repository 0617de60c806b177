"""Simulated FCD type II: thickened cortex, blurred grey-white boundary, FLAIR hyperintensity.

Type IIb is brighter and has a transmantle sign, a tail that tapers towards the ventricle.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import ndimage

from nnunet_tv.demo.anatomy import Anatomy

#: Brightness added to the FLAIR at full lesion strength: 1.2 and 1.3 times normal cortex, which has 0.58.
FLAIR_GAIN = {"IIa": 0.116, "IIb": 0.174}
#: Largest depth of a lesion's centre under the surface of the brain, mm.
DEPTH_MM = 22.0
_THICKENING_MM = 2.5
_BLUR_MM = 2.0
_FADE_MM = 1.2


@dataclass(frozen=True)
class Lesion:
    """Place and kind of a lesion."""

    hemisphere: str  #: ``L`` or ``R``; left is where template x is negative
    lobe: str  #: ``FL``, ``PL``, ``TL`` or ``OL`` (:func:`lobe_of`)
    histology: str  #: ``IIa`` or ``IIb``
    centre_mm: tuple[float, float, float]  #: template (MNI) coordinates
    radius_mm: float  #: extent along the cortex


def lobe_of(x: float, y: float, z: float) -> str:
    """Lobe of a cortical point in MNI mm, by planes through the central and lateral sulci: coarse."""
    if y < -74:
        return "OL"
    lateral_sulcus = -12 + 0.45 * (20 - y)
    if abs(x) > 22 and y < 20 and z < min(lateral_sulcus, 14):
        return "TL"
    central_sulcus = -5 - 25 * (z - 15) / 55
    return "FL" if y > central_sulcus else "PL"


def draw_lesion(anatomy: Anatomy, rng: np.random.Generator, *, radius_mm: tuple[float, float],
                hemisphere: str | None = None) -> Lesion:
    """Draw a lesion on cerebral cortex: hemisphere (unless given), cortical voxel, size."""
    side = hemisphere or str(rng.choice(["L", "R"]))
    points = _cortex(anatomy)
    points = points[points[:, 0] < -8] if side == "L" else points[points[:, 0] > 8]
    centre = points[rng.integers(len(points))]
    x, y, z = (round(float(value), 2) for value in centre)
    return Lesion(side, lobe_of(*centre), str(rng.choice(["IIa", "IIb"], p=[0.32, 0.68])),
                  (x, y, z), round(float(rng.uniform(*radius_mm)), 2))


@lru_cache(maxsize=2)
def _cortex(anatomy: Anatomy) -> np.ndarray:
    """Template points of cortical grey matter near white matter, without cerebellum and brain stem."""
    spacing = anatomy.affine[0, 0]
    depth = ndimage.distance_transform_edt(anatomy.brain, sampling=spacing)
    white_near = ndimage.maximum_filter(anatomy.tissues["wm"], size=2 * round(3 / spacing) + 1) > 0.8
    points = anatomy.points(np.argwhere((anatomy.tissues["gm"] > 0.7) & white_near & (depth < DEPTH_MM)))
    x, y, z = points.T
    cerebellum_or_stem = (z < -8) & (y < -28) | (z < -18) & (y < -20) | (np.abs(x) < 14) & (z < -2)
    return points[~cerebellum_or_stem]


def add_lesion(anatomy: Anatomy, lesion: Lesion, rng: np.random.Generator) -> tuple[Anatomy, np.ndarray]:
    """The anatomy with thicker grey matter and a blurred boundary, and the lesion's strength there.

    The strength, shape (X, Y, Z), float32, is 0 to 1; a voxel belongs to the lesion from 0.5 upwards.
    """
    box = _box(anatomy, lesion)
    spacing = anatomy.affine[0, 0]
    old = {name: anatomy.tissues[name][box] for name in ("gm", "wm")}
    zone = _zone(anatomy, lesion, box, rng)
    solid = np.clip(old["gm"] + old["wm"], 0, 1)
    thick = ndimage.grey_dilation(old["gm"], footprint=_ball(_THICKENING_MM, spacing)) * solid
    gm = np.maximum(old["gm"], thick * zone)
    blurred = [ndimage.gaussian_filter(part, _BLUR_MM / spacing) for part in (gm, np.clip(solid - gm, 0, 1))]
    share = blurred[0] / np.maximum(blurred[0] + blurred[1], 1e-6)
    gm = old["gm"] + zone * (solid * share - old["gm"])
    # bright where cortex has become thick; the deep border fades instead of ending
    strength = zone * np.clip(1.5 * gm, 0, 1)
    if lesion.histology == "IIb":
        strength = np.maximum(strength, 0.8 * _tail(anatomy, lesion, box))
    strength = solid * ndimage.gaussian_filter(strength, _FADE_MM / spacing)
    tissues = {name: part.copy() if name in ("gm", "wm") else part for name, part in anatomy.tissues.items()}
    tissues["gm"][box], tissues["wm"][box] = gm, np.maximum(old["wm"] - (gm - old["gm"]), 0)
    whole = np.zeros(anatomy.brain.shape, np.float32)
    whole[box] = strength
    return replace(anatomy, tissues=tissues), whole


def _box(anatomy: Anatomy, lesion: Lesion) -> tuple[slice, ...]:
    centre, reach_mm = np.array(lesion.centre_mm), 2 * lesion.radius_mm + 6
    low = np.maximum(np.floor(anatomy.voxels(centre - reach_mm)).astype(int), 0)
    high = np.minimum(np.ceil(anatomy.voxels(centre + reach_mm)).astype(int) + 1, anatomy.brain.shape)
    return tuple(map(slice, low, high))


def _coordinates(anatomy: Anatomy, box: tuple[slice, ...]) -> np.ndarray:
    return anatomy.points(np.moveaxis(np.mgrid[box], 0, -1))


def _zone(anatomy: Anatomy, lesion: Lesion, box: tuple[slice, ...], rng: np.random.Generator) -> np.ndarray:
    """Soft ball with an uneven border, 1 inside and 0 outside, on the lesion's side of the midline only."""
    points = _coordinates(anatomy, box)
    distance = np.linalg.norm(points - lesion.centre_mm, axis=-1)
    noise = ndimage.gaussian_filter(rng.standard_normal(distance.shape), 4 / anatomy.affine[0, 0])
    border = lesion.radius_mm * (1 + 0.25 * noise / max(noise.std(), 1e-9))
    own_side = points[..., 0] < -1 if lesion.hemisphere == "L" else points[..., 0] > 1
    return (np.clip((border - distance) / 3 + 0.5, 0, 1) * own_side).astype(np.float32)


def _tail(anatomy: Anatomy, lesion: Lesion, box: tuple[slice, ...]) -> np.ndarray:
    """Transmantle sign: a cone from the lesion towards the lateral ventricle of its side, two radii long."""
    centre = np.array(lesion.centre_mm)
    ventricle = np.array([16.0 * np.sign(centre[0]), np.clip(centre[1], -45, 25), 16.0])
    axis = ventricle - centre
    length = min(2 * lesion.radius_mm, float(np.linalg.norm(axis)))
    axis /= max(float(np.linalg.norm(axis)), 1e-6)
    offset = _coordinates(anatomy, box) - centre
    along = offset @ axis
    across = np.linalg.norm(offset - along[..., None] * axis, axis=-1)
    radius = 0.5 * lesion.radius_mm * (1 - along / max(length, 1e-6))
    return np.clip((radius - across) / 2 + 0.5, 0, 1) * ((along > 0) & (along < length))


def _ball(radius_mm: float, spacing: float) -> np.ndarray:
    reach = int(np.ceil(radius_mm / spacing))
    x, y, z = np.mgrid[(slice(-reach, reach + 1),) * 3] * spacing
    return x**2 + y**2 + z**2 <= radius_mm**2

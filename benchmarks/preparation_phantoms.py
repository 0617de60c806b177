"""Phantoms with known transforms for the benchmarks of the preparation.

Two kinds of heads: ``demo``, that of the package, and ``own``, made here: other proportions, bends of 3 mm (root mean
square, each axis) and shorter ones of 1 mm, wide ventricles, a skull of varying thickness, eyes, sinuses, a nose, and a
neck down to the shoulders, in a noisy background. Both start from the template's tissue maps, since no others can be
shipped: expect lower accuracy on patients.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy import ndimage

from nnunet_tv.demo import scanner
from nnunet_tv.demo.anatomy import TISSUES, Anatomy, load_anatomy
from nnunet_tv.demo.lesion import add_lesion, draw_lesion
from nnunet_tv.demo.phantom import ClinicalOptions, PhantomOptions, Protocol, brain_points, draw_roi, make_phantom
from nnunet_tv.demo.pose import Pose, Warp, rigid
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.resample import resample_image
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.template import load_template

#: Box of the head ``own`` in template mm.
_LOW_MM, _HIGH_MM = np.array([-104.0, -136, -190]), np.array([104.0, 118, 104])
_HEAD_CENTRE_MM = np.array([0.0, -18, 0])


@dataclass(frozen=True)
class Scenario:
    """A pair of scans: head (``demo`` or ``own``), directions and sizes of the stored voxel axes, position of the head.

    `oblique_deg` rotates each stack of slices about all three axes; with `neck` the field of view reaches down to the
    shoulders (``own`` only). `t1_mm` is the size of voxels, of `clinical` scans within slices.
    """

    name: str
    head: str = "own"
    t1_axes: str = "RAS"
    flair_axes: str = "RAS"
    t1_mm: float = 1.0
    flair_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    rotation_deg: tuple[float, float, float] = (6.0, -4.0, 5.0)
    offset_mm: tuple[float, float, float] = (8.0, -12.0, 10.0)
    oblique_deg: float = 0.0
    neck: bool = False
    clinical: ClinicalOptions | None = None  #: contrast, slices of the T1w, noise, bias and field of view (``own``)


SCENARIOS = {
    "demo": Scenario("ordinary (demo's head)", head="demo", t1_axes="PSR", flair_axes="PSR"),
    "own": Scenario("ordinary"),
    "turned": Scenario("turned by 40 degrees, 60 mm off", rotation_deg=(40, -20, 35), offset_mm=(35, -35, 34)),
    "tilted": Scenario("tilted by 40 degrees (demo's head)", head="demo", rotation_deg=(-40, 15, -20),
                       offset_mm=(0, 0, 60), flair_axes="LPS"),
    "thick": Scenario("FLAIR of 4 mm slices", t1_axes="LAS", flair_axes="LAS", flair_mm=(0.7, 0.7, 4.0)),
    "fine": Scenario("T1w of 0.8 mm", t1_axes="PSR", flair_axes="PSR", t1_mm=0.8),
    "neck": Scenario("neck in view", t1_axes="LPS", flair_axes="LPS", neck=True, rotation_deg=(-18, 4, -6)),
    "oblique": Scenario("oblique stacks", t1_axes="LAS", flair_axes="PSR", oblique_deg=14.0,
                        flair_mm=(1.2, 0.9, 0.9)),
    "fine_neck": Scenario("T1w of 0.8 mm, neck in view", t1_axes="PSR", flair_axes="LPS", t1_mm=0.8, neck=True),
    "clinic": Scenario("clinic: 2D, slices of 3.5 mm", t1_axes="LPS", flair_axes="LPS", t1_mm=0.8,
                       flair_mm=(0.75, 0.75, 4.0), rotation_deg=(13, 4, -6), oblique_deg=3.0,
                       clinical=ClinicalOptions()),
    "clinic_thick": Scenario("clinic: 2D, slices of 5.5 mm", t1_axes="LPS", flair_axes="LPS", t1_mm=0.9,
                             flair_mm=(0.9, 0.9, 5.5), rotation_deg=(12, -4, 5), oblique_deg=3.0,
                             clinical=ClinicalOptions(t1_slice_mm=5.5, bias=0.3)),
}


@dataclass(frozen=True)
class Case:
    """Scans, lesion mask on the FLAIR's grid, and the true transforms.

    `to_template` and `to_scanner` map points in mm of the T1w to MNI mm and back, `flair_to_t1`, shape (4, 4), scanner
    mm of the FLAIR to those of the T1w; `brain` is in MNI mm.
    """

    t1: Volume
    flair: Volume
    roi: Volume
    to_template: Callable[[np.ndarray], np.ndarray]
    to_scanner: Callable[[np.ndarray], np.ndarray]
    flair_to_t1: np.ndarray
    brain: Volume

    def brain_points(self) -> np.ndarray:
        """Points throughout the brain in T1w scanner mm, shape (N, 3)."""
        inside = np.argwhere(self.brain.data[::6, ::6, ::6]) * 6.0
        return self.to_scanner(self.brain.grid.to_mm(inside))

    def best_affine(self) -> np.ndarray:
        """T1w mm to MNI mm, least squares over the brain: the best that an affine registration can reach."""
        here = self.brain_points()
        matrix = np.eye(4)
        matrix[:3] = np.linalg.lstsq(np.c_[here, np.ones(len(here))], self.to_template(here), rcond=None)[0].T
        return matrix


def make_case(scenario: Scenario, seed: int) -> Case:
    """The scans of `scenario`; the same seed gives the same ones."""
    rng = np.random.default_rng([77, seed, len(scenario.name)])
    return _demo_case(scenario, rng) if scenario.head == "demo" else _own_case(scenario, rng)


def _demo_case(scenario: Scenario, rng: np.random.Generator) -> Case:
    """The demo's head, moved to the scenario's position."""
    options = PhantomOptions(resolution_mm=scenario.t1_mm, max_side=None, rotation_deg=0.0, translation_mm=0.0,
                             motion_deg=3.0, motion_mm=3.0, oblique_deg=scenario.oblique_deg)
    protocol = Protocol("t1", "flair", scenario.t1_axes, scenario.flair_axes)
    one = make_phantom(rng, patient=True, options=options, protocol=protocol)
    assert one.roi is not None
    move = rigid(np.array(scenario.rotation_deg), np.array(scenario.offset_mm), _HEAD_CENTRE_MM)
    pose = one.t1_pose.moved(move)
    t1, flair, roi = (Volume(scan.data, move @ scan.affine) for scan in (one.t1, one.flair, one.roi))
    true = move @ one.t1_pose.scanner_from_head @ np.linalg.inv(move @ one.flair_pose.scanner_from_head)
    anatomy = load_anatomy(1.0)
    return Case(t1, flair, roi, pose.to_template, pose.to_scanner, true,
                Volume(anatomy.brain.astype(np.uint8), anatomy.affine))


class Bends:
    """Smooth random displacement in mm on top of an affine map; see :class:`nnunet_tv.demo.pose.Warp`."""

    _STEP_MM, _REACH_MM = 4.0, 200.0

    def __init__(self, rng: np.random.Generator, knots_mm: tuple[float, ...] = (70.0, 32.0),
                 sizes_mm: tuple[float, ...] = (3.0, 1.0)):
        side = int(2 * self._REACH_MM / self._STEP_MM) + 1
        self._values = np.zeros((3, side, side, side), np.float32)
        for knot_mm, size_mm in zip(knots_mm, sizes_mm, strict=True):
            indices = np.stack(np.meshgrid(*[np.arange(side) * self._STEP_MM / knot_mm + 1] * 3, indexing="ij"))
            for axis in range(3):
                knots = rng.standard_normal([int(indices.max()) + 3] * 3)
                field = ndimage.map_coordinates(knots, indices, order=3, mode="nearest", prefilter=False)
                self._values[axis] += size_mm * field / field.std()

    def displacement(self, points_mm: np.ndarray) -> np.ndarray:
        """Displacement in mm at points of shape (..., 3)."""
        indices = (np.moveaxis(np.atleast_2d(points_mm), -1, 0) + self._REACH_MM) / self._STEP_MM
        total = [ndimage.map_coordinates(values, indices, order=1, mode="nearest") for values in self._values]
        return np.moveaxis(np.stack(total), 0, -1).reshape(points_mm.shape).astype(points_mm.dtype)


def _own_case(scenario: Scenario, rng: np.random.Generator) -> Case:
    anatomy = own_anatomy()
    shape = np.diag([*(np.array([1.05, 0.98, 1.08]) + 0.05 * rng.uniform(-1, 1, 3)), 1.0])
    shape[:3, :3] += 0.04 * rng.uniform(-1, 1, (3, 3)) * (1 - np.eye(3))
    lie = rigid(np.array(scenario.rotation_deg), np.array(scenario.offset_mm), _HEAD_CENTRE_MM)
    pose = Pose(lie, shape, Bends(rng))  # type: ignore[arg-type]
    motion = rigid(3 * rng.uniform(-1, 1, 3), 3 * rng.uniform(-1, 1, 3), pose.to_scanner(_HEAD_CENTRE_MM))
    flair_pose = pose.moved(motion)
    lesion = draw_lesion(anatomy, rng, radius_mm=(8.0, 14.0))
    with_lesion, strength = add_lesion(anatomy, lesion, rng)
    t1, _ = _scan("T1w", with_lesion, pose, rng, scenario, None)
    flair, grid = _scan("FLAIR", with_lesion, flair_pose, rng, scenario, 0.25 * strength)
    return Case(t1, flair, draw_roi(strength, anatomy, flair_pose, grid), pose.to_template, pose.to_scanner,
                np.linalg.inv(motion), Volume(anatomy.brain.astype(np.uint8), anatomy.affine))


def _scan(name: str, anatomy: Anatomy, pose: Pose, rng: np.random.Generator, scenario: Scenario,
          extra: np.ndarray | None) -> tuple[Volume, Grid]:
    """A magnitude image with a noisy background, in the scenario's field of view."""
    low = _LOW_MM.copy()
    if not scenario.neck:
        low[2] = -112.0
    options = replace(scenario.clinical or PhantomOptions(noise=0.03, bias=0.18), resolution_mm=scenario.t1_mm)
    spacing = options.t1_spacing_mm if extra is None else scenario.flair_mm
    turn = scenario.oblique_deg * np.array([1.0, -0.6, 0.8]) * (1 if extra is None else -1)
    level = Pose(rigid(np.zeros(3), np.array(scenario.offset_mm), np.zeros(3)), np.eye(4), Warp(*np.zeros((3, 0, 3))))
    grid = scanner.make_grid(level, np.stack([low, _HIGH_MM]), orientation=_axes_of(name, scenario),
                             spacing_mm=spacing, oblique_deg=tuple(turn))
    if options.view is not None:
        above_mm, missed = options.view
        grid = scanner.limit_view(grid, pose.to_scanner(brain_points(anatomy)), above_mm=above_mm, missed=missed)
    contrast = scanner.vary(options.contrasts[name], rng, share=options.contrast_share if scenario.clinical else 0.08)
    signal = scanner.brightness(anatomy, contrast)
    if extra is not None:
        signal += extra
    seen, = scanner.sample([signal], anatomy, pose, grid)
    data = scanner.acquire(seen, np.ones(grid.shape, np.uint8), rng, noise=options.noise,
                           bias=scanner.bias_field(grid, rng, options.bias))
    return Volume(data, grid.affine), grid


def _axes_of(name: str, scenario: Scenario) -> str:
    return scenario.t1_axes if name == "T1w" else scenario.flair_axes


@lru_cache(maxsize=1)
def own_anatomy() -> Anatomy:
    """Tissue fractions of the head ``own`` at 1 mm, in template mm."""
    affine = np.eye(4)
    affine[:3, 3] = _LOW_MM
    grid = Grid(tuple(((_HIGH_MM - _LOW_MM).astype(int) + 1).tolist()), affine)
    template = load_template()
    brain, grey, white = (np.asarray(resample_image(one, grid).data) for one in
                          (template.brain, template.grey, template.white))
    inside = np.clip(brain, 0, 1)
    axes = [low + np.arange(n, dtype=np.float32) for low, n in zip(_LOW_MM, grid.shape, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    # wide ventricles: two ellipsoids of fluid, the left one larger
    for side, size in ((-1, 1.25), (1, 1.0)):
        hole = np.sqrt(((x - 13 * side) / (9 * size)) ** 2 + ((y + 8) / (34 * size)) ** 2 + ((z - 17) / 11) ** 2)
        keep = np.clip((hole - 1) * 8, 0, 1)
        grey, white = grey * keep, white * keep
    fluid = np.clip(inside - grey - white, 0, 1)
    total = grey**1.5 + white**1.5 + fluid**1.5 + 1e-6
    tissues = {name: np.zeros(grid.shape, np.float32) for name in TISSUES}
    for name, part in (("csf", fluid), ("gm", grey), ("wm", white)):
        tissues[name] += (inside * part**1.5 / total).astype(np.float32)
    _add_surroundings(tissues, inside, (x, y, z))
    return Anatomy(tissues, brain > 0.5, affine)


def _add_surroundings(tissues: dict[str, np.ndarray], inside: np.ndarray, xyz) -> None:
    """Skull of 4 to 11 mm with marrow where it is thick, scalp, face with eyes and sinuses, and a neck."""
    x, y, z = xyz
    shape = inside.shape
    coarse = ndimage.distance_transform_edt(inside[::2, ::2, ::2] < 0.5, sampling=2.0)
    index = np.meshgrid(*[np.arange(n, dtype=np.float32) / 2 for n in shape], indexing="ij")
    away = ndimage.map_coordinates(ndimage.gaussian_filter(coarse.astype(np.float32), 1.5), index, order=1,
                                   mode="nearest")
    waves = np.sin(x / 23 + 1) * np.sin(y / 31) + np.cos(z / 27) * np.sin((x + y) / 41)  # -2 to 2
    fluid_mm = 1.5 + 0.5 * np.clip(waves, -1, 1)
    bone_mm = fluid_mm + 6 + 1.8 * waves
    skin_mm = bone_mm + 6 + 1.5 * np.cos(x / 19 + z / 37)

    def under(border):
        return np.clip(border - away + 0.5, 0, 1).astype(np.float32)

    def ellipsoid(centre, radii):
        far = np.sqrt(sum(((axis - middle) / radius) ** 2
                          for axis, middle, radius in zip(xyz, centre, radii, strict=True)))
        return np.clip((1 - far) * min(radii) + 0.5, 0, 1).astype(np.float32)

    face = np.maximum(ellipsoid((0, 42, -62), (62, 58, 66)), ellipsoid((0, 103, -42), (11, 14, 16)))
    neck = np.clip((1 - np.sqrt((x / 58) ** 2 + ((y + 22) / 62) ** 2)) * 58, 0, 1) * (z < -55)
    shoulders = ellipsoid((0, -26, -205), (103, 70, 48))
    body = np.maximum(np.maximum(face, neck), shoulders) * (1 - under(bone_mm))
    outer = np.maximum(under(skin_mm), body)
    empty = 1 - inside
    tissues["csf"] += empty * under(fluid_mm)
    bone = empty * (under(bone_mm) - under(fluid_mm))
    marrow = bone * np.clip((bone_mm - fluid_mm - 4) / 4, 0, 0.8) * (
        under(bone_mm - 2) - under(fluid_mm + 2)).clip(0, 1)
    tissues["marrow"] += marrow
    tissues["bone"] += bone - marrow
    soft = empty * np.clip(outer - under(bone_mm), 0, 1)
    for side in (-1, 1):
        eye = soft * ellipsoid((32 * side, 76, -34), (12, 12, 12))
        tissues["csf"] += eye
        soft = soft - eye
        soft = soft * (1 - ellipsoid((26 * side, 62, -66), (12, 16, 14)))  # maxillary sinus: air
    soft = soft * (1 - ellipsoid((0, 45, -90), (14, 40, 8))) * (1 - ellipsoid((0, 10, -130), (9, 9, 60)))  # airway
    cord = soft * np.clip((1 - np.sqrt((x / 7) ** 2 + ((y + 42) / 6) ** 2)) * 6, 0, 1) * (z < -70)
    spine = soft * np.clip((1 - np.sqrt((x / 16) ** 2 + ((y + 36) / 18) ** 2)) * 16, 0, 1) * (z < -70) - cord
    tissues["wm"] += cord
    tissues["marrow"] += 0.6 * spine.clip(0)
    tissues["bone"] += 0.4 * spine.clip(0)
    soft = soft - cord - spine.clip(0)
    muscle = np.clip(0.5 + 0.4 * np.sin(x / 7) * np.cos(y / 9 + z / 11) + 0.25 * waves, 0, 1) * np.clip(
        (away - skin_mm) / 6 + 0.3, 0, 1)
    tissues["muscle"] += soft * muscle
    tissues["fat"] += soft * (1 - muscle)

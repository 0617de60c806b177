"""One phantom: T1w, FLAIR and lesion mask, each on its own grid, with their true lesion and poses."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import reduce

import numpy as np

from nnunet_tv.demo import scanner
from nnunet_tv.demo.anatomy import Anatomy, load_anatomy
from nnunet_tv.demo.lesion import FLAIR_GAIN, Lesion, add_lesion, draw_lesion
from nnunet_tv.demo.pose import Pose, Warp, rigid
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume

#: Centre of the marker of the right side in template mm: inside the scalp over the right temple.
MARKER_MM = (74.0, -20.0, 30.0)
_MARKER_RADIUS_MM, _MARKER_BRIGHTNESS = 6.0, 1.3
_HEAD_CENTRE_MM = (0.0, -18.0, 0.0)


@dataclass(frozen=True)
class PhantomOptions:
    """Size and variation of phantoms; a single number is the half-width of a range around zero.

    The defaults are the demo's: coarse, and no side of a T1w above 96 voxels, so that nnU-Net covers a case with at
    most 2 x 2 x 2 patches of 64 voxels at its overlap of 0.5.
    """

    resolution_mm: float = 2.3
    max_side: int | None = 96
    rotation_deg: float = 5.0
    translation_mm: float = 8.0
    oblique_deg: float = 4.0
    motion_deg: float = 0.5
    motion_mm: float = 0.5
    scale: float = 0.035
    warp_mm: float = 2.5
    noise: float = 0.025
    bias: float = 0.12
    lesion_radius_mm: tuple[float, float] = (8.0, 14.0)
    marker: bool = False


@dataclass(frozen=True)
class Protocol:
    """Acquisition labels (``acq-…``) of a pair of series, directions of their stored voxel axes, and slice distance.

    `slice_mm` is that of a 2D FLAIR (slices are stored last); None for a 3D one.
    """

    t1: str
    flair: str
    t1_orientation: str
    flair_orientation: str
    slice_mm: float | None = None

    def flair_spacing_mm(self, resolution_mm: float) -> tuple[float, float, float]:
        """Voxel size of the FLAIR beside a T1w of `resolution_mm`."""
        if self.slice_mm is None:
            return (1.1 * resolution_mm,) * 3
        return 0.9 * resolution_mm, 0.9 * resolution_mm, max(self.slice_mm, 1.8 * resolution_mm)


#: Protocols and their shares of the subjects, as in the file list of ds004199.
PROTOCOLS = {
    Protocol("iso08", "T2sel", "PSR", "PSR"): 0.60,
    Protocol("sag111", "tse3dvfl", "RAS", "LPS"): 0.22,
    Protocol("iso08", "traAcpc4mm", "PSR", "LAS", 3.675): 0.09,
    Protocol("sag111", "cor3mmOPT", "RAS", "RSP", 5.07): 0.09,
}


@dataclass(frozen=True)
class Phantom:
    """One subject's scans (int16), lesion mask (uint8, None for a control), lesion and poses.

    The two poses differ by the motion of the head between the scans.
    """

    t1: Volume
    flair: Volume
    roi: Volume | None
    lesion: Lesion | None
    protocol: Protocol
    t1_pose: Pose
    flair_pose: Pose

    def truth(self) -> dict:
        """Lesion and transforms for JSON; :meth:`Pose.from_json` reads the poses back."""
        return {"lesion": None if self.lesion is None else asdict(self.lesion), "protocol": asdict(self.protocol),
                "t1_pose": self.t1_pose.as_json(), "flair_pose": self.flair_pose.as_json(),
                "marker_template_mm": list(MARKER_MM)}


def make_phantom(rng: np.random.Generator, *, patient: bool, options: PhantomOptions | None = None,
                 protocol: Protocol | None = None, roi_on_own_grid: bool = False) -> Phantom:
    """Make one subject.

    Parameters
    ----------
    rng : Generator
        Source of all random numbers; the same state gives the same phantom.
    patient : bool
        With a lesion or without.
    options : PhantomOptions, optional
        Those of the demo by default.
    protocol : Protocol, optional
        Drawn from :data:`PROTOCOLS` when not given.
    roi_on_own_grid : bool
        Sample the mask on another grid than the FLAIR's.
    """
    options = options or PhantomOptions()
    base = load_anatomy(1.0 if options.resolution_mm < 1.8 else 1.5)
    protocol = protocol or list(PROTOCOLS)[rng.choice(len(PROTOCOLS), p=list(PROTOCOLS.values()))]
    pose = draw_pose(rng, options)
    motion = rigid(options.motion_deg * rng.uniform(-1, 1, 3), options.motion_mm * rng.uniform(-1, 1, 3),
                   pose.to_scanner(np.array(_HEAD_CENTRE_MM)))
    flair_pose = pose.moved(motion)
    lesion, anatomy, strength, extra = None, base, None, None
    if patient:
        lesion = draw_lesion(base, rng, radius_mm=options.lesion_radius_mm)
        anatomy, strength = add_lesion(base, lesion, rng)
        extra = FLAIR_GAIN[lesion.histology] * strength
    t1, _ = scan(scanner.CONTRASTS["T1w"], anatomy, pose, rng, options, orientation=protocol.t1_orientation,
                 spacing_mm=(options.resolution_mm,) * 3)
    flair, grid = scan(scanner.CONTRASTS["FLAIR"], anatomy, flair_pose, rng, options, extra=extra,
                       orientation=protocol.flair_orientation,
                       spacing_mm=protocol.flair_spacing_mm(options.resolution_mm))
    if roi_on_own_grid:
        spacing = options.resolution_mm * np.array([1.0, 1.0, 1.3])
        grid = scanner.make_grid(flair_pose, head_box(anatomy), orientation="LAS", spacing_mm=tuple(spacing))
    roi = None if strength is None else draw_roi(strength, anatomy, flair_pose, grid)
    return Phantom(t1, flair, roi, lesion, protocol, pose, flair_pose)


def draw_roi(strength: np.ndarray, anatomy: Anatomy, pose: Pose, grid: Grid) -> Volume:
    """Mask on `grid`: voxels where `strength` (on the anatomy's grid) is at least one half."""
    seen = scanner.sample([strength], anatomy, pose, grid)[0]
    return Volume((seen >= 0.5).astype(np.uint8), grid.affine)


def draw_pose(rng: np.random.Generator, options: PhantomOptions) -> Pose:
    """Draw shape and position of a subject's head."""
    template_from_head = np.diag([*(1 + options.scale * rng.uniform(-1, 1, 3)), 1.0])
    template_from_head[:3, :3] += options.scale * np.triu(rng.uniform(-1, 1, (3, 3)), 1)
    warp = Warp.draw(rng, options.warp_mm)
    scanner_from_head = rigid(options.rotation_deg * rng.uniform(-1, 1, 3),
                              options.translation_mm * rng.uniform(-1, 1, 3), np.array(_HEAD_CENTRE_MM))
    return Pose(scanner_from_head, template_from_head, warp)


def scan(contrast: dict[str, float], anatomy: Anatomy, pose: Pose, rng: np.random.Generator, options: PhantomOptions,
         *, orientation: str, spacing_mm: tuple[float, float, float],
         extra: np.ndarray | None = None) -> tuple[Volume, Grid]:
    """Simulate a scan of tissues of brightness `contrast`, plus `extra`; return it and its grid."""
    oblique = tuple(options.oblique_deg * rng.uniform(-1, 1, 3))
    grid = scanner.make_grid(pose, head_box(anatomy), orientation=orientation, spacing_mm=spacing_mm,
                             oblique_deg=oblique, max_side=options.max_side)
    head = reduce(np.add, anatomy.tissues.values())
    signal = scanner.brightness(anatomy, scanner.vary(contrast, rng))
    if extra is not None:
        signal += extra
    if options.marker:
        signal, head = _with_marker(signal, head, anatomy)
    signal, head = scanner.sample([signal, head], anatomy, pose, grid)
    gain = float(rng.uniform(0.8, 1.25))
    data = scanner.acquire(gain * signal, head, rng, bias=scanner.bias_field(grid, rng, options.bias),
                           noise=gain * options.noise)
    return Volume(data, grid.affine), grid


def _with_marker(signal: np.ndarray, head: np.ndarray, anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    """Add a bright capsule over the right temple, by which tests recognise the right side."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in signal.shape], indexing="ij"), -1)
    ball = np.linalg.norm(anatomy.points(indices) - MARKER_MM, axis=-1) < _MARKER_RADIUS_MM
    return np.where(ball, np.float32(_MARKER_BRIGHTNESS), signal), np.maximum(head, ball)


def head_box(anatomy: Anatomy) -> np.ndarray:
    """Lowest and highest corner of the head in template mm, shape (2, 3)."""
    head = reduce(np.add, anatomy.tissues.values()) > 0.5
    slices = [np.flatnonzero(head.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    return anatomy.points(np.array([[indices[end] for indices in slices] for end in (0, -1)], float))

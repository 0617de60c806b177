"""One phantom: a T1w, a FLAIR and a lesion mask, each on its own grid, with the truth about all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from nnunet_tv.demo import scanner
from nnunet_tv.demo.anatomy import Anatomy, load_anatomy
from nnunet_tv.demo.lesion import FLAIR_GAIN, Lesion, add_lesion, draw_lesion
from nnunet_tv.demo.pose import Pose, Warp, rigid
from nnunet_tv.imaging.volume import Volume

#: Centre of the handedness marker in template mm: over the right temple, inside the scalp.
MARKER_MM = (74.0, -20.0, 30.0)
_MARKER_RADIUS_MM, _MARKER_BRIGHTNESS = 6.0, 1.3
_HEAD_CENTRE_MM = (0.0, -18.0, 0.0)


@dataclass(frozen=True)
class Settings:
    """What phantoms are like; every range is symmetric around zero unless it names two ends.

    The defaults are the demo's: coarse, and no side of a T1w above 96 voxels, so that nnU-Net tiles a
    case with at most 2 x 2 x 2 patches of 64 voxels at its overlap of 0.5.
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
    """A pair of series as the public data set names and stores them.

    Attributes
    ----------
    t1, flair : str
        Acquisition labels (``acq-…``).
    t1_orientation, flair_orientation : str
        Directions of the stored voxel axes.
    slice_mm : float, optional
        Distance of a two-dimensional FLAIR's slices (stored last); None for a three-dimensional one.
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


#: Protocols with their shares among subjects, after the public data set's list of files.
PROTOCOLS = {
    Protocol("iso08", "T2sel", "PSR", "PSR"): 0.60,
    Protocol("sag111", "tse3dvfl", "RAS", "LPS"): 0.22,
    Protocol("iso08", "traAcpc4mm", "PSR", "LAS", 3.675): 0.09,
    Protocol("sag111", "cor3mmOPT", "RAS", "RSP", 5.07): 0.09,
}


@dataclass(frozen=True)
class Phantom:
    """One subject's scans and the truth about them.

    Attributes
    ----------
    t1, flair : Volume
        int16, each on its own grid.
    roi : Volume or None
        uint8 mask on the FLAIR's grid; None for a control.
    lesion : Lesion or None
    protocol : Protocol
    t1_pose, flair_pose : Pose
        The two differ by what the head moved between the scans.
    """

    t1: Volume
    flair: Volume
    roi: Volume | None
    lesion: Lesion | None
    protocol: Protocol
    t1_pose: Pose
    flair_pose: Pose

    def truth(self) -> dict:
        """Lesion and transforms as plain values; :meth:`Pose.from_json` reads the poses back."""
        return {
            "lesion": None if self.lesion is None else asdict(self.lesion),
            "protocol": asdict(self.protocol),
            "t1_pose": self.t1_pose.as_json(),
            "flair_pose": self.flair_pose.as_json(),
            "marker_template_mm": list(MARKER_MM),
        }


def make_phantom(rng: np.random.Generator, *, patient: bool, settings: Settings | None = None,
                 protocol: Protocol | None = None, roi_on_own_grid: bool = False) -> Phantom:
    """Make one subject.

    Parameters
    ----------
    rng : Generator
        Everything random comes from it, in a fixed order: the same state makes the same phantom.
    patient : bool
        With a lesion or without.
    settings : Settings, optional
        What the phantom is like; the demo's by default.
    protocol : Protocol, optional
        Drawn from :data:`PROTOCOLS` when not given.
    roi_on_own_grid : bool
        Draw the mask on another grid than the FLAIR's, in the same scanner coordinates.
    """
    settings = settings or Settings()
    base = load_anatomy(1.0 if settings.resolution_mm < 1.8 else 1.5)
    protocol = protocol or list(PROTOCOLS)[rng.choice(len(PROTOCOLS), p=list(PROTOCOLS.values()))]
    pose = draw_pose(rng, settings)
    motion = rigid(settings.motion_deg * rng.uniform(-1, 1, 3), settings.motion_mm * rng.uniform(-1, 1, 3),
                   pose.to_scanner(np.array(_HEAD_CENTRE_MM)))
    flair_pose = pose.moved(motion)
    lesion, anatomy, strength = None, base, None
    if patient:
        lesion = draw_lesion(base, rng, radius_mm=settings.lesion_radius_mm)
        anatomy, strength = add_lesion(base, lesion, rng)
    t1, _ = scan("T1w", anatomy, pose, rng, settings, orientation=protocol.t1_orientation,
                  spacing_mm=(settings.resolution_mm,) * 3)
    extra = None if lesion is None else FLAIR_GAIN[lesion.histology] * strength
    flair, grid = scan("FLAIR", anatomy, flair_pose, rng, settings, orientation=protocol.flair_orientation,
                        spacing_mm=protocol.flair_spacing_mm(settings.resolution_mm), extra=extra)
    if roi_on_own_grid:
        spacing = settings.resolution_mm * np.array([1.0, 1.0, 1.3])
        grid = scanner.make_grid(flair_pose, head_box(anatomy), orientation="LAS", spacing_mm=tuple(spacing))
    roi = None if strength is None else draw_roi(strength, anatomy, flair_pose, grid)
    return Phantom(t1, flair, roi, lesion, protocol, pose, flair_pose)


def draw_roi(strength: np.ndarray, anatomy: Anatomy, pose: Pose, grid: scanner.Grid) -> Volume:
    """Mask on `grid`: voxels where `strength` (on the anatomy's grid) is at least one half."""
    seen = scanner.sample([strength], anatomy, pose, grid)[0]
    return Volume((seen >= 0.5).astype(np.uint8), grid.affine)


def draw_pose(rng: np.random.Generator, settings: Settings) -> Pose:
    """How a subject's head is shaped and how it lies."""
    template_from_head = np.diag([*(1 + settings.scale * rng.uniform(-1, 1, 3)), 1.0])
    template_from_head[:3, :3] += settings.scale * np.triu(rng.uniform(-1, 1, (3, 3)), 1)
    warp = Warp.draw(rng, settings.warp_mm)
    scanner_from_head = rigid(settings.rotation_deg * rng.uniform(-1, 1, 3),
                              settings.translation_mm * rng.uniform(-1, 1, 3), np.array(_HEAD_CENTRE_MM))
    return Pose(scanner_from_head, template_from_head, warp)


def scan(name: str, anatomy: Anatomy, pose: Pose, rng: np.random.Generator, settings: Settings, *,
         orientation: str, spacing_mm: tuple[float, float, float],
         extra: np.ndarray | None = None, grid: scanner.Grid | None = None) -> tuple[Volume, scanner.Grid]:
    """A scan of contrast `name` (brightness `extra` added) and its grid; on another scan's `grid` if that is given."""
    oblique = tuple(settings.oblique_deg * rng.uniform(-1, 1, 3))
    grid = grid or scanner.make_grid(pose, head_box(anatomy), orientation=orientation, spacing_mm=spacing_mm,
                             oblique_deg=oblique, max_side=settings.max_side)
    head = sum(anatomy.tissues.values())
    signal = scanner.brightness(anatomy, scanner.vary(scanner.CONTRASTS[name], rng))
    if extra is not None:
        signal += extra
    if settings.marker:
        signal, head = _with_marker(signal, head, anatomy)
    signal, head = scanner.sample([signal, head], anatomy, pose, grid)
    gain = float(rng.uniform(0.8, 1.25))
    data = scanner.acquire(gain * signal, head, rng, bias=scanner.bias_field(grid, rng, settings.bias),
                           noise=gain * settings.noise)
    return Volume(data, grid.affine), grid


def _with_marker(signal: np.ndarray, head: np.ndarray, anatomy: Anatomy) -> tuple[np.ndarray, np.ndarray]:
    """A bright capsule over the right temple: left and right stay known whatever is done to the scan."""
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in signal.shape], indexing="ij"), -1)
    ball = np.linalg.norm(anatomy.points(indices) - MARKER_MM, axis=-1) < _MARKER_RADIUS_MM
    return np.where(ball, np.float32(_MARKER_BRIGHTNESS), signal), np.maximum(head, ball)


def head_box(anatomy: Anatomy) -> np.ndarray:
    """Lowest and highest corner of the head in template mm, shape (2, 3)."""
    return anatomy.points(_extent(sum(anatomy.tissues.values()) > 0.5))


def _extent(mask: np.ndarray) -> np.ndarray:
    """First and last index along each axis where `mask` is true, shape (2, 3)."""
    found = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    return np.array([[indices[0] for indices in found], [indices[-1] for indices in found]], float)

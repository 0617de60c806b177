"""One phantom: T1w, FLAIR and lesion mask, each on its own grid, with their true lesion and poses."""

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
#: Radius, and brightness as a multiple of the brightest tissue's or of 1.
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

    # Properties, since the demo records the fields in truth.json.
    @property
    def contrasts(self) -> dict[str, dict[str, float]]:
        """Brightness by scan and tissue."""
        return scanner.CONTRASTS

    @property
    def contrast_share(self) -> float:
        """By how much every tissue's brightness varies from scan to scan."""
        return 0.05

    @property
    def t1_spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size of the T1w."""
        return (self.resolution_mm,) * 3

    @property
    def view(self) -> tuple[float, float] | None:
        """Where the field of view ends above the brain, mm, and the share of it that is below; None: the whole head."""
        return None


@dataclass(frozen=True)
class ClinicalOptions(PhantomOptions):
    """Axial 2D spin echo as clinics acquire it; goes with the protocol :data:`CLINIC`.

    Little contrast, thick slices, a strong bias field, a tilted head, and a field of view from just above the brain to
    the cerebellum.
    """

    max_side: int | None = None
    rotation_deg: float = 14.0
    translation_mm: float = 15.0
    oblique_deg: float = 6.0
    motion_deg: float = 3.0
    motion_mm: float = 3.0
    noise: float = 0.045
    bias: float = 0.2
    t1_slice_mm: float = 3.5
    above_mm: float = 6.0
    missed: float = 0.01

    @property
    def contrasts(self) -> dict[str, dict[str, float]]:
        return scanner.CLINICAL_CONTRASTS

    @property
    def contrast_share(self) -> float:
        return 0.02

    @property
    def t1_spacing_mm(self) -> tuple[float, float, float]:
        return self.resolution_mm, self.resolution_mm, self.t1_slice_mm

    @property
    def view(self) -> tuple[float, float] | None:
        return self.above_mm, self.missed


@dataclass(frozen=True)
class Protocol:
    """How a pair of series is acquired."""

    t1: str  #: label (``acq-…``), as for the FLAIR
    flair: str
    t1_orientation: str  #: directions of the stored voxel axes, as for the FLAIR
    flair_orientation: str
    slice_mm: float | None = None  #: slice distance of a 2D FLAIR (slices are stored last); None for a 3D one

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
#: The protocol of :class:`ClinicalOptions`.
CLINIC = Protocol("traSE", "tra4mm", "LPS", "LPS", 4.0)


@dataclass(frozen=True)
class Phantom:
    """One subject's scans, and what is in them."""

    t1: Volume  #: int16, as the FLAIR
    flair: Volume
    roi: Volume | None  #: lesion mask, uint8; a control has none
    lesion: Lesion | None
    protocol: Protocol
    t1_pose: Pose
    flair_pose: Pose  #: differs from the T1w's by the motion of the head between the scans

    def truth(self) -> dict:
        """Lesion and transforms for JSON; :meth:`Pose.from_json` reads the poses back."""
        return {"lesion": None if self.lesion is None else asdict(self.lesion), "protocol": asdict(self.protocol),
                "t1_pose": self.t1_pose.as_json(), "flair_pose": self.flair_pose.as_json(),
                "marker_template_mm": list(MARKER_MM)}


def make_phantom(rng: np.random.Generator, *, patient: bool, options: PhantomOptions | None = None,
                 protocol: Protocol | None = None, roi_on_own_grid: bool = False) -> Phantom:
    """Make one subject, with a lesion if it is a `patient`; the same state of `rng` gives the same phantom.

    Without `protocol` one of :data:`PROTOCOLS` is drawn. With `roi_on_own_grid` the mask's grid is not the FLAIR's.
    """
    options = options or PhantomOptions()
    base = load_anatomy(1.0 if options.resolution_mm < 1.8 else 1.5)
    protocol = protocol or draw_protocol(rng)
    pose = draw_pose(rng, options)
    motion = rigid(options.motion_deg * rng.uniform(-1, 1, 3), options.motion_mm * rng.uniform(-1, 1, 3),
                   pose.to_scanner(np.array(_HEAD_CENTRE_MM)))
    flair_pose = pose.moved(motion)
    lesion, anatomy, strength, extra = None, base, None, None
    if patient:
        lesion = draw_lesion(base, rng, radius_mm=options.lesion_radius_mm)
        anatomy, strength = add_lesion(base, lesion, rng)
        extra = FLAIR_GAIN[lesion.histology] * strength
    t1, _ = scan(options.contrasts["T1w"], anatomy, pose, rng, options, orientation=protocol.t1_orientation,
                 spacing_mm=options.t1_spacing_mm)
    flair, grid = scan(options.contrasts["FLAIR"], anatomy, flair_pose, rng, options, extra=extra,
                       orientation=protocol.flair_orientation,
                       spacing_mm=protocol.flair_spacing_mm(options.resolution_mm))
    if roi_on_own_grid:
        spacing = options.resolution_mm * np.array([1.0, 1.0, 1.3])
        grid = scanner.make_grid(flair_pose, head_box(anatomy), orientation="LAS", spacing_mm=tuple(spacing))
    roi = None if strength is None else draw_roi(strength, anatomy, flair_pose, grid)
    return Phantom(t1, flair, roi, lesion, protocol, pose, flair_pose)


def draw_protocol(rng: np.random.Generator) -> Protocol:
    """Draw one of :data:`PROTOCOLS` by its share."""
    return list(PROTOCOLS)[rng.choice(len(PROTOCOLS), p=list(PROTOCOLS.values()))]


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
    if options.view is not None:
        above_mm, missed = options.view
        grid = scanner.limit_view(grid, pose.to_scanner(brain_points(anatomy)), above_mm=above_mm, missed=missed)
    head = reduce(np.add, anatomy.tissues.values())
    signal = scanner.brightness(anatomy, scanner.vary(contrast, rng, options.contrast_share))
    if extra is not None:
        signal += extra
    if options.marker:  # a bright capsule by which tests recognise the right side
        points = anatomy.points(np.moveaxis(np.indices(signal.shape), 0, -1))
        ball = np.linalg.norm(points - MARKER_MM, axis=-1) < _MARKER_RADIUS_MM
        marker = _MARKER_BRIGHTNESS * max(1.0, *contrast.values())
        signal, head = np.where(ball, np.float32(marker), signal), np.maximum(head, ball)
    signal, head = scanner.sample([signal, head], anatomy, pose, grid)
    gain = float(rng.uniform(0.8, 1.25))
    data = scanner.acquire(gain * signal, head, rng, bias=scanner.bias_field(grid, rng, options.bias),
                           noise=gain * options.noise)
    return Volume(data, grid.affine), grid


def brain_points(anatomy: Anatomy) -> np.ndarray:
    """Points throughout the brain in template mm, shape (N, 3)."""
    return anatomy.points(np.argwhere(anatomy.brain[::4, ::4, ::4]) * 4.0)


def head_box(anatomy: Anatomy) -> np.ndarray:
    """Lowest and highest corner of the head in template mm, shape (2, 3)."""
    indices = np.argwhere(reduce(np.add, anatomy.tissues.values()) > 0.5)
    return anatomy.points(np.stack([indices.min(axis=0), indices.max(axis=0)]).astype(float))

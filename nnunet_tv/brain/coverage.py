"""What of the brain a scan does not show: how much, on which side, of which lobes.

The brain that should be there is the template's, carried to the scan by the registration: a mask found on the scan
cannot contain what was not scanned. A place is missing where it is outside of the scan's grid, or within it where the
scan is blank: one value over several voxels in all directions, up to the border of the grid, as padded, resampled and
masked exports have it. Voids inside of the head are therefore not missing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import SimpleITK as sitk

from nnunet_tv.brain.atlas import BRAIN_STEM, CEREBRUM, brain_lobes
from nnunet_tv.brain.sides import LEFT, MIDLINE, RIGHT
from nnunet_tv.imaging.affine import Affine
from nnunet_tv.imaging.clusters import bounding_box, label_clusters
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template

#: From these volumes on a gap is stated, and flagged if so much of the cerebrum is missing. Where the field of view
#: ends at the vertex, an error h of the registration cuts a cap of pi h² (R - h / 3) from a brain of R = 70 mm: 0.9 ml
#: with 2 mm, 5.4 ml with 5 mm. Smaller gaps cannot be told from such errors; slabs and lobes are far larger.
STATED_ML, FLAGGED_ML = 2.0, 5.0
#: Gaps of the cerebellum and the brain stem alone, where FCD is not sought, are flagged from this volume on.
BELOW_TENTORIUM_ML = 40.0
#: Parts that are smaller are counted, but not named in the text.
NAMED_ML = 0.5
#: Blank sheets up to twice as thick lie between the template's brain and the scan's where the two differ in shape:
#: within a head, and where everything but the brain was set to 0.
_SHEET_MM, _SHEET_EXTRACTED_MM = 2, 4
#: A scan is one of an extracted brain if this share of the shell from 6 to 12 mm around the brain is blank.
_EXTRACTED = 0.5
#: Names of lobes in sentences.
_WORDS = {"frontal": "frontal lobe", "parietal": "parietal lobe", "temporal": "temporal lobe",
          "occipital": "occipital lobe", "cingulate": "cingulate gyrus"}


@dataclass(frozen=True)
class MissingPart:
    """What is missing of one lobe on one side; lobes include the white matter beneath their cortex."""

    side: str  #: ``left``, ``right`` (of the patient) or, for the brain stem, ``midline``
    lobe: str  #: a name of :data:`~nnunet_tv.brain.atlas.LOBES`, ``cerebellum`` or :data:`~nnunet_tv.brain.atlas.DEEP`
    ml: float
    share: float  #: of this lobe on this side

    @property
    def text(self) -> str:
        """Such as ``left frontal lobe (12 ml, 9 % of it)``."""
        side = "" if self.side == MIDLINE else f"{self.side} "
        return f"{side}{_WORDS.get(self.lobe, self.lobe)} ({_amount(self.ml)}, {_percent(self.share)} of it)"


@dataclass(frozen=True)
class Coverage:
    """How much of the patient's brain one scan does not show."""

    scan: str  #: such as ``FLAIR``
    missing_ml: float  #: of the patient's own brain
    share: float  #: of the brain
    parts: tuple[MissingPart, ...] = ()  #: the largest first; none below :data:`STATED_ML`
    doubtful: bool = False  #: whether the registration that gives the places is flagged

    @property
    def sides(self) -> tuple[str, ...]:
        """Sides of the brain on which something that is named is missing."""
        return tuple(side for side in (LEFT, RIGHT)
                     if any(part.side == side and part.ml >= NAMED_ML for part in self.parts))

    @property
    def stated(self) -> bool:
        """Whether the gap is large enough to be stated."""
        return self.missing_ml >= STATED_ML

    @property
    def flagged(self) -> bool:
        """Whether the gap is a reason to review the case."""
        cerebrum = sum(part.ml for part in self.parts if part.lobe in CEREBRUM)
        return self.stated and (cerebrum >= FLAGGED_ML or self.missing_ml >= BELOW_TENTORIUM_ML)

    @property
    def text(self) -> str:
        """The gap in one sentence; empty if it is not stated."""
        if not self.stated:
            return ""
        named = [part.text for part in self.parts if part.ml >= NAMED_ML]
        doubt = "; the registration is flagged, so the places may be wrong" if self.doubtful else ""
        return (f"the {self.scan} does not show {_amount(self.missing_ml)} of the brain ({_percent(self.share)}): "
                f"{', '.join(named)}; a lesion there cannot be seen{doubt}")

    @classmethod
    def read(cls, content: Mapping) -> "Coverage":
        """From the result of :func:`dataclasses.asdict`."""
        return cls(**{**content, "parts": tuple(MissingPart(**part) for part in content["parts"])})


def find_coverage(
    missing: Mapping[str, np.ndarray], from_template: Mapping[str, Affine], *, doubtful: Collection[str] = ()
) -> list[Coverage]:
    """What each scan does not show of the brain.

    `missing` are the results of :func:`missing_brain` for the maps `from_template`, which lead from MNI mm to each
    scan's own mm; `doubtful` are the scans whose map is flagged.
    """
    return [replace(_coverage(name, there, from_template[name]), doubtful=name in doubtful)
            for name, there in missing.items()]


def _coverage(name: str, missing: np.ndarray, from_template: Affine) -> Coverage:
    ml = from_template.volume_ratio * TEMPLATE_GRID.voxel_mm3 / 1000
    total, brain = np.count_nonzero(missing), np.count_nonzero(load_template().brain.data)
    parts = _parts(missing, ml) if total * ml >= STATED_ML else ()
    return Coverage(name, round(float(total * ml), 2), round(total / brain, 4), tuple(parts))


def _parts(missing: np.ndarray, ml: float) -> list[MissingPart]:
    lobes, names = brain_lobes()
    middle = int(np.rint(TEMPLATE_GRID.to_indices(np.zeros(3))[0]))
    # the plane x = 0 is on neither side
    halves = {LEFT: slice(0, middle), RIGHT: slice(middle + 1, None), MIDLINE: slice(None)}
    found = []
    for number, lobe in enumerate(names, 1):
        for side in (MIDLINE,) if lobe == BRAIN_STEM else (LEFT, RIGHT):
            there = lobes[halves[side]] == number
            count = int(np.count_nonzero(missing[halves[side]] & there))
            if count:
                found.append(MissingPart(side, lobe, round(float(count * ml), 2),
                                         round(count / int(np.count_nonzero(there)), 4)))
    return sorted(found, key=lambda part: -part.ml)


def missing_brain(scan: Volume, from_template: Affine) -> np.ndarray:
    """Voxels of the template's brain that a scan does not show, bool, on the template's grid.

    `from_template` maps MNI mm to the scan's mm.
    """
    brain = load_template().brain.data > 0
    inside = np.argwhere(brain)
    points = from_template.apply(TEMPLATE_GRID.to_mm(inside))
    outside = ~_within(scan.grid.to_indices(points), np.zeros(3), np.array(scan.shape))
    scan = _thinned(scan)
    blank = blank_voxels(scan)
    indices = scan.grid.to_indices(points)
    extracted = _is_extracted(blank, scan, from_template)
    if not extracted and not blank.all():  # slices of a head that are blank as a whole end the grid
        low, high = _bounds(~blank)
        outside |= ~_within(indices, np.where(low == 0, -np.inf, low),
                            np.where(high == np.array(scan.shape), np.inf, high))
    voxels = np.rint(indices).clip(0, np.array(scan.shape) - 1).astype(int)
    void = np.zeros(brain.shape, bool)
    void[tuple(inside.T)] = blank[tuple(voxels.T)] | outside
    result = _without_sheets(void, _SHEET_EXTRACTED_MM if extracted else _SHEET_MM)
    result[tuple(inside[outside].T)] = True
    return result


def _within(indices: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether voxel indices (n, 3) are in voxels from `low` to below `high`."""
    return np.asarray(((indices >= low - 0.5) & (indices <= high - 0.5)).all(axis=1))


def _thinned(scan: Volume) -> Volume:
    """Every second (third, ...) voxel along axes of 0.5 mm (0.33 mm, ...) or finer."""
    steps = [max(1, int(1.01 / size)) for size in scan.spacing_mm]
    affine = scan.affine.copy()
    affine[:3, :3] *= steps
    return Volume(np.ascontiguousarray(scan.data[tuple(slice(None, None, step) for step in steps)]), affine)


def _bounds(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    box = bounding_box(mask)
    return np.array([side.start for side in box]), np.array([side.stop for side in box])


def blank_voxels(scan: Volume) -> np.ndarray:
    """Voxels in blocks of 3 x 3 x 3 of one value (3 x 3 in thick slices) that are connected with the border, bool.

    Slices at the border that have one value as a whole are blank too.
    """
    data = scan.data
    thin = [axis for axis in range(3) if scan.spacing_mm[axis] <= 2 * min(scan.spacing_mm)]  # not through thick slices
    flat = _uniform(data, thin)
    for axis in range(3):
        planes = np.moveaxis(data, axis, 0)
        uniform = [bool((plane == plane.flat[0]).all()) for plane in planes]
        for order in (range(len(planes)), range(len(planes) - 1, -1, -1)):
            for index in order:
                if not uniform[index]:
                    break
                np.moveaxis(flat, axis, 0)[index] = True
    if not flat.any():
        return flat
    labels, n = label_clusters(flat, connectivity=6)
    at_border = np.zeros(n + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            at_border[np.unique(np.take(labels, end, axis=axis))] = True
    at_border[0] = False
    return at_border[labels]


def _uniform(data: np.ndarray, axes: Sequence[int]) -> np.ndarray:
    """Voxels within a block of one value, three voxels along each of `axes`."""
    flat = np.ones(data.shape, bool)
    for axis in axes:
        flat = _eroded(flat, axis) & _runs(data, axis)
    for axis in axes:  # back from the centres of the blocks to all their voxels
        flat = _dilated(flat, axis)
    return flat


def _runs(data: np.ndarray, axis: int) -> np.ndarray:
    """Voxels that equal both neighbours along an axis; at the border, the one neighbour."""
    moved = np.moveaxis(data, axis, 0)
    equal = moved[1:] == moved[:-1]
    result = np.ones(moved.shape, bool)
    result[1:] &= equal
    result[:-1] &= equal
    return np.moveaxis(result, 0, axis)


def _eroded(mask: np.ndarray, axis: int) -> np.ndarray:
    moved = np.moveaxis(mask, axis, 0)
    result = moved.copy()
    result[1:] &= moved[:-1]
    result[:-1] &= moved[1:]
    return np.moveaxis(result, 0, axis)


def _dilated(mask: np.ndarray, axis: int) -> np.ndarray:
    return ~_eroded(~mask, axis)


@lru_cache(maxsize=1)
def _shell_mm() -> np.ndarray:
    """Points 6 to 12 mm outside of the template's brain, shape (n, 3)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(load_template().brain.data.T))
    near, far = (sitk.GetArrayFromImage(sitk.BinaryDilate(image, [size] * 3, sitk.sitkBall)).T for size in (6, 12))
    return TEMPLATE_GRID.to_mm(np.argwhere(far > near)[::8])


def _is_extracted(blank: np.ndarray, scan: Volume, from_template: Affine) -> bool:
    """Whether what surrounds the brain on the scan is blank."""
    indices = np.rint(scan.grid.to_indices(from_template.apply(_shell_mm()))).astype(int)
    indices = indices[((indices >= 0) & (indices < scan.shape)).all(axis=1)]
    return bool(len(indices)) and float(blank[tuple(indices.T)].mean()) > _EXTRACTED


def _without_sheets(mask: np.ndarray, half_mm: int) -> np.ndarray:
    """A mask on the template's grid without what is thinner than twice `half_mm`."""
    if not mask.any():
        return mask
    box = bounding_box(mask)
    image = sitk.GetImageFromArray(np.pad(mask[box].T.astype(np.uint8), half_mm))
    core = sitk.BinaryErode(image, [half_mm] * 3, sitk.sitkBall)
    grown = sitk.GetArrayFromImage(sitk.BinaryDilate(core, [half_mm + 1] * 3, sitk.sitkBall)).T > 0
    result = np.zeros_like(mask)
    result[box] = mask[box] & grown[(slice(half_mm, -half_mm),) * 3]
    return result


def _amount(ml: float) -> str:
    return f"{ml:.0f} ml" if ml >= 9.5 else f"{ml:.1f} ml"


def _percent(share: float) -> str:
    return "less than 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"

"""The brain of a cohort, in which chance would place clusters, and a picture of it to draw on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import ndimage

from nnunet_tv.imaging.clusters import bounding_box
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import canonical, read_volume
from nnunet_tv.registration.template import NAME, TEMPLATE_GRID, load_template
from nnunet_tv.scoring.contrast import find_image
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.numbers import counted, fixed

#: Scans that are averaged for the background.
_MOST_SCANS = 10
#: More than an adult's brain with its ventricles, in mm³: an image with more nonzero voxels shows the head.
_LARGEST_MM3 = 2e6
#: Largest share of nonzero voxels in an image of a brain alone.
_LARGEST_SHARE = 0.7
#: Brain where it is not known: less than an adult has, in mm³.
_ASSUMED_MM3 = 1e6


@dataclass(frozen=True)
class CohortBrain:
    """The brain on the grid of a cohort map."""

    spacing_mm: tuple[float, ...]
    mask: np.ndarray | None  #: shape of the grid, bool; None where it is not known
    n_voxels: int  #: voxels of the brain, or assumed ones
    source: str  #: for the notes
    background: np.ndarray | None  #: shape of the grid, float32
    background_source: str

    def chance(self, sizes: np.ndarray) -> float:
        """Probability that chance marks a voxel in a subject with clusters of these sizes in voxels, shape (n,).

        By chance each cluster is anywhere in the brain. As it fits in only as a whole, its centre is not near the
        surface, and voxels in the depth of the brain are in it more often than size / brain voxels. This is the
        probability there, for clusters that are balls: the sum of size / number of places for a ball of that size.
        """
        radii_mm = (3 * sizes * math.prod(self.spacing_mm) / (4 * math.pi)) ** (1 / 3)
        if self._depths_mm is None:  # a ball of the assumed volume
            whole_mm = (3 * self.n_voxels * math.prod(self.spacing_mm) / (4 * math.pi)) ** (1 / 3)
            n_places = self.n_voxels * np.maximum(0, 1 - radii_mm / whole_mm) ** 3
        else:
            n_places = len(self._depths_mm) - np.searchsorted(self._depths_mm, radii_mm, side="right")
        return min(1.0, float((sizes / np.maximum(n_places, 1)).sum()))

    @cached_property
    def _depths_mm(self) -> np.ndarray | None:
        """Distance of each of the brain's voxels to the nearest voxel outside, rising; also beyond the grid."""
        if self.mask is None:
            return None
        inside = np.pad(self.mask[bounding_box(self.mask)], 1)
        return np.sort(ndimage.distance_transform_edt(inside, sampling=self.spacing_mm)[inside].astype(np.float32))


def find_brain(grid: Grid, cases: Sequence[str], images: Path | None = None) -> CohortBrain:
    """Brain and background on a grid whose axes point right, front and up.

    The brain is the template's if the grid is. Otherwise it is what is nonzero in most scans in `images`
    (``CASE_0000.nii.gz``) if these show brains without skull. Otherwise it is not known, and its volume is assumed to
    be 1 litre (or the whole grid, if that is smaller): too small a brain makes chance more likely, so that the map
    flags too little rather than too much. The background is the mean scan, or the template.
    """
    template = load_template() if grid.matches(TEMPLATE_GRID) else None
    mean, nonzero, n_scans = _mean_scan(grid, cases, images) if images is not None else (None, None, 0)
    background, background_source = mean, f"mean of {counted(n_scans, 'scan')}" if n_scans else ""
    if mean is None and template is not None:
        background, background_source = template.t1.data, NAME
    if template is not None:
        mask, source = template.brain.data.astype(bool), f"the brain of the template, {NAME}"
    elif nonzero is not None and nonzero.any() and nonzero.mean() <= _LARGEST_SHARE and (
            nonzero.sum() * grid.voxel_mm3 <= _LARGEST_MM3):
        mask, source = nonzero, f"the voxels that are not 0 in most of {counted(n_scans, 'scan')} of --images"
    elif (size := round(_ASSUMED_MM3 / grid.voxel_mm3)) < math.prod(grid.shape):
        source = (f"not known, and assumed to have {fixed(_ASSUMED_MM3 / 1000)} ml, less than an adult's, so that too "
                  "few places are flagged rather than too many")
        return CohortBrain(grid.spacing_mm, None, size, source, background, background_source)
    else:
        mask, source = np.ones(grid.shape, bool), "not known; the whole image, which is smaller than an adult's brain"
    return CohortBrain(grid.spacing_mm, mask, int(mask.sum()), source, background, background_source)


def _mean_scan(
    grid: Grid, cases: Sequence[str], images: Path
) -> tuple[np.ndarray | None, np.ndarray | None, int]:
    """Mean of up to ten scans, where most of them are nonzero, and their number; None without a scan on the grid."""
    found = [case for case in sorted(cases) if find_image(images, case) is not None]
    chosen = [found[round(place)] for place in np.linspace(0, len(found) - 1, min(len(found), _MOST_SCANS))]
    total, nonzero, n = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.uint8), 0
    for case in chosen:
        if (scan := _scan(case, grid, images)) is not None:
            total, nonzero, n = total + scan, nonzero + (scan != 0), n + 1
    return (total / n, 2 * nonzero > n, n) if n else (None, None, 0)


def _scan(case: str, grid: Grid, images: Path) -> np.ndarray | None:
    """A scan divided by its median of nonzero voxels; None if it cannot be used, which the pictures report."""
    path = find_image(images, case)
    assert path is not None  # chosen for it
    try:
        scan = canonical(read_volume(path, case=case))
    except CaseError:
        return None
    if not scan.grid.matches(grid):
        return None
    inside = scan.data[scan.data != 0]
    return scan.data / abs(float(np.median(inside))) if inside.size and np.median(inside) else scan.data

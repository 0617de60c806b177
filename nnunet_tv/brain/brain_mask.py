"""The brain mask of a case by the chosen method, and its comparison with a mask found in another way.

Masks are found on the T1w as the registration placed it on the template's grid: there heads are upright, whatever
their position in the scanner, and volumes are comparable. deepbet does not use the template, and the template's mask
does not use a network, so where the two differ the case is flagged for review.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from nnunet_tv.brain.registry import NONE, TEMPLATE, WITHOUT_TEMPLATE, get_method
from nnunet_tv.imaging.affine import Affine
from nnunet_tv.imaging.clusters import label_clusters
from nnunet_tv.imaging.resample import resample_image
from nnunet_tv.imaging.sampling import itk_image
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.template import TEMPLATE_GRID

#: Dice of two methods' masks below which the case is flagged; 0.966 to 0.979 on real scans (docs/preparation.md).
AGREEMENT = 0.93
#: A part of one mask that the other lacks is flagged if a ball of this radius fits into it, and from this volume on.
PART_RADIUS_MM, PART_ML = 5, 5.0
#: Plausible volumes of a brain in ml.
VOLUMES_ML = (700, 2300)
#: Intensities are limited to these percentiles of the brain.
PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Brain:
    """A brain mask and its checks."""

    mask: Volume | None  #: uint8, 0 and 1, on the template's grid; None for the method ``none``
    method: str  #: a key of :data:`~nnunet_tv.brain.registry.BRAIN_METHODS`
    outline: Volume  #: a mask that was found without the template: `mask`, or deepbet's
    #: ``volume_ml`` of the person's brain; ``agreement_dice`` with the other mask; ``differing_ml`` of thick parts
    metrics: dict[str, float]
    flags: tuple[str, ...] = ()  #: signs that the mask is wrong
    version: str = ""  #: of the program behind it


def check_method(method: str) -> None:
    """Raise a `ValueError` for an unknown method, and a `NnunetTVError` with advice where it is not installed."""
    get_method(WITHOUT_TEMPLATE).check()
    get_method(method).check()


def brain_on_scan(t1: Volume) -> Volume:
    """Brain mask by deepbet of a T1w with axes near RAS, uint8 on its own grid, for the registration's start."""
    return get_method(WITHOUT_TEMPLATE).find(t1)


def find_brain(t1: Volume, t1_to_mni: Affine, *, method: str = WITHOUT_TEMPLATE) -> Brain:
    """Brain mask of a T1w of a whole head with axes near RAS.

    Raises as :func:`check_method`, and a `NnunetTVError` where the program behind the method failed.
    """
    check_method(method)
    t1 = resample_image(t1, TEMPLATE_GRID, world=t1_to_mni.inverse())
    finder = WITHOUT_TEMPLATE if method in (NONE, TEMPLATE) else method
    outline, other = get_method(finder).find(t1), get_method(TEMPLATE).find(t1)
    mask = {NONE: None, TEMPLATE: other}.get(method, outline)
    agreement, differing, side = dice(outline.data, other.data), *_largest_difference(outline, other)
    volume_ml = float((outline if mask is None else mask).data.sum()) / 1000 / t1_to_mni.volume_ratio
    flags = []
    shown = f"the brain masks of {finder} and of the template"
    if agreement < AGREEMENT:
        flags.append(f"{shown} agree with a Dice of {agreement:.3f} only (expected at least {AGREEMENT}): look at the "
                     "mask, and choose with --brain")
    elif differing >= PART_ML:
        flags.append(f"{shown} differ in a part of {differing:.0f} ml {side}: look at the mask there, and choose with "
                     "--brain")
    if not VOLUMES_ML[0] <= volume_ml <= VOLUMES_ML[1]:
        flags.append(f"the brain's volume is {volume_ml:.0f} ml (expected {VOLUMES_ML[0]} to {VOLUMES_ML[1]}): look at "
                     "the mask")
    metrics = {"volume_ml": volume_ml, "agreement_dice": agreement, "differing_ml": differing}
    return Brain(mask, method, outline, metrics, tuple(flags), get_method(method).version())


def dice(first: np.ndarray, second: np.ndarray) -> float:
    """Dice of two masks; 1 if both are empty."""
    total = int(np.count_nonzero(first)) + int(np.count_nonzero(second))
    return 2 * int(np.count_nonzero((first != 0) & (second != 0))) / total if total else 1.0


def _largest_difference(first: Volume, second: Volume) -> tuple[float, str]:
    """Volume in ml, and place, of the largest part of one mask that the other lacks; 0 without one."""
    largest, side = 0.0, ""
    for one, other in ((first, second), (second, first)):
        only = Volume(((one.data > 0) & (other.data == 0)).astype(np.uint8), one.affine)
        opened = sitk.BinaryMorphologicalOpening(sitk.Cast(itk_image(only), sitk.sitkUInt8), [PART_RADIUS_MM] * 3,
                                                 sitk.sitkBall)
        labels, count = label_clusters(sitk.GetArrayFromImage(opened).T)
        for number in range(1, count + 1):
            part = np.argwhere(labels == number)
            volume = len(part) * one.grid.voxel_mm3 / 1000
            if volume > largest:
                x = one.grid.to_mm(part).mean(axis=0)[0]
                largest, side = volume, "on the left" if x < -10 else "on the right" if x > 10 else "near the midline"
    return largest, side


def clip_to_brain(image: Volume, mask: Volume | None) -> Volume:
    """Intensities limited to percentiles of the brain, and exactly 0 outside of it; float32.

    Without a mask the percentiles are those of the whole volume, and all of it is kept; an empty mask gives zeros.
    """
    inside = np.ones(image.shape, bool) if mask is None else mask.data > 0
    if not inside.any():
        return Volume(np.zeros(image.shape, np.float32), image.affine)
    low, high = np.percentile(image.data[inside], PERCENTILES)
    data = np.where(inside, np.clip(image.data, low, high), 0).astype(np.float32)
    return Volume(data, image.affine)

"""Whether T1w and FLAIR are exchanged, from the scans alone: white matter is brighter than grey in a T1w only.

For scans that are not registered; a registration to the template checks the same. On eight real scans of two patients
(spin echo T1w; whole heads, and of one session of each also without skull, standardised, and in MNI space) the ratio of
white to grey matter was 1.15 to 1.19 in T1w and 0.91 to 0.94 in FLAIR.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from nnunet_tv.brain.brain_mask import VOLUMES_ML, brain_on_scan
from nnunet_tv.imaging.affine import transform
from nnunet_tv.imaging.bias import correct_bias
from nnunet_tv.imaging.sampling import at_resolution, random_points, sample
from nnunet_tv.imaging.volume import Volume, canonical
from nnunet_tv.preparation.alignment import FLAIR_NAME
from nnunet_tv.preparation.chain import PreparedCase
from nnunet_tv.registration.brain_pose import brain_pose
from nnunet_tv.registration.pipeline import template_region
from nnunet_tv.registration.plausibility import SCALES, dark_white_matter, white_to_grey
from nnunet_tv.registration.template import load_template

#: A scan of less than this in two directions does not show a brain.
SMALLEST_MM = 100.0
#: Smaller differences of the ratios are no statement, as in scans of balls: 1.00 and 1.01.
MARGIN = 0.04
_RESOLUTION_MM = 1.5
_POINTS = 100_000


def with_contrast_check(prepared: PreparedCase) -> PreparedCase:
    """`prepared` with the ratios of its T1w and FLAIR among the metrics, and a flag where they seem exchanged.

    A check that fails is a note: scans that are placed by their headers need not show a head.
    """
    scans = {name: prepared.scans[name] for name in ("T1w", FLAIR_NAME)}
    try:
        found = {name: scan_white_to_grey(scan) for name, scan in scans.items()}
    except Exception as error:
        note = f"whether T1w and FLAIR are exchanged could not be checked ({type(error).__name__})"
        return replace(prepared, notes=(*prepared.notes, note))
    ratios = {name: ratio for name, ratio in found.items() if ratio is not None}
    if not ratios:
        return prepared
    record = prepared.record
    metrics = {**record.details.get("metrics", {}),
               "contrast": {f"{name}_white_to_grey": ratio for name, ratio in ratios.items()}}
    return replace(prepared, record=replace(record, flags=[*record.flags, *contrast_flags(ratios)],
                                            details={**record.details, "metrics": metrics}))


def contrast_flags(ratios: Mapping[str, float]) -> tuple[str, ...]:
    """Flags for the ratios of white to grey matter of a ``T1w`` and a ``FLAIR``, as far as they are known."""
    t1, flair = ratios.get("T1w"), ratios.get(FLAIR_NAME)
    if t1 is None:
        return ()
    if flair is not None and t1 < flair - MARGIN:
        return (f"T1w and FLAIR seem to be exchanged: white matter is brighter against grey in the FLAIR (ratio "
                f"{flair:.2f}) than in the T1w (ratio {t1:.2f}); look at both, and choose them with --pair",)
    return (dark_white_matter(t1),) if t1 < 1 - MARGIN else ()


def scan_white_to_grey(scan: Volume) -> float | None:
    """Brightness of white matter over that of grey matter in a T1w or FLAIR of a head; None where no brain was found.

    The template is placed by the outline of the brain, which both contrasts show.
    """
    extent_mm = np.array(scan.shape) * scan.spacing_mm
    if (extent_mm < SMALLEST_MM).sum() >= 2 or scan.data.min() == scan.data.max():
        return None
    scan = canonical(Volume(_not_negative(np.asarray(scan.data, np.float32)), scan.affine))
    scan = at_resolution(scan, _RESOLUTION_MM)
    brain = brain_on_scan(scan)
    volume_ml = float(brain.data.sum()) * brain.grid.voxel_mm3 / 1000
    if not VOLUMES_ML[0] <= volume_ml <= VOLUMES_ML[1]:
        return None
    scan = correct_bias(scan, brain)
    pose = brain_pose(brain, Volume(np.where(brain.data > 0, scan.data, 0), scan.affine), template_region())
    scales = np.linalg.svd(np.linalg.inv(pose)[:3, :3], compute_uv=False)
    if scales.min() < SCALES[0] or scales.max() > SCALES[1]:  # a slab
        return None
    points = random_points(load_template().brain, _POINTS)
    return white_to_grey(points, sample(scan, transform(pose, points))) or None


def _not_negative(data: np.ndarray) -> np.ndarray:
    """Values from 0 on: of standardised scans, in which 0 is the background or the mean, the lowest becomes 0."""
    if data.min() >= 0:
        return data
    low = min(np.percentile(data[data != 0], 1), 0)
    return np.where(data == 0, 0, np.maximum(data - low, 0))

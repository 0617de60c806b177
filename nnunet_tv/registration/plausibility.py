"""Checks of a registration, the same for every backend: metrics, and flags where they are implausible.

A header that exchanges left and right cannot be detected here: heads and the template are so symmetric that it scores
like success; handedness is therefore never changed, and the orientation found is recorded. Nor is a good round trip
evidence: it is as good on a registration that is 40 mm off.

The limits were set on four real sessions of two patients, on changed copies of these (slices of 5.5 mm, cut fields of
view, noise, bias fields) and on phantoms; docs/preparation.md has the figures. Mutual information depends on the
scanner and the sequence: it only separates a brain from none. What separated correct from wrong registrations is the
outline of the brain for the T1w (at most 6 mm, and at least 10 mm), and for the FLAIR the shifts of blocks of the
brain (at most 1 mm, and with another person's FLAIR at least 4.7 mm).
"""

import numpy as np

from nnunet_tv.imaging.affine import displacement_mm, nearest_rotation, transform
from nnunet_tv.imaging.sampling import at_resolution, random_points, sample
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.block_matching import best_shift, blocks
from nnunet_tv.registration.brain_pose import outline_shift
from nnunet_tv.registration.mutual_information import binned, limits, mutual_information
from nnunet_tv.registration.template import load_template

#: Below this there is no brain in the T1w, or in the FLAIR; 0.22 to 0.46 on real scans, at most 0.1 on noise and water.
MIN_TEMPLATE_NATS, MIN_FLAIR_NATS = 0.15, 0.1
#: Largest shift by which the outline of the brain may disagree with the registration to the template.
MAX_OUTLINE_MM = 8.0
#: Median of the best shifts of blocks of the brain; larger values suggest another person.
MAX_BLOCK_MM = 2.5
#: Correlation within the brain above which two scans are one and the same contrast.
MAX_CORRELATION = 0.9
#: Larger rotations against the header are not a posture: heads tilted by 40 degrees about each axis stay below the
#: first limit, and two scans of one session below the second. The search may still find such a pose.
MAX_TURN_DEG, MAX_FLAIR_TURN_DEG = 70.0, 45.0
#: Lengths of the axes of an affine map between an adult or child and MNI152.
SCALES = (0.75, 1.5)
_RESOLUTION_MM = 2.0
_POINTS = 100_000
_BLOCK_MM, _BLOCK_POINTS, _BLOCK_BINS = 45.0, 1500, 16


def check_template(to_t1: np.ndarray, t1: Volume) -> tuple[dict[str, float], tuple[str, ...]]:
    """Metrics and flags of a map (4 x 4) from MNI mm to scanner mm of a T1w.

    The metrics are ``mutual_information_nats``, ``scale_min`` and ``scale_max`` (of the T1w, to fit the template),
    ``white_to_grey`` (ratio of brightness) and ``turn_deg`` (between the header's axes and the template's).
    """
    template = load_template()
    points = random_points(template.brain, _POINTS)
    small = at_resolution(t1, _RESOLUTION_MM)
    values = sample(small, transform(to_t1, points))
    reference = at_resolution(template.t1, _RESOLUTION_MM)
    fit = mutual_information(binned(sample(reference, points), limits(reference)), binned(values, limits(small)))
    scales = np.linalg.svd(np.linalg.inv(to_t1)[:3, :3], compute_uv=False)
    ratio = white_to_grey(points, values)
    flags = []
    if fit < MIN_TEMPLATE_NATS:
        flags.append(f"the T1w does not fit the template (mutual information {fit:.2f} nats, expected at least "
                     f"{MIN_TEMPLATE_NATS}): header turned, no head, or not a T1w; look at the scan")
    if not (SCALES[0] <= scales.min() and scales.max() <= SCALES[1]) or np.linalg.det(to_t1[:3, :3]) <= 0:
        flags.append(f"the T1w fits the template only when scaled by {scales.min():.2f} to {scales.max():.2f} "
                     f"(expected {SCALES[0]} to {SCALES[1]}): check the voxel sizes, look at the scan")
    turn = turn_deg(to_t1)
    if turn > MAX_TURN_DEG:
        flags.append(f"the T1w's header is turned by {turn:.0f} degrees against the template (expected at most "
                     f"{MAX_TURN_DEG:.0f}): it names the wrong directions; check left and right")
    if ratio < 1:
        flags.append(dark_white_matter(ratio))
    return {"mutual_information_nats": fit, "scale_min": float(scales.min()), "scale_max": float(scales.max()),
            "white_to_grey": ratio, "turn_deg": turn}, tuple(flags)


def check_outline(brain: Volume, seen: np.ndarray) -> tuple[dict[str, float], tuple[str, ...]]:
    """Metrics and flags of a registration from the brain mask `brain`, found on the T1w on the template's grid.

    `seen` is the part of the grid that the T1w shows, bool.

    ``outline_mm`` is by how much the outline of the brain alone would move the registration (95th percentile over the
    brain). It does not depend on the contrast of the T1w.
    """
    if not brain.data.any():
        return {}, ("the T1w does not fit the template: no brain was found on it; look at the scan",)
    points = random_points(load_template().brain, _POINTS // 10)
    shift = float(np.percentile(displacement_mm(outline_shift(brain, seen), np.eye(4), points), 95))
    if shift <= MAX_OUTLINE_MM:
        return {"outline_mm": shift}, ()
    return {"outline_mm": shift}, (
        f"the T1w does not fit the template: the outline of its brain is off by {shift:.0f} mm (expected at most "
        f"{MAX_OUTLINE_MM:.0f}); look at the edges of the template in the picture",)


def check_flair(
    to_flair: np.ndarray, flair: Volume, t1: Volume, region: Volume
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Metrics and flags of a rigid map (4 x 4) from scanner mm of a T1w to those of a FLAIR.

    The metrics, within the brain mask `region` in mm of the T1w, are ``mutual_information_nats``, ``block_shift_mm``,
    ``correlation`` and ``turn_deg`` (between the two headers).
    """
    points = random_points(region, _POINTS)
    first, second = at_resolution(t1, _RESOLUTION_MM), at_resolution(flair, _RESOLUTION_MM)
    values = sample(first, points), sample(second, transform(to_flair, points))
    fit = mutual_information(binned(values[0], limits(first)), binned(values[1], limits(second)))
    shift_mm = block_shift_mm(points, first, second, to_flair)
    correlation = _correlation(*values)
    flags = []
    if fit < MIN_FLAIR_NATS:
        flags.append(f"the FLAIR does not fit the T1w (mutual information {fit:.2f} nats, expected at least "
                     f"{MIN_FLAIR_NATS}): header turned, no head, or not of this person; look at the scan")
    if shift_mm > MAX_BLOCK_MM:
        flags.append(f"parts of the brain differ in place by {shift_mm:.1f} mm between T1w and FLAIR (expected at "
                     f"most {MAX_BLOCK_MM}): are both of the same person?")
    if correlation > MAX_CORRELATION:
        flags.append(f"T1w and FLAIR show the same contrast (correlation {correlation:.2f}, expected below "
                     f"{MAX_CORRELATION}): is one scan given twice?")
    turn = turn_deg(to_flair)
    if turn > MAX_FLAIR_TURN_DEG:
        flags.append(f"the headers of T1w and FLAIR are turned by {turn:.0f} degrees against each other (expected at "
                     f"most {MAX_FLAIR_TURN_DEG:.0f}): one names the wrong directions; check left and right")
    return {"mutual_information_nats": fit, "block_shift_mm": shift_mm, "correlation": correlation,
            "turn_deg": turn}, tuple(flags)


def turn_deg(matrix: np.ndarray) -> float:
    """Angle in degrees of the rotation within a matrix (4 x 4) that keeps handedness."""
    cosine = (np.trace(nearest_rotation(matrix[:3, :3])) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def block_shift_mm(points: np.ndarray, fixed: Volume, moving: Volume, pose: np.ndarray) -> float:
    """Median over blocks of 45 mm of the distance that each alone moves to fit best.

    With scans of one person every block is in place; with scans of two persons no rigid map fits all blocks. `points`
    (N, 3) of the brain are in mm of `fixed`; `pose` (4 x 4) maps points of `fixed` to points of `moving`.
    """
    bins = binned(sample(fixed, points), limits(fixed), _BLOCK_BINS)
    low_high = limits(moving)
    found = []
    for chosen in blocks((points - points.mean(axis=0)) / _BLOCK_MM + 0.5, _BLOCK_POINTS):
        def fit(shift, where=points[chosen], here=bins[chosen]):
            values = sample(moving, transform(pose, where + shift))
            return mutual_information(here, binned(values, low_high, _BLOCK_BINS), _BLOCK_BINS)

        found.append(np.linalg.norm(best_shift(fit)))
    return float(np.median(found)) if found else 0.0


def white_to_grey(points: np.ndarray, values: np.ndarray) -> float:
    """Median brightness in the template's white matter over that in its grey matter; 0 if undefined.

    `values` (N,) of a scan are those at `points` (N, 3) of the template.
    """
    template = load_template()
    white, grey = (values[sample(one, points) > 0.8] for one in (template.white, template.grey))
    if not white.size or not grey.size or np.median(grey) <= 0:
        return 0.0
    return float(np.median(white) / np.median(grey))


def dark_white_matter(ratio: float) -> str:
    """The flag for a T1w whose white matter is not brighter than grey."""
    return f"the T1w shows white matter darker than grey (ratio {ratio:.2f}): is it a FLAIR or a T2w?"


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])

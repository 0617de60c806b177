"""Rigid starting poses: a coarse search over rotations and shifts, so that tilted and shifted heads are found.

A registration's optimiser finds the nearest optimum; this finds its basin. 125 rotations within 40 degrees about each
axis and 27 shifts around the head's centre are scored by mutual information at a few thousand points; the best are
refined by halving steps. Handedness is never changed: only rotations are tried.
"""

from itertools import product

import numpy as np
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.affine import displacement_mm, rotation_about, transform
from nnunet_tv.imaging.sampling import at_resolution, itk_image, random_points, sample
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.mutual_information import binned, limits, mutual_information

#: Resolution at which poses are tried; height of a head from the vertex down, where the neck begins.
RESOLUTION_MM, HEAD_MM = 6.0, 170.0
_BINS = 24
_ANGLES_DEG = (-40.0, -20.0, 0.0, 20.0, 40.0)
_SHIFTS_MM = (-20.0, 0.0, 20.0)
_POINTS = 3000
#: Poses closer to each other than this (mean over the points) count as one.
_DISTINCT_MM = 12.0


def head_centre_mm(volume: Volume) -> np.ndarray:
    """Centre of the head (Otsu's threshold) in scanner mm, of its upper 170 mm; shape (3,)."""
    coarse = at_resolution(volume, 4.0)
    mask = sitk.GetArrayFromImage(sitk.OtsuThreshold(itk_image(coarse), 0, 1)).T
    if not mask.any():
        mask = np.ones(coarse.shape, np.uint8)
    points = coarse.grid.to_mm(np.argwhere(mask).astype(float))
    top = np.percentile(points[:, 2], 99.5)
    return points[points[:, 2] > top - HEAD_MM].mean(axis=0)


class PoseScore:
    """Mutual information of two scans as a function of the pose (4 x 4, points of `fixed` to points of `moving`)."""

    def __init__(self, fixed: Volume, moving: Volume, fixed_mask: Volume):
        small = at_resolution(fixed, RESOLUTION_MM)
        where = at_resolution(Volume(fixed_mask.data.astype(np.float32), fixed_mask.affine), RESOLUTION_MM)
        self.points = chosen = random_points(Volume(where.data > 0.5, where.affine), _POINTS)
        self._fixed = binned(sample(small, chosen), limits(small), _BINS)
        self._moving = at_resolution(moving, RESOLUTION_MM)
        self._limits = limits(self._moving)

    def __call__(self, pose: np.ndarray) -> float:
        values = sample(self._moving, transform(pose, self.points))
        return mutual_information(self._fixed, binned(values, self._limits, _BINS), _BINS)


def candidate_poses(fixed: Volume, moving: Volume, fixed_mask: Volume, *, header_pose: bool) -> list[np.ndarray]:
    """At most four rigid poses (4 x 4, points of `fixed` to points of `moving`), best first.

    The scans are compared within `fixed_mask`, whose centre is taken as the centre of the head. With `header_pose`, the
    pose given by the headers (identity) is also tried.
    """
    score = PoseScore(fixed, moving, fixed_mask)
    centre, target = score.points.mean(axis=0), head_centre_mm(moving)
    poses = []
    for angles in product(_ANGLES_DEG, repeat=3):
        turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
        poses += [rotation_about(turn, centre, target + shift) for shift in product(_SHIFTS_MM, repeat=3)]
    values = np.array([score(pose) for pose in poses])
    starts = [poses[index] for index in np.argsort(-values, kind="stable")[:12]]
    if header_pose:
        starts.insert(0, np.eye(4))
    refined = sorted((_refine(score, start, centre) for start in starts), key=lambda one: -one[0])
    distinct: list[np.ndarray] = []
    for _, pose in refined:
        if all(displacement_mm(pose, other, score.points).mean() > _DISTINCT_MM for other in distinct):
            distinct.append(pose)
    return distinct[:4]


def _refine(score: PoseScore, pose: np.ndarray, centre: np.ndarray) -> tuple[float, np.ndarray]:
    """Score and pose after steps to the best neighbour: turns about `centre` and shifts, applied before the pose."""
    best = score(pose)
    for degrees, mm in ((10.0, 10.0), (5.0, 5.0), (2.5, 2.5)):
        for _ in range(6):
            ends = [sign * axis for axis in np.eye(3) for sign in (-1, 1)]
            steps = [rotation_about(Rotation.from_rotvec(np.deg2rad(degrees) * end).as_matrix(), centre, centre)
                     for end in ends] + [rotation_about(np.eye(3), np.zeros(3), mm * end) for end in ends]
            tried = [(score(pose @ step), pose @ step) for step in steps]
            value, candidate = max(tried, key=lambda one: one[0])
            if value <= best:
                break
            best, pose = value, candidate
    return best, pose

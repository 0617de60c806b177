"""Poses: closed forms for rotations, and inversion of what cannot be inverted in closed form."""

import json

import numpy as np
import pytest

from nnunet_tv.demo.pose import Pose, Warp, rigid
from nnunet_tv.imaging.affine import transform


def random_pose(seed: int, warp_mm: float = 3.0) -> Pose:
    rng = np.random.default_rng(seed)
    head = np.eye(4)
    head[:3, :3] += 0.04 * rng.uniform(-1, 1, (3, 3))
    return Pose(rigid(rng.uniform(-20, 20, 3), rng.uniform(-30, 30, 3), np.zeros(3)), head, Warp.draw(rng, warp_mm))


@pytest.mark.parametrize(("rotation", "point", "expected"), [
    ((90, 0, 0), (0, 1, 0), (0, 0, 1)),  # y to z about x
    ((0, 90, 0), (0, 0, 1), (1, 0, 0)),  # z to x about y
    ((0, 0, 90), (1, 0, 0), (0, 1, 0)),  # x to y about z
])
def test_right_handed_rotations(rotation, point, expected):
    matrix = rigid(np.array(rotation), np.zeros(3), np.zeros(3))
    assert transform(matrix, np.array(point, float)) == pytest.approx(np.array(expected), abs=1e-12)


def test_rigid_leaves_the_centre_and_lengths_alone():
    centre = np.array([5.0, -18.0, 3.0])
    matrix = rigid(np.array([10.0, -20, 30]), np.zeros(3), centre)
    assert transform(matrix, centre) == pytest.approx(centre)
    assert matrix[:3, :3] @ matrix[:3, :3].T == pytest.approx(np.eye(3))
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(4))
def test_scanner_and_template_are_inverse(seed):
    pose = random_pose(seed)
    points = np.random.default_rng(9).uniform(-80, 80, (50, 3))
    assert pose.to_template(pose.to_scanner(points)) == pytest.approx(points, abs=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_warp_never_folds(seed):
    """The Jacobian of p + u(p), by central differences, stays positive even when much more is asked for."""
    warp = Warp.draw(np.random.default_rng(seed), 30.0)
    points = np.random.default_rng(1).uniform(-90, 90, (300, 3))
    step = 0.5
    columns = [(warp.displacement(points + step * axis) - warp.displacement(points - step * axis)) / (2 * step)
               for axis in np.eye(3)]
    assert np.linalg.det(np.eye(3) + np.stack(columns, -1)).min() > 0


def test_warp_has_about_the_size_given():
    points = np.random.default_rng(1).uniform(-90, 90, (2000, 3))
    sizes = [np.sqrt((Warp.draw(np.random.default_rng(s), 2.0).displacement(points) ** 2).sum(1).mean())
             for s in range(20)]
    assert 1.5 < np.mean(sizes) < 2.5


def test_no_warp_is_the_affine():
    pose = random_pose(3, warp_mm=0.0)
    matrix = pose.template_from_head @ np.linalg.inv(pose.scanner_from_head)
    points = np.random.default_rng(9).uniform(-80, 80, (50, 3))
    assert pose.to_template(points) == pytest.approx(transform(matrix, points))


def test_moved_head_is_seen_moved_and_json_keeps_a_pose():
    pose, motion = random_pose(4), rigid(np.array([2.0, 0, 1]), np.array([1.0, 2, 3]), np.zeros(3))
    point = np.array([[10.0, 20, 30]])
    assert pose.moved(motion).to_scanner(point) == pytest.approx(transform(motion, pose.to_scanner(point)))
    copy = Pose.from_json(json.loads(json.dumps(pose.as_json())))
    assert copy.to_scanner(point) == pytest.approx(pose.to_scanner(point), abs=1e-12)

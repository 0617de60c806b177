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


def test_rotations_are_right_handed_about_the_centre():
    axes = np.eye(3)  # y to z about x, z to x about y, x to y about z
    for about in range(3):
        matrix = rigid(90 * axes[about], np.zeros(3), np.zeros(3))
        assert transform(matrix, axes[about - 2]) == pytest.approx(axes[about - 1], abs=1e-12)
    centre = np.array([5.0, -18.0, 3.0])
    matrix = rigid(np.array([10.0, -20, 30]), np.zeros(3), centre)
    assert transform(matrix, centre) == pytest.approx(centre)
    assert matrix[:3, :3] @ matrix[:3, :3].T == pytest.approx(np.eye(3))
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(4))
def test_scanner_and_template_are_inverse_and_affine_without_a_warp(seed):
    pose, rigid_head = random_pose(seed), random_pose(seed, warp_mm=0.0)
    points = np.random.default_rng(9).uniform(-80, 80, (50, 3))
    assert pose.to_template(pose.to_scanner(points)) == pytest.approx(points, abs=1e-3)
    matrix = rigid_head.template_from_head @ np.linalg.inv(rigid_head.scanner_from_head)
    assert rigid_head.to_template(points) == pytest.approx(transform(matrix, points))


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


def test_moved_head_is_seen_moved_and_json_keeps_a_pose():
    pose, motion = random_pose(4), rigid(np.array([2.0, 0, 1]), np.array([1.0, 2, 3]), np.zeros(3))
    point = np.array([[10.0, 20, 30]])
    assert pose.moved(motion).to_scanner(point) == pytest.approx(transform(motion, pose.to_scanner(point)))
    copy = Pose.from_json(json.loads(json.dumps(pose.as_json())))
    assert copy.to_scanner(point) == pytest.approx(pose.to_scanner(point), abs=1e-12)

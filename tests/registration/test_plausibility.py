"""Checks of a registration: each fault is flagged, and a correct result is not. The poses are the true ones."""

from __future__ import annotations

import numpy as np
import pytest
from registration_phantoms import best_affine, flair_to_t1, phantom, scan

from nnunet_tv.imaging.affine import nearest_rotation
from nnunet_tv.imaging.resample import resample_mask
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.plausibility import check_flair, check_template, turn_deg
from nnunet_tv.registration.template import load_template


@pytest.fixture(scope="module")
def brain() -> Volume:
    one = phantom(1)
    return resample_mask(load_template().brain, scan(one.t1).grid, world=best_affine(one))


@pytest.fixture(scope="module")
def t1() -> Volume:
    return scan(phantom(1).t1)


@pytest.fixture(scope="module")
def flair() -> Volume:
    return scan(phantom(1).flair)


TO_T1 = best_affine(phantom(1)).inverse().matrix
TO_FLAIR = flair_to_t1(phantom(1)).inverse().matrix


def noise(like: Volume) -> Volume:
    data = np.abs(np.random.default_rng(0).standard_normal(like.shape)).astype(np.float32)
    return Volume(data, like.affine)


def quarter_turn(axis: int) -> np.ndarray:
    matrix = np.eye(4)
    first, second = (other for other in range(3) if other != axis)
    matrix[first, first] = matrix[second, second] = 0
    matrix[first, second], matrix[second, first] = -1, 1
    return matrix


def test_correct_registrations_are_not_flagged(t1, flair, brain):
    metrics, flags = check_template(TO_T1, t1)
    assert flags == () and metrics["mutual_information_nats"] > 0.5 and metrics["white_to_grey"] > 1.2
    assert 0.9 < metrics["scale_min"] <= metrics["scale_max"] < 1.1
    metrics, flags = check_flair(TO_FLAIR, flair, t1, brain)
    assert flags == () and metrics["block_shift_mm"] <= 1 and metrics["covered"] == 1


def test_a_wrong_pose_and_noise_are_flagged(t1):
    metrics, flags = check_template(TO_T1 @ quarter_turn(2), t1)
    assert metrics["mutual_information_nats"] < 0.35
    assert "the T1w does not fit the template (mutual information 0." in flags[0]
    assert any("does not fit the template" in flag for flag in check_template(TO_T1, noise(t1))[1])


@pytest.mark.parametrize("axis", range(3))
def test_a_turned_header_is_flagged_even_where_the_right_pose_was_found(axis, t1, flair, brain):
    turn = quarter_turn(axis)
    _, flags = check_template(turn @ TO_T1, Volume(t1.data, turn @ t1.affine))
    assert len(flags) == 1 and "the T1w's header is turned by" in flags[0]
    _, flags = check_flair(turn @ TO_FLAIR, Volume(flair.data, turn @ flair.affine), t1, brain)
    assert len(flags) == 1 and "the headers of T1w and FLAIR are turned by" in flags[0]


def test_the_angle_of_a_rotation():
    assert turn_deg(quarter_turn(1) @ np.diag([1.2, 0.9, 1.1, 1])) == pytest.approx(90, abs=10)
    assert turn_deg(quarter_turn(2)) == pytest.approx(90) and turn_deg(np.eye(4)) == 0


def test_a_flair_in_place_of_the_t1_is_flagged(flair):
    _, flags = check_template(TO_FLAIR @ TO_T1, flair)
    assert any("white matter darker than grey (ratio 0." in flag for flag in flags)


def test_wrong_voxel_sizes_and_handedness_are_flagged(t1):
    double = np.diag([2.0, 2, 2, 1])
    _, flags = check_template(double @ TO_T1, Volume(t1.data, double @ t1.affine))
    assert any("only when scaled by 0.4" in flag or "only when scaled by 0.5" in flag for flag in flags)
    _, flags = check_template(TO_T1 @ np.diag([-1.0, 1, 1, 1]), t1)
    assert any("only when scaled" in flag for flag in flags)


def test_the_flair_of_another_person_is_flagged(t1, brain):
    other = phantom(3)
    to_other = (best_affine(other) @ flair_to_t1(other)).inverse().matrix
    pose = to_other @ np.linalg.inv(TO_T1)
    pose[:3, :3] = nearest_rotation(pose[:3, :3])  # rigid, about the middle of the head
    centre = TO_T1 @ (0, -18, 10, 1)
    pose[:3, 3] += (to_other @ (0, -18, 10, 1) - pose @ centre)[:3]
    _, flags = check_flair(pose, scan(other.flair), t1, brain)
    assert any("same person" in flag or "not of this person" in flag for flag in flags)


def test_the_t1_given_twice_and_noise_are_flagged(t1, flair, brain):
    metrics, flags = check_flair(np.eye(4), t1, t1, brain)
    assert metrics["correlation"] == pytest.approx(1) and "is one scan given twice?" in flags[0]
    _, flags = check_flair(TO_FLAIR, noise(flair), t1, brain)
    assert "the FLAIR does not fit the T1w (mutual information 0.0" in flags[0]


def test_a_flair_of_half_the_brain_is_flagged(t1, flair, brain):
    shift, middle = np.eye(4), flair.shape[2] // 2
    shift[2, 3] = middle
    metrics, flags = check_flair(TO_FLAIR, Volume(flair.data[:, :, middle:], flair.affine @ shift), t1, brain)
    assert metrics["covered"] < 0.9 and any("of the brain only" in flag for flag in flags)

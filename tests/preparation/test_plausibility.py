"""Traps of the brief: each is flagged, and what is right is not. Poses are the true ones: only the looks are tested."""

from __future__ import annotations

import numpy as np
import pytest
from registration_phantoms import best_affine, flair_to_t1, phantom, scan

from nnunet_tv.imaging.geometry import apply
from nnunet_tv.imaging.resample import resample_mask
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation.plausibility import check_flair, check_template, turn_deg
from nnunet_tv.registration.mutual_information import at_resolution, binned, cropped, mutual_information, sample
from nnunet_tv.registration.template import load_template


@pytest.fixture(scope="module")
def brain() -> Volume:
    one = phantom(1)
    return resample_mask(load_template().brain, scan(one.t1), world=best_affine(one))


def noise(like: Volume) -> Volume:
    data = np.abs(np.random.default_rng(0).standard_normal(like.shape)).astype(np.float32)
    return Volume(data, like.affine)


def to_t1(one) -> np.ndarray:
    return np.linalg.inv(best_affine(one))


def test_a_t1_in_place_is_not_flagged():
    one = phantom(1)
    metrics, flags = check_template(to_t1(one), scan(one.t1))
    assert flags == () and metrics["mutual_information_nats"] > 0.5 and metrics["white_to_grey"] > 1.2
    assert 0.9 < metrics["scale_min"] <= metrics["scale_max"] < 1.1


def test_a_header_turned_by_90_degrees_is_flagged():
    one = phantom(1)
    turned = to_t1(one) @ np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    metrics, flags = check_template(turned, scan(one.t1))
    assert metrics["mutual_information_nats"] < 0.35
    assert "the T1w does not fit the template (mutual information 0." in flags[0]


def turned_about(axis: int) -> np.ndarray:
    """A quarter turn."""
    matrix = np.eye(4)
    first, second = (other for other in range(3) if other != axis)
    matrix[first, first] = matrix[second, second] = 0
    matrix[first, second], matrix[second, first] = -1, 1
    return matrix


@pytest.mark.parametrize("axis", range(3))
def test_a_turned_header_is_flagged_even_where_the_right_pose_was_found(axis, brain):
    one, turn = phantom(1), turned_about(axis)
    t1, flair = scan(one.t1), scan(one.flair)
    _, flags = check_template(turn @ to_t1(one), Volume(t1.data, turn @ t1.affine))
    assert len(flags) == 1 and "the T1w's header is turned by" in flags[0]
    _, flags = check_flair(turn @ np.linalg.inv(flair_to_t1(one)), Volume(flair.data, turn @ flair.affine), t1, brain)
    assert len(flags) == 1 and "the headers of T1w and FLAIR are turned by" in flags[0]


def test_the_angle_of_a_turn():
    assert turn_deg(turned_about(1) @ np.diag([1.2, 0.9, 1.1, 1])) == pytest.approx(90, abs=10)
    assert turn_deg(turned_about(2)) == pytest.approx(90) and turn_deg(np.eye(4)) == 0


def test_noise_in_place_of_a_t1_is_flagged():
    one = phantom(1)
    _, flags = check_template(to_t1(one), noise(scan(one.t1)))
    assert any("does not fit the template" in flag for flag in flags)


def test_a_flair_in_place_of_the_t1_is_flagged():
    one = phantom(1)
    there = np.linalg.inv(best_affine(one) @ flair_to_t1(one))
    _, flags = check_template(there, scan(one.flair))
    assert any("white matter darker than grey (ratio 0." in flag for flag in flags)


def test_wrong_voxel_sizes_are_flagged():
    one = phantom(1)
    t1 = scan(one.t1)
    double = np.diag([2.0, 2, 2, 1])
    _, flags = check_template(double @ to_t1(one), Volume(t1.data, double @ t1.affine))
    assert any("only when scaled by 0.4" in flag or "only when scaled by 0.5" in flag for flag in flags)


def test_handedness_that_changed_is_flagged():
    one = phantom(1)
    _, flags = check_template(to_t1(one) @ np.diag([-1.0, 1, 1, 1]), scan(one.t1))
    assert any("only when scaled" in flag or "mirrored" in flag for flag in flags)


def test_the_flair_in_place_is_not_flagged(brain):
    one = phantom(1)
    metrics, flags = check_flair(np.linalg.inv(flair_to_t1(one)), scan(one.flair), scan(one.t1), brain)
    assert flags == () and metrics["block_shift_mm"] <= 1 and metrics["covered"] == 1


def test_the_flair_of_another_person_is_flagged(brain):
    one, other = phantom(1), phantom(3)
    pose = np.linalg.inv(best_affine(other) @ flair_to_t1(other)) @ best_affine(one)
    left, _, right = np.linalg.svd(pose[:3, :3])
    pose[:3, :3] = left @ right  # rigid, in the middle of the head
    centre = np.linalg.inv(best_affine(one)) @ (0, -18, 10, 1)
    pose[:3, 3] += (np.linalg.inv(best_affine(other) @ flair_to_t1(other)) @ (0, -18, 10, 1) - pose @ centre)[:3]
    _, flags = check_flair(pose, scan(other.flair), scan(one.t1), brain)
    assert any("same person" in flag or "not of this person" in flag for flag in flags)


def test_the_t1_given_twice_is_flagged(brain):
    t1 = scan(phantom(1).t1)
    metrics, flags = check_flair(np.eye(4), t1, t1, brain)
    assert metrics["correlation"] == pytest.approx(1) and "is one scan given twice?" in flags[0]


def test_noise_in_place_of_a_flair_is_flagged(brain):
    one = phantom(1)
    _, flags = check_flair(np.linalg.inv(flair_to_t1(one)), noise(scan(one.flair)), scan(one.t1), brain)
    assert "the FLAIR does not fit the T1w (mutual information 0.0" in flags[0]


def test_a_flair_of_half_the_brain_is_flagged(brain):
    one = phantom(1)
    flair = scan(one.flair)
    half = Volume(flair.data[:, :, flair.shape[2] // 2 :], flair.affine @ _shift(0, 0, flair.shape[2] // 2))
    metrics, flags = check_flair(np.linalg.inv(flair_to_t1(one)), half, scan(one.t1), brain)
    assert metrics["covered"] < 0.9 and any("of the brain only" in flag for flag in flags)


def _shift(*voxels: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = voxels
    return matrix


def test_mutual_information_in_closed_form():
    first = np.repeat([0, 1, 2, 3], 100)
    assert mutual_information(first, first) == pytest.approx(np.log(4))
    assert mutual_information(first, np.tile([0, 1, 2, 3], 100)) == pytest.approx(0)
    assert mutual_information(first, first // 2) == pytest.approx(np.log(2))


def test_other_resolutions_and_crops_keep_places():
    """A slope in scanner coordinates stays, whatever the voxel sizes."""
    affine = np.diag([0.8, 1.1, 3.0, 1.0])
    affine[:3, 3] = -40, -50, -60
    indices = np.stack(np.meshgrid(*map(np.arange, (100, 90, 40)), indexing="ij"), -1)
    slope = Volume((apply(affine, indices) @ (1.0, 10.0, 100.0)).astype(np.float32), affine)
    points = np.random.default_rng(0).uniform((-20, -30, -30), (20, 30, 30), (50, 3))
    for resolution_mm in (1.0, 2.0, 4.0, 6.0):
        other = at_resolution(slope, resolution_mm)
        assert other.spacing_mm == pytest.approx((resolution_mm,) * 3)
        assert np.allclose(sample(other, points), points @ (1.0, 10.0, 100.0), atol=0.05)
    small = cropped(slope, points, 5.0)
    assert np.allclose(sample(small, points), sample(slope, points), atol=1e-2) and small.shape < slope.shape


def test_bins():
    assert binned(np.array([-1.0, 0, 0.49, 0.5, 1, 9]), (0, 1), 2).tolist() == [0, 0, 0, 1, 1, 1]

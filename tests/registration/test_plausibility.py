"""Checks of a registration: each fault is flagged, and a correct result is not. The poses are the true ones."""

import numpy as np
import pytest
from registration_phantoms import best_affine, flair_to_t1, phantom, scan
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.affine import MNI, Affine, nearest_rotation, rotation_about
from nnunet_tv.imaging.resample import resample_mask
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.plausibility import check_flair, check_outline, check_template, turn_deg
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template

ALL = np.ones(TEMPLATE_GRID.shape, bool)
T1, FLAIR = scan(phantom(1).t1), scan(phantom(1).flair)
TO_T1, TO_FLAIR = best_affine(phantom(1)).inverse().matrix, flair_to_t1(phantom(1)).inverse().matrix


@pytest.fixture(scope="module")
def brain() -> Volume:
    return resample_mask(load_template().brain, T1.grid, world=best_affine(phantom(1)))


def noise(like: Volume) -> Volume:
    data = np.abs(np.random.default_rng(0).standard_normal(like.shape)).astype(np.float32)
    return Volume(data, like.affine)


def quarter_turn(axis: int) -> np.ndarray:
    turn = Rotation.from_rotvec(90 * np.eye(3)[axis], degrees=True).as_matrix()
    return rotation_about(turn, np.zeros(3), np.zeros(3))


def flagged(flags: tuple[str, ...], text: str) -> bool:
    return any(text in flag for flag in flags)


def test_correct_registrations_are_not_flagged(brain):
    metrics, flags = check_template(TO_T1, T1)
    assert flags == () and metrics["mutual_information_nats"] > 0.5 and metrics["white_to_grey"] > 1.2
    assert 0.9 < metrics["scale_min"] <= metrics["scale_max"] < 1.1
    metrics, flags = check_flair(TO_FLAIR, FLAIR, T1, brain)
    assert flags == () and metrics["block_shift_mm"] <= 1


def outline(pose: np.ndarray) -> Volume:
    """The phantom's brain on the template's grid under a pose."""
    on_t1 = resample_mask(load_template().brain, T1.grid, world=best_affine(phantom(1)))
    return resample_mask(on_t1, TEMPLATE_GRID, world=Affine(pose, MNI, "t1"))


def about_the_centre(matrix: np.ndarray, shift_mm=(0.0, 0.0, 0.0)) -> np.ndarray:
    centre = np.array([0.0, -18, 10])
    return rotation_about(matrix, centre, centre + shift_mm)


@pytest.mark.parametrize("error, least_mm, most_mm", [
    (np.eye(4), 0, 1.5),
    (about_the_centre(np.diag([0.93, 0.93, 0.93])), 4, 8),
    (about_the_centre(np.eye(3), (0, 6, 0)), 5, 8),
    (about_the_centre(np.diag([1.0, 1.0, 0.85])), 8, 15),  # as of the real heads that were registered wrongly
    (about_the_centre(np.diag([0.9, 0.85, 0.9])), 8, 20),
    (about_the_centre(Rotation.from_euler("x", 14, degrees=True).as_matrix()), 8, 25),
    (about_the_centre(np.eye(3), (9, 0, 9)), 9, 17),
])
def test_the_shift_of_the_outline(error, least_mm, most_mm):
    metrics, flags = check_outline(outline(TO_T1 @ error), ALL)
    assert least_mm <= metrics["outline_mm"] <= most_mm
    assert flagged(flags, "the outline of its brain is off by") is (least_mm >= 8)


@pytest.mark.parametrize("cut", [np.s_[:, :, 125:], np.s_[:45], np.s_[:, :, :40]])
def test_a_cut_field_of_view_does_not_shift_the_outline(cut):
    brain, seen = outline(TO_T1), ALL.copy()
    brain.data[cut] = seen[cut] = 0
    assert check_outline(brain, seen)[0]["outline_mm"] < 2 < 5 < check_outline(brain, ALL)[0]["outline_mm"]
    assert flagged(check_outline(_cut(outline(TO_T1 @ about_the_centre(np.diag([0.9, 0.85, 0.9]))), cut), seen)[1],
                   "outline")


def _cut(mask: Volume, cut) -> Volume:
    mask.data[cut] = 0
    return mask


def test_an_empty_outline_is_flagged():
    template = load_template().brain
    metrics, flags = check_outline(Volume(0 * template.data, template.affine), ALL)
    assert metrics == {} and flagged(flags, "no brain was found")


def test_noise_and_a_flair_in_place_of_the_t1_are_flagged():
    assert flagged(check_template(TO_T1, noise(T1))[1], "does not fit the template")
    assert flagged(check_template(TO_FLAIR @ TO_T1, FLAIR)[1], "white matter darker than grey (ratio 0.")


@pytest.mark.parametrize("axis", range(3))
def test_a_turned_header_is_flagged_even_where_the_right_pose_was_found(axis, brain):
    turn = quarter_turn(axis)
    _, flags = check_template(turn @ TO_T1, Volume(T1.data, turn @ T1.affine))
    assert len(flags) == 1 and "the T1w's header is turned by" in flags[0]
    _, flags = check_flair(turn @ TO_FLAIR, Volume(FLAIR.data, turn @ FLAIR.affine), T1, brain)
    assert len(flags) == 1 and "the headers of T1w and FLAIR are turned by" in flags[0]


def test_the_angle_of_a_rotation():
    assert turn_deg(quarter_turn(1) @ np.diag([1.2, 0.9, 1.1, 1])) == pytest.approx(90, abs=10)
    assert turn_deg(quarter_turn(2)) == pytest.approx(90) and turn_deg(np.eye(4)) == 0


def test_wrong_voxel_sizes_and_handedness_are_flagged():
    double = np.diag([2.0, 2, 2, 1])
    _, flags = check_template(double @ TO_T1, Volume(T1.data, double @ T1.affine))
    assert flagged(flags, "only when scaled by 0.4") or flagged(flags, "only when scaled by 0.5")
    assert flagged(check_template(TO_T1 @ np.diag([-1.0, 1, 1, 1]), T1)[1], "only when scaled")


def test_the_flair_of_another_person_is_flagged(brain):
    other = phantom(3)
    to_other = (best_affine(other) @ flair_to_t1(other)).inverse().matrix
    pose = to_other @ np.linalg.inv(TO_T1)
    pose[:3, :3] = nearest_rotation(pose[:3, :3])  # rigid, about the middle of the head
    pose[:3, 3] += (to_other @ (0, -18, 10, 1) - pose @ TO_T1 @ (0, -18, 10, 1))[:3]
    _, flags = check_flair(pose, scan(other.flair), T1, brain)
    assert flagged(flags, "same person") or flagged(flags, "not of this person")


def test_the_t1_given_twice_and_noise_are_flagged(brain):
    metrics, flags = check_flair(np.eye(4), T1, T1, brain)
    assert metrics["correlation"] == pytest.approx(1) and "is one scan given twice?" in flags[0]
    _, flags = check_flair(TO_FLAIR, noise(FLAIR), T1, brain)
    assert "the FLAIR does not fit the T1w (mutual information 0.0" in flags[0]

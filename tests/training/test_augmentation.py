import math
import statistics

import numpy as np
import pytest

from nnunet_tv.planning.plans import UnsupportedPlan
from nnunet_tv.training.augmentation import (
    NOISE_STD,
    SHIFT,
    Augmentation,
    anterior_posterior_axis,
    change_intensities,
    clear_outside,
    draw_augmentation,
    intensity_span,
)
from nnunet_tv.training.seeds import Stage, generator

SPAN = 5.15


def drawn(count=2000, span=SPAN):
    return [draw_augmentation(generator(0, Stage.TRAIN, number), span=span) for number in range(count)]


def near_half(flags):
    return abs(sum(flags) - len(flags) / 2) < 4 * (len(flags) / 4) ** 0.5


def test_each_change_is_made_half_of_the_time_and_alone():
    chosen = np.array([[a.angle_rad is not None, *(i in a.flipped for i in range(3)), a.shift != 0, a.noise_std != 0]
                       for a in drawn()])
    assert all(near_half(column) for column in chosen.T)
    for first in range(6):
        for second in range(first):
            assert near_half(chosen[:, first] == chosen[:, second])


def test_angles_are_uniform_up_to_a_quarter_turn_either_way():
    angles = np.sort([a.angle_rad for a in drawn() if a.angle_rad is not None])
    uniform = (angles + math.pi / 2) / math.pi
    assert 0 <= uniform[0] and uniform[-1] <= 1
    steps = np.arange(1, len(uniform) + 1) / len(uniform)
    assert np.abs(uniform - steps).max() < 1.63 / len(uniform) ** 0.5  # Kolmogorov-Smirnov at 1 %


@pytest.mark.parametrize("span", [SPAN, 1.0])
def test_shift_and_noise_are_of_the_stated_size(span):
    changes = drawn(500, span)
    shifts = [abs(a.shift) for a in changes if a.shift]
    assert 0.09 * span < max(shifts) <= SHIFT * span == 0.1 * span
    assert statistics.mean(shifts) == pytest.approx(0.05 * span, rel=0.15)
    assert {a.noise_std for a in changes} == {0, NOISE_STD * span} and NOISE_STD == 0.1


@pytest.mark.parametrize("shift", [0.0, 0.25])
def test_the_shift_is_one_number_for_all_channels(shift):
    image = np.zeros((2, 3, 3, 3), np.float32)
    change_intensities(image, Augmentation(shift=shift))
    assert (image == shift).all()


def test_noise_is_normal_apart_in_each_channel_and_fixed_by_its_seed():
    first, again, other = (np.zeros((2, 20, 20, 20), np.float32) for _ in range(3))
    for image, seed in ((first, 7), (again, 7), (other, 8)):
        change_intensities(image, Augmentation(noise_std=0.5, noise_seed=seed))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    assert first.std() == pytest.approx(0.5, rel=0.03) and abs(first.mean()) < 0.02
    assert (np.abs(first) < 0.5).mean() == pytest.approx(0.6827, abs=0.02)
    assert abs(np.corrcoef(first[0].ravel(), first[1].ravel())[0, 1]) < 0.05


def test_channels_of_the_mask_are_cleared_outside_of_it():
    image = np.ones((2, 4, 4, 4), np.float32)
    labels = np.zeros((4, 4, 4), np.int16)
    labels[:2], labels[3, 3, 3] = -1, 1
    clear_outside(image, labels, (True, False))
    assert not image[0, :2].any() and image[0, 2:].all() and image[1].all()
    for nothing in ((False, False), None):
        clear_outside(image, labels, nothing)
        assert image[1].all()


def test_the_span_follows_the_plans_normalisation():
    span = statistics.NormalDist().inv_cdf(0.995) - statistics.NormalDist().inv_cdf(0.005)
    assert intensity_span(["ZScoreNormalization"] * 2) == pytest.approx(span, abs=0.005)
    assert intensity_span(["RescaleTo01Normalization"] * 2) == 1


@pytest.mark.parametrize("schemes", [["NoNormalization"], ["ZScoreNormalization", "RescaleTo01Normalization"]])
def test_an_unknown_or_mixed_scale_is_refused(schemes):
    with pytest.raises(UnsupportedPlan, match=f"but the plan normalises by {', '.join(schemes)}"):
        intensity_span(schemes)


@pytest.mark.parametrize(("codes", "expected"), [("RAS", 1), ("LPS", 1), ("PSR", 2), ("ASL", 2), ("RSA", 0)])
def test_anterior_posterior_axis_from_the_direction(codes, expected):
    """(z, y, x) arrays: the second NIfTI axis is array axis 1, the first is 2, the third is 0."""
    world = dict(zip("RASLPI", [*np.eye(3), *-np.eye(3)], strict=True))
    direction = np.column_stack([world[letter] for letter in codes])
    properties = {"sitk_stuff": {"direction": tuple(direction.ravel())}}
    assert anterior_posterior_axis(properties, [0, 1, 2]) == expected
    assert anterior_posterior_axis(properties, [2, 1, 0]) == 2 - expected


PSR = np.array([[0, 0, 2.0, 0], [-2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 0, 1]])  # x of the array is posterior


@pytest.mark.parametrize(("stuff", "transpose", "expected"), [
    ({}, [0, 1, 2], 1), ({}, [1, 0, 2], 0), ({"original_affine": PSR}, [0, 1, 2], 2),
    ({"original_affine": PSR, "reoriented_affine": np.eye(4)}, [0, 1, 2], 1)])
def test_anterior_posterior_axis_from_a_nibabel_affine_or_without_any(stuff, transpose, expected):
    assert anterior_posterior_axis({"nibabel_stuff": stuff} if stuff else {}, transpose) == expected

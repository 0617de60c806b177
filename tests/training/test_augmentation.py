import statistics

import numpy as np
import pytest
import torch

from nnunet_tv.training.augmentation import (
    NOISE_STD,
    SHIFT,
    UniformShift,
    anterior_posterior_axis,
    intensity_span,
    rotated_patch_size,
    training_transforms,
)
from nnunet_tv.training.plans import UnsupportedPlan
from nnunet_tv.training.seeds import Stage, seeded

PATCH = (12, 12, 12)


def augmented(axis, number, image=None, segmentation=None, masked=(False, False), span=5.15):
    size = rotated_patch_size(PATCH, axis)
    image = torch.zeros((2, *size)) if image is None else image.clone()
    segmentation = torch.zeros((1, *size), dtype=torch.int16) if segmentation is None else segmentation.clone()
    with seeded(0, Stage.TRAIN, number):
        transforms = training_transforms(PATCH, axis, span=span, use_mask_for_norm=masked)
        return transforms(image=image, segmentation=segmentation)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_rotation_is_about_the_given_axis_alone(axis):
    """A plate across the axis stays a plate at the same height (or its mirror image)."""
    size = rotated_patch_size(PATCH, axis)
    segmentation = torch.zeros((1, *size), dtype=torch.int16)
    first = (size[axis] - PATCH[axis]) // 2
    segmentation.narrow(axis + 1, first + 3, 1).fill_(1)
    seen_rotation = False
    bar = torch.zeros((2, *size))
    other = (axis + 1) % 3
    bar.narrow(other + 1, size[other] // 2, 1).fill_(1.0)
    for number in range(30):
        result = augmented(axis, number, image=bar, segmentation=segmentation)
        heights = {int(v) for v in torch.nonzero(result["segmentation"][0])[:, axis]}
        assert heights in ({3}, {PATCH[axis] - 1 - 3})
        assert int(result["segmentation"].sum()) == 12 * 12  # no empty corner, whatever the angle
        centre = result["image"][0].narrow(axis, 6, 1).squeeze(axis)
        seen_rotation |= bool(centre.std(0).max() > 0.3 and centre.std(1).max() > 0.3)
    assert seen_rotation


def test_outcome_shapes_types_and_labels():
    segmentation = torch.full((1, *rotated_patch_size(PATCH, 1)), -1, dtype=torch.int16)
    result = augmented(1, 0, segmentation=segmentation)
    assert result["image"].shape == (2, *PATCH) and result["image"].dtype == torch.float32
    assert result["segmentation"].shape == (1, *PATCH)
    assert int(result["segmentation"].abs().max()) == 0  # -1 became 0


@pytest.mark.parametrize("span", [5.15, 1.0])
def test_shift_and_noise_are_of_the_stated_size_and_frequency(span):
    noisy, shifts = 0, []
    for number in range(300):
        image = augmented(0, number, span=span)["image"]
        spread = float(image.std())
        if spread > 1e-3:
            noisy += 1
            assert spread == pytest.approx(span * NOISE_STD, rel=0.1)
        else:
            shifts.append(float(image[0, 0, 0, 0]))
    assert 110 < noisy < 190
    moved = [shift for shift in shifts if shift]
    assert 0.3 < len(moved) / len(shifts) < 0.7
    assert 0.09 * span < max(abs(shift) for shift in moved) <= SHIFT * span == 0.1 * span
    assert NOISE_STD == 0.1


def test_the_span_follows_the_plans_normalisation():
    span = statistics.NormalDist().inv_cdf(0.995) - statistics.NormalDist().inv_cdf(0.005)
    assert intensity_span(["ZScoreNormalization"] * 2) == pytest.approx(span, abs=0.005)
    assert intensity_span(["RescaleTo01Normalization"] * 2) == 1


@pytest.mark.parametrize("schemes", [["NoNormalization"], ["ZScoreNormalization", "RescaleTo01Normalization"]])
def test_an_unknown_or_mixed_scale_is_refused(schemes):
    with pytest.raises(UnsupportedPlan, match=f"but the plan normalises by {', '.join(schemes)}"):
        intensity_span(schemes)


def test_the_shift_is_one_number_for_all_channels():
    result = UniformShift(0.5)(image=torch.zeros(2, 3, 3, 3))["image"]
    assert len(result.unique()) == 1 and 0 < abs(float(result.ravel()[0])) <= 0.5


def test_flips_hit_each_axis_half_of_the_time():
    size = rotated_patch_size(PATCH, 0)
    ramp = torch.arange(size[0], dtype=torch.float32).view(1, -1, 1, 1).expand(2, *size)
    flipped = sum(bool(augmented(0, n, image=ramp)["image"][0, :, 6, 6].diff().mean() < 0) for n in range(200))
    assert 70 < flipped < 130


def test_outside_of_the_mask_stays_zero_where_nnunet_masks():
    size = rotated_patch_size(PATCH, 1)
    segmentation = torch.zeros((1, *size), dtype=torch.int16)
    segmentation[:, : size[0] // 2] = -1
    for number in range(20):
        result = augmented(1, number, segmentation=segmentation, masked=(True, False))["image"]
        both = augmented(1, number, segmentation=segmentation)["image"]
        outside = result[0] == 0
        assert outside.any()
        if not torch.equal(both, torch.zeros_like(both)):
            assert torch.equal(result[1], both[1])


@pytest.mark.parametrize(("codes", "expected"), [("RAS", 1), ("LPS", 1), ("PSR", 2), ("ASL", 2), ("RSA", 0)])
def test_anterior_posterior_axis_from_the_direction(codes, expected):
    """(z, y, x) arrays: the second NIfTI axis is array axis 1, the first is 2, the third is 0."""
    world = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}
    direction = np.zeros((3, 3))
    for column, letter in enumerate(codes):
        row, sign = world[letter]
        direction[row, column] = sign
    properties = {"sitk_stuff": {"direction": tuple(direction.ravel())}}
    assert anterior_posterior_axis(properties, [0, 1, 2]) == expected
    assert anterior_posterior_axis(properties, [2, 1, 0]) == 2 - expected


def test_anterior_posterior_axis_without_a_direction():
    assert anterior_posterior_axis({}, [0, 1, 2]) == 1
    assert anterior_posterior_axis({}, [1, 0, 2]) == 0


def test_size_to_cut_for_uneven_patches():
    assert rotated_patch_size((64, 96, 128), 0) == (64, 160, 160)


def test_anterior_posterior_axis_from_a_nibabel_affine():
    psr = np.array([[0, 0, 2.0, 0], [-2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 0, 1]])  # x of the array is posterior
    assert anterior_posterior_axis({"nibabel_stuff": {"original_affine": psr}}, [0, 1, 2]) == 2
    stuff = {"original_affine": psr, "reoriented_affine": np.eye(4)}
    assert anterior_posterior_axis({"nibabel_stuff": stuff}, [0, 1, 2]) == 1

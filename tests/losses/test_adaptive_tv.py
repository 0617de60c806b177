"""Adaptive total variation: where its weight falls, how it grows, and what it keeps that plain TV erases."""

import numpy as np
import pytest
import torch
from loss_data import as_logits, as_target, call, numpy_total_variation, random_batch

from nnunet_tv.losses import AdaptiveTotalVariation, DiceAdaptiveTVLoss, DiceLoss, DiceTVLoss, TotalVariation
from nnunet_tv.losses.adaptive_tv import RELIEF, lesion_relief
from nnunet_tv.losses.foreground import foreground


def cubes(*sides, shape=(1, 24, 24, 24)):
    """A mask with cubes from the corners (4, 4, 4), (4, 4, 14), … on."""
    mask = torch.zeros(shape, dtype=torch.bool)
    for i, side in enumerate(sides):
        mask[0, 4:4 + side, 4:4 + side, 4 + 10 * i:4 + 10 * i + side] = True
    return mask


def omega(loss, logits, target):
    return loss.weight(foreground(logits, target, loss="test"))


def test_without_lesions_it_is_plain_total_variation():
    p = np.random.default_rng(1).uniform(0, 0.49, (2, 5, 6, 7))
    nothing = np.zeros_like(p)
    assert call(AdaptiveTotalVariation(), p, nothing) == pytest.approx(call(TotalVariation(), p, nothing), rel=1e-12)


def test_equals_numpy_with_a_weight_per_pair():
    p, g = random_batch((2, 6, 5))
    loss = AdaptiveTotalVariation(spacing_mm=(1.0, 2.0))
    weight = omega(loss, as_logits(p), as_target(g)).numpy()
    assert weight.std() > 0.01
    assert call(loss, p, g) == pytest.approx(numpy_total_variation(p, weight), rel=1e-12)


def test_the_weight_falls_near_borders_and_recovers_with_distance_in_mm():
    relief = lesion_relief(cubes(8), (1.0, 1.0, 3.0), border_mm=3.0, small_mm3=1e-9)[0]  # no lesion is small
    # the lesion is 4..11; distances to the other label by hand
    distances = np.array([4, 3, 2, 1, 1, 2, 3, 4, 4, 3, 2, 1, 1, 2, 3, 4, 5])
    np.testing.assert_allclose(relief[:17, 8, 8], np.exp(-np.square(distances) / 18.0), rtol=1e-5)
    across = np.minimum(3 * distances, [99, 99, 99, 99, *[4] * 8, *[99] * 5])  # inside, 4 mm to other sides
    np.testing.assert_allclose(relief[8, 8, :17], np.exp(-np.square(across) / 18.0), rtol=1e-5)
    assert relief[23, 23, 23] < 1e-6


def test_small_lesions_are_relieved_inside_by_their_volume():
    mask = cubes(9, 3)
    relief = lesion_relief(mask, (1.0, 2.0, 1.0), border_mm=0.1, small_mm3=54.0)[0]  # borders reach nowhere
    assert relief[8, 8, 8] == pytest.approx(54 / (54 + 2 * 729), rel=1e-5)  # 9³ voxels of 2 mm³
    assert relief[5, 5, 15] == pytest.approx(0.5, rel=1e-5)  # 27 voxels are V₀
    assert relief[20, 20, 20] == 0


def test_touching_corners_are_one_lesion_also_in_2d():
    mask = torch.zeros(1, 6, 6, dtype=torch.bool)
    mask[0, 1, 1] = mask[0, 2, 2] = True
    assert lesion_relief(mask, (1.0, 1.0), border_mm=0.1, small_mm3=2.0)[0, 1, 1] == pytest.approx(0.5)


def test_predicted_borders_count_with_their_share():
    logits = as_logits(cubes(6).double() * 0.8 + 0.1)
    nothing = torch.zeros(1, 1, 24, 24, 24)
    for share in (0.0, 0.5, 1.0):
        weight = omega(AdaptiveTotalVariation(prediction_share=share, minimum=0.2), logits, nothing)
        assert weight.min().item() == pytest.approx(1 - 0.8 * share * np.exp(-1 / 18), rel=1e-5)
        assert weight.max().item() == pytest.approx(1.0, abs=1e-4)


def test_the_map_in_the_target_is_the_one_that_is_used():
    p, g = random_batch((2, 7, 6, 5))
    loss = AdaptiveTotalVariation(spacing_mm=(1, 2, 1), prediction_share=0)
    target = as_target(g).float()
    relief = loss.reference_maps()[RELIEF](target[:, 0] > 0.5, (1, 2, 1))[:, None]
    torch.testing.assert_close(loss(as_logits(p), torch.cat([target, relief], 1)), loss(as_logits(p), target))
    full = loss(as_logits(p), torch.cat([target, torch.ones_like(relief)], 1)).item()
    assert full == pytest.approx(0.1 * call(TotalVariation(), p, g))  # `minimum` everywhere


def test_the_weight_grows_over_epochs():
    p, g = random_batch()
    loss = DiceAdaptiveTVLoss(ramp_epochs=20)
    dice, end = call(DiceLoss(), p, g), call(loss, p, g)
    for epoch, share in ((0, 0.0), (5, 0.25), (20, 1.0), (200, 1.0), (None, 1.0)):
        loss.set_epoch(epoch)
        assert call(loss, p, g) == pytest.approx(dice + share * (end - dice))
    loss = DiceAdaptiveTVLoss(ramp_epochs=0)
    loss.set_epoch(0)
    assert call(loss, p, g) == pytest.approx(end)


def phantom():
    """Reference and first probabilities: a large lesion, a small faint one (4³), a false speck far from both."""
    reference = torch.zeros(1, 32, 32, 32, dtype=torch.float64)
    reference[0, 3:15, 3:15, 3:15] = 1
    small, speck = (0, *[slice(22, 26)] * 3), (0, slice(24, 26), slice(4, 6), slice(24, 26))
    reference[small] = 1
    p = 0.02 + 0.93 * reference
    p[small], p[speck] = 0.45, 0.45
    return reference, p, small, speck


def descended(loss, reference, p, steps=40):
    """Probabilities after gradient descent (Adam) on the logits."""
    logit = torch.logit(p).requires_grad_()
    optimiser = torch.optim.Adam([logit], lr=0.3)
    for _ in range(steps):
        optimiser.zero_grad()
        loss(torch.stack([torch.zeros_like(logit), logit], 1), reference[:, None]).backward()
        optimiser.step()
    return torch.sigmoid(logit).detach()


def test_plain_tv_erases_a_small_faint_lesion_that_adaptive_tv_keeps():
    reference, p, small, speck = phantom()
    strong, large = 10.0, (0, *[slice(3, 15)] * 3)
    plain = descended(DiceTVLoss(tv_weight=strong), reference, p)
    adaptive = descended(DiceAdaptiveTVLoss(tv_weight=strong), reference, p)
    for found in (plain, adaptive):  # both keep what is large and smooth away what is false
        assert found[large].mean() > 0.9 and found[speck].max() < 0.1
    assert plain[small].max() < 0.1
    assert adaptive[small].min() > 0.9

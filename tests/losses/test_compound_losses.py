"""DiceBCELoss and DiceTVLoss: the sum of parts that are computed independently."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnunet_tv.losses import DiceBCELoss, DiceLoss, DiceTVLoss, TotalVariation


@pytest.fixture(params=[(7, 6), (7, 6, 5)])
def batch(request):
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn((2, 2, *request.param), generator=generator, dtype=torch.float64)
    return logits, (torch.rand((2, 1, *request.param), generator=generator) < 0.3).short()


def numpy_bce(logits, target):
    p = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    return -np.mean(np.where(target[:, 0] == 1, np.log(p), np.log(1 - p)))


def test_half_dice_half_cross_entropy(batch):
    expected = 0.5 * DiceLoss()(*batch).item() + 0.5 * numpy_bce(batch[0].numpy(), batch[1].numpy())
    assert DiceBCELoss()(*batch).item() == pytest.approx(expected, rel=1e-12)


def test_cross_entropy_alone_is_torchs(batch):
    found = DiceBCELoss(dice_weight=0, bce_weight=1)(*batch)
    torch.testing.assert_close(found, torch.nn.functional.cross_entropy(batch[0], batch[1][:, 0].long()))


def test_cross_entropy_of_certain_errors_is_the_logit():
    logits = torch.tensor([2e4, -2e4]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    value = DiceBCELoss(dice_weight=0, bce_weight=1)(logits, torch.ones(1, 1, 4, 4))
    assert value.item() == pytest.approx(4e4)  # log(p) would be -inf here


def test_dice_and_a_tenth_of_total_variation(batch):
    dice, variation = DiceLoss()(*batch).item(), TotalVariation()(*batch).item()
    assert variation > 0.1
    assert DiceTVLoss()(*batch).item() == pytest.approx(dice + 0.1 * variation, rel=1e-12)
    assert DiceTVLoss(tv_weight=0.4)(*batch).item() == pytest.approx(dice + 0.4 * variation, rel=1e-12)
    assert DiceTVLoss(tv_weight=0)(*batch).item() == dice


@pytest.mark.parametrize("loss", [DiceBCELoss, DiceTVLoss])
def test_dice_settings_are_passed_on(loss):
    made = loss(batch_dice=False, smooth=0.5, ddp=True)
    assert (made.dice.batch_dice, made.dice.smooth, made.dice.ddp) == (False, 0.5, True)


@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
@pytest.mark.parametrize(("loss", "name"), [
    (DiceTVLoss, "tv_weight"), (DiceBCELoss, "dice_weight"), (DiceBCELoss, "bce_weight"),
])
def test_weights_are_finite_and_not_negative(loss, name, value):
    with pytest.raises(ValueError, match=f"{name} must be a finite number >= 0, found {value}"):
        loss(**{name: value})


@pytest.mark.parametrize(("loss", "words"), [
    (DiceLoss(), "batch_dice=True, smooth=1e-05, ddp=False"),
    (DiceBCELoss(), "dice_weight=0.5, bce_weight=0.5"),
    (DiceTVLoss(tv_weight=0.05), "tv_weight=0.05"),
])
def test_log_shows_the_settings(loss, words):
    assert words in repr(loss)


def test_half_precision_and_integer_labels_have_a_gradient():
    logits = torch.randn(2, 2, 8, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    DiceTVLoss()(logits, torch.ones(2, 1, 8, 8, 8, dtype=torch.int16)).backward()
    assert logits.grad.dtype == torch.bfloat16 and logits.grad.abs().sum() > 0

"""The fused Dice + TV against the composed one: value, gradient, shapes, dtypes, and where it steps aside."""

from __future__ import annotations

import pytest
import torch

from nnunet_tv.losses import DiceLoss, DiceTVLoss, TotalVariation, fused


def batch(shape, seed=0, lesion=0.8):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape, generator=generator)
    target = (torch.rand(shape[0], 1, *shape[2:], generator=generator) > lesion).float()
    return logits.requires_grad_(), target


def composed(logits, target, tv_weight, smooth):
    """The parts, each checked by tests of its own."""
    return DiceLoss(smooth=smooth)(logits, target) + tv_weight * TotalVariation()(logits, target)


@pytest.mark.parametrize("shape", [
    (2, 2, 9, 7, 5), (1, 2, 1, 6, 4), (1, 2, 5, 1, 1), (3, 2, 33, 20, 11), (2, 2, 70, 80), (1, 2, 3, 300, 300),
    (1, 2, 1, 1, 1)])
@pytest.mark.parametrize("tv_weight", [0.0, 0.1, 2.5])
@pytest.mark.parametrize("lesion", [0.8, 2.0], ids=["lesion", "no lesion"])
def test_equals_the_composed_loss(shape, tv_weight, lesion):
    logits, target = batch(shape, lesion=lesion)
    expected = composed(logits, target, tv_weight, 1e-3)
    wanted, = torch.autograd.grad(7 * expected, logits)
    value = fused.dice_tv(logits, target, dice_weight=1.0, tv_weight=tv_weight, smooth=1e-3)
    found, = torch.autograd.grad(7 * value, logits)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6 * float(wanted.abs().max()) + 1e-12)


def test_the_loss_takes_it_on_the_cpu(monkeypatch):
    calls = []
    monkeypatch.setattr(fused, "dice_tv", lambda *arguments, **options: calls.append(options))
    logits, target = batch((1, 2, 4, 4, 4))
    DiceTVLoss(tv_weight=0.3)(logits, target)
    DiceTVLoss()(logits.bfloat16(), target.to(torch.int16))
    assert [call["tv_weight"] for call in calls] == [0.3, 0.1]
    DiceTVLoss(batch_dice=False)(logits, target)
    DiceTVLoss()(logits.double(), target)
    assert len(calls) == 2, "per-patch Dice and float64 are composed"


def test_half_precision_and_integer_labels_have_a_gradient():
    logits, target = batch((2, 2, 8, 8, 8))
    half = logits.detach().bfloat16().requires_grad_()
    DiceTVLoss()(half, target.to(torch.int16)).backward()
    assert half.grad.dtype == torch.bfloat16 and half.grad.abs().sum() > 0


def test_without_gradients_nothing_is_kept():
    logits, target = batch((1, 2, 6, 6, 6))
    value = DiceTVLoss()(logits.detach(), target)
    assert not value.requires_grad
    torch.testing.assert_close(value, composed(logits.detach(), target, 0.1, 1e-5))


def test_channels_last_and_views():
    logits, target = batch((2, 2, 12, 10, 8))
    expected = DiceTVLoss()(logits, target)
    turned = logits.transpose(3, 4).contiguous().transpose(3, 4)
    for memory in (logits.to(memory_format=torch.channels_last_3d), turned):
        torch.testing.assert_close(DiceTVLoss()(memory, target), expected)


def test_the_number_of_threads_is_left_as_it_was():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        DiceTVLoss()(*batch((1, 2, 6, 6, 6)))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_bad_labels_are_still_refused():
    logits, target = batch((1, 2, 4, 4, 4))
    with pytest.raises(NotImplementedError, match="DiceTVLoss takes labels 0 and 1, found 0, 2"):
        DiceTVLoss()(logits, 2 * (target > 0))
    with pytest.raises(TypeError, match="DiceTVLoss takes tensors, but target is a list"):
        DiceTVLoss()(logits, [target])

"""Dice loss against closed forms and arithmetic in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nnunet_tv.losses import DiceLoss


def foreground_logits(probability):
    """Logits whose softmax has `probability` (B, *spatial) in channel 1."""
    probability = torch.as_tensor(probability, dtype=torch.float64)
    return torch.stack([torch.log1p(-probability), torch.log(probability)], 1)


def numpy_dice_loss(logits, target, axes, smooth=1e-5):
    exponent = np.exp(logits - logits.max(1, keepdims=True))
    p, g = (exponent / exponent.sum(1, keepdims=True))[:, 1], target[:, 0]
    return np.mean(1 - (2 * (p * g).sum(axes) + smooth) / (p.sum(axes) + g.sum(axes) + smooth))


@pytest.mark.parametrize("size", [(7, 6), (7, 6, 5)])
@pytest.mark.parametrize("batch_dice", [True, False])
def test_equals_numpy(size, batch_dice):
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(3, 2, *size))
    target = (generator.random((3, 1, *size)) < 0.2).astype(float)
    axes = tuple(range(0 if batch_dice else 1, len(size) + 1))
    found = DiceLoss(batch_dice=batch_dice)(torch.from_numpy(logits), torch.from_numpy(target))
    assert found.item() == pytest.approx(numpy_dice_loss(logits, target, axes), rel=1e-12)


def test_closed_form():
    # p = 1/4 at 8 voxels, 2 of them lesion: 1 - (2·2/4 + ε)/(8/4 + 2 + ε)
    target = torch.zeros(1, 1, 2, 2, 2)
    target[0, 0, 0, 0] = 1
    value = DiceLoss()(foreground_logits(torch.full((1, 2, 2, 2), 0.25)), target)
    assert value.item() == pytest.approx(1 - (1 + 1e-5) / (4 + 1e-5), rel=1e-12)


def test_probability_is_not_squared():
    target = torch.ones(1, 1, 4, 4)
    value = DiceLoss(smooth=1e-12)(foreground_logits(torch.full((1, 4, 4), 0.5)), target)
    assert value.item() == pytest.approx(1 / 3)  # squared it would be 1/5


def test_batch_dice_and_per_patch_differ_where_lesions_do():
    # one patch segmented perfectly, one without lesion where everything is called lesion
    logits = torch.full((2, 2, 4, 4), 50.0)
    logits[:, 1] = -50
    logits[0, 1, :2] = 150
    logits[1, 1] = 150
    target = torch.zeros(2, 1, 4, 4)
    target[0, 0, :2] = 1
    assert DiceLoss()(logits, target).item() == pytest.approx(1 - 16 / (24 + 8), abs=1e-6)
    assert DiceLoss(batch_dice=False)(logits, target).item() == pytest.approx((0 + 1) / 2, abs=1e-6)


@pytest.mark.parametrize(("predicted", "is_lesion", "expected"), [(0, 0, 0), (1, 1, 0), (0, 1, 1), (1, 0, 1)])
def test_empty_and_full(predicted, is_lesion, expected):
    logits = torch.zeros(2, 2, 6, 6, 6)
    logits[:, 1] = 200.0 if predicted else -200.0
    assert DiceLoss()(logits, torch.full((2, 1, 6, 6, 6), is_lesion)).item() == pytest.approx(expected, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.data(), st.booleans())
def test_between_0_and_1(data, batch_dice):
    shape = data.draw(arrays.array_shapes(min_dims=3, max_dims=4, max_side=4))
    numbers = st.floats(-100, 100, width=32)
    logits = torch.from_numpy(data.draw(arrays.arrays(np.float32, (shape[0], 2, *shape[1:]), elements=numbers)))
    target = torch.from_numpy(data.draw(arrays.arrays(np.bool_, (shape[0], 1, *shape[1:]))))
    assert -1e-6 <= DiceLoss(batch_dice=batch_dice)(logits, target).item() <= 1 + 1e-6


@pytest.mark.parametrize("smooth", [0, -1, float("nan")])
def test_smooth_must_be_positive(smooth):
    with pytest.raises(ValueError, match=f"smooth must be a finite number > 0 .*0/0.*found {smooth}"):
        DiceLoss(smooth=smooth)


def _rank(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    logits, target = torch.load(f"{folder}/batch.pt")
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    part = slice(2 * rank, 2 * rank + 2)
    loss = DiceLoss(ddp=True)(weight * logits[part], target[part])
    loss.backward()
    torch.distributed.all_reduce(weight.grad)
    torch.save((loss.detach(), weight.grad / 2), f"{folder}/rank{rank}.pt")  # DDP averages gradients
    torch.distributed.destroy_process_group()


def test_ranks_together_have_the_loss_and_gradient_of_the_whole_batch(tmp_path):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((4, 2, 5, 4, 3), generator=generator, dtype=torch.float64)
    target = (torch.rand((4, 1, 5, 4, 3), generator=generator) < 0.3).long()
    target[:2] = 0  # rank 0 has no lesion: per-rank losses would differ from the batch's
    torch.save((logits, target), tmp_path / "batch.pt")
    weight = torch.ones((), dtype=torch.float64, requires_grad=True)
    whole = DiceLoss()(weight * logits, target)
    whole.backward()
    torch.multiprocessing.spawn(_rank, (str(tmp_path),), nprocs=2)
    for rank in range(2):
        loss, gradient = torch.load(tmp_path / f"rank{rank}.pt")
        torch.testing.assert_close(loss, whole.detach())
        torch.testing.assert_close(gradient, weight.grad)

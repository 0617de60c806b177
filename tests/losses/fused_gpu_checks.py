"""The GPU's kernels in Triton's interpreter, on CPU tensors, against the plain losses.

Not collected by itself: Triton must start in its interpreter, so test_fused_gpu.py runs this file in a process with
TRITON_INTERPRET=1. Its bfloat16 stores cut off where a GPU rounds, hence that tolerance.
"""

import pytest
import torch
from loss_data import random_logits

from nnunet_tv.losses import DiceLoss, DiceTVLoss, TotalVariation, fused_gpu
from nnunet_tv.losses.foreground import ForegroundLoss

SIZES = [(9, 7, 5), (1, 6, 4), (5, 1, 1), (17, 6, 33), (30, 37), (3, 5, 260), (1, 1, 1)]


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setattr(fused_gpu, "_DEVICES", ("cpu",))


def both(logits, target, *, tv_weight=0.1, smooth=1e-3, scale=1.0):
    """(value, gradient) of the kernels and of the plain losses; `scale` is what a gradient scaler multiplies by."""
    value = fused_gpu.dice_tv(logits, target, dice_weight=1.0, tv_weight=tv_weight, smooth=smooth, loss="Loss")
    gradient, = torch.autograd.grad(scale * value, logits)
    full = logits.detach().float().requires_grad_()  # so that the sum's gradient is rounded, not that of each part
    plain = DiceLoss(smooth=smooth)(full, target) + tv_weight * TotalVariation()(full, target)
    reference_gradient, = torch.autograd.grad(scale * plain, full)
    return (value.detach(), gradient), (plain.detach(), reference_gradient.to(logits.dtype))


def assert_same(ours, theirs):
    dtype, largest = theirs[1].dtype, float(theirs[1].abs().max())
    relative = {torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 0.02}[dtype]
    assert ours[1].dtype == dtype and ours[1].shape == theirs[1].shape
    torch.testing.assert_close(ours[0], theirs[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours[1].float(), theirs[1].float(), rtol=relative, atol=1e-5 * largest + 1e-12)


@pytest.mark.parametrize("tv_weight", [0.0, 0.1, 2.5])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_value_and_gradient(size, tv_weight):
    assert_same(*both(*random_logits(size), tv_weight=tv_weight, scale=7.0))


@pytest.mark.parametrize(("dtype", "labels"), [*((dtype, torch.int64) for dtype in fused_gpu._LOGITS),
                                               *((torch.float32, labels) for labels in fused_gpu._LABELS)], ids=str)
def test_dtypes_and_a_gradient_scaler(dtype, labels):
    assert_same(*both(*random_logits((6, 9, 8), dtype=dtype, labels=labels), scale=2.0**12))


@pytest.mark.parametrize("size", [(5, 6, 7), (9, 8)], ids=str)
def test_memory_in_any_order(size):
    logits, target = random_logits(size)
    channels_last = torch.channels_last_3d if len(size) == 3 else torch.channels_last
    last = logits.detach().to(memory_format=channels_last).requires_grad_()
    ours, theirs = both(last, target.to(memory_format=channels_last))
    assert_same(ours, theirs)
    assert ours[1].stride() == last.stride(), "the network's next layer back gets its own order"
    turned = logits.detach().transpose(-1, -2).contiguous().transpose(-1, -2).requires_grad_()
    sparse = torch.stack([logits.detach(), logits.detach()], -1)[..., 0].requires_grad_()
    labels = torch.cat([target, 5 * torch.ones_like(target)], 1)[:, :1]
    for memory in (turned, sparse, logits.detach()[:1].expand(2, 2, *size).requires_grad_()):
        assert_same(*both(memory, labels))


def test_equal_neighbours_have_no_step_and_saturated_logits_stay_finite():
    logits, target = random_logits((6, 7, 8))
    for stepped in ((logits.detach() / 3).round(), 1e4 * logits.detach().sign()):
        ours, theirs = both(stepped.requires_grad_(), target, tv_weight=5.0)
        assert ours[0].isfinite() and ours[1].isfinite().all()
        assert_same(ours, theirs)
    flat, empty = torch.ones(1, 2, 3, 4, 5, requires_grad=True), torch.zeros(1, 1, 3, 4, 5)
    (_, with_tv), (_, without) = (both(flat, empty, tv_weight=weight)[0] for weight in (9.0, 0.0))
    assert torch.equal(with_tv, without)


@pytest.mark.parametrize("voxels", [0, 1, 120], ids=["no lesion", "one voxel", "all lesion"])
def test_lesions_of_extreme_size(voxels):
    logits, target = random_logits((4, 5, 6), patches=1)
    target.zero_().view(-1)[60 - voxels // 2:60 - voxels // 2 + voxels] = 1
    assert int(target.sum()) == voxels
    assert_same(*both(logits, target, smooth=1e-5))


def test_no_foreground_anywhere_is_a_loss_of_0():
    logits = torch.zeros(1, 2, 3, 4, 5)
    logits[:, 0] = 1e4
    (value, gradient), _ = both(logits.requires_grad_(), torch.zeros(1, 1, 3, 4, 5), smooth=1e-5)
    assert value == 0 and not gradient.any()


def test_results_repeat_bit_by_bit_and_the_sums_of_many_programs_are_added(monkeypatch):
    logits, target = random_logits((9, 20, 30))
    first, _ = both(logits, target)
    torch.testing.assert_close(both(logits, target)[0], first, rtol=0, atol=0)
    for name, number in (("_FORWARD_VOXELS", 128), ("_BACKWARD_VOXELS", 128), ("_FINISH_BLOCK", 16)):  # several rounds
        monkeypatch.setattr(fused_gpu, name, number)
    assert fused_gpu._boxes(logits, 128)[1] > 64
    assert_same(*both(logits, target))


@pytest.mark.parametrize("value", [2, -1, 0.5, float("nan")], ids=str)
def test_bad_labels_are_refused(value):
    logits, target = random_logits((4, 5, 6), labels=torch.float64)
    target[0, 0, 3, 4, 5] = value
    with pytest.raises(ValueError, match="DiceTVLoss: the target holds labels other than 0 and 1"):
        DiceTVLoss()(logits, target)


def test_the_loss_takes_the_kernels(monkeypatch):
    logits, target = random_logits((6, 9, 8))
    with monkeypatch.context() as patch:
        patch.setattr(ForegroundLoss, "forward", None)
        value = DiceTVLoss(tv_weight=0.3, smooth=1e-3)(logits, target)
    ours, theirs = both(logits, target, tv_weight=0.3)
    assert value.detach() == ours[0]
    torch.testing.assert_close(value.detach(), theirs[0], rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        assert not DiceTVLoss()(logits, target).requires_grad
    with pytest.raises(ValueError, match="need a target of shape"):
        DiceTVLoss()(logits, target[:1])


def test_it_is_differentiable_once():
    logits, target = random_logits((3, 4, 5))
    weight = torch.ones((), requires_grad=True)
    gradient, = torch.autograd.grad(weight * DiceTVLoss()(logits, target), logits, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()

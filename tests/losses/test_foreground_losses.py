"""What every loss accepts and refuses, and the numbers they share."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_tv.losses import (
    AdaptiveTotalVariation,
    DiceAdaptiveTVLoss,
    DiceBCELoss,
    DiceFocalHausdorffDTLoss,
    DiceFocalLoss,
    DiceLoss,
    DiceTVLoss,
    FocalLoss,
    ForegroundLoss,
    HausdorffDTLoss,
    PlusTV,
    TotalVariation,
    TverskyHausdorffDTLoss,
    TverskyLoss,
)

LOSSES = [DiceLoss(), DiceLoss(batch_dice=False), DiceBCELoss(), DiceTVLoss(), TotalVariation(), TverskyLoss(),
          FocalLoss(), FocalLoss(gamma=0.5), DiceFocalLoss(), HausdorffDTLoss(), HausdorffDTLoss(alpha=1.3, log=True),
          DiceFocalHausdorffDTLoss(), TverskyHausdorffDTLoss(), PlusTV(TverskyHausdorffDTLoss()),
          AdaptiveTotalVariation(), DiceAdaptiveTVLoss()]


def batch(size, *, batch_size=2, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((batch_size, 2, *size), generator=generator, dtype=dtype)
    target = (torch.rand((batch_size, 1, *size), generator=generator) < 0.3).long()
    return logits, target


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("size", [(4, 3), (3, 3, 2)])
def test_gradient_is_the_derivative(loss, size):
    logits, target = batch(size, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda value: loss(value, target), logits.requires_grad_())


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(loss, dtype):
    logits, target = batch((16, 16, 16))
    rounded = logits.to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(rounded.requires_grad_(), target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(rounded.detach().float(), target))
    value.backward()
    assert rounded.grad.dtype == dtype and torch.isfinite(rounded.grad).all()


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int64, torch.float32])
def test_target_dtype_changes_nothing(loss, dtype):
    logits, target = batch((6, 5, 4))
    assert loss(logits, target.to(dtype)) == loss(logits, target)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("labels", [0, 1])
@pytest.mark.parametrize("size", [1e-3, 1e2, 1e4, 6e4])
@pytest.mark.parametrize("sign", [-1, 1])
def test_extreme_logits_and_constant_targets_have_finite_gradients(loss, labels, size, sign):
    logits = torch.stack([torch.full((2, 4, 4, 4), -sign * size), torch.full((2, 4, 4, 4), sign * size)], 1)
    logits[0, :, 0] *= -1
    value = loss(logits.requires_grad_(), torch.full((2, 1, 4, 4, 4), labels))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), axes=st.sets(st.integers(2, 4)), shift=st.floats(-50, 50))
def test_flips_and_common_shifts_change_nothing(loss, seed, axes, shift):
    logits, target = batch((5, 4, 3), seed=seed, dtype=torch.float64)
    flipped = loss(logits.flip(tuple(axes)) + shift, target.flip(tuple(axes)))
    torch.testing.assert_close(flipped, loss(logits, target))


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("spoilt", ["logits", "target"])
def test_list_names_the_wrapper(loss, spoilt):
    arguments = dict(zip(("logits", "target"), batch((6, 5, 4)), strict=True))
    arguments[spoilt] = [arguments[spoilt]] * 3
    with pytest.raises(TypeError, match=rf"{type(loss).__name__}.* {spoilt} is a list of 3 .*DeepSupervisionWrapper"):
        loss(**arguments)


def test_nnunets_wrapper_takes_the_losses():
    from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper

    fine, coarse = batch((8, 8, 8)), batch((4, 4, 4))
    wrapped = DeepSupervisionWrapper(DiceTVLoss(), [0.75, 0.25])
    value = wrapped([fine[0], coarse[0]], [fine[1], coarse[1]])
    torch.testing.assert_close(value, 0.75 * DiceTVLoss()(*fine) + 0.25 * DiceTVLoss()(*coarse))


@pytest.mark.parametrize("channels", [1, 3])
def test_other_channel_counts_are_not_supported(channels):
    with pytest.raises(NotImplementedError, match=rf"found {channels} in logits.*regions.*nnUNetTrainer"):
        DiceLoss()(torch.zeros(2, channels, 4, 4), torch.zeros(2, 1, 4, 4))


def test_region_targets_are_not_supported():
    with pytest.raises(NotImplementedError, match=r"found \(2, 2, 4, 4\): region or one-hot targets"):
        DiceLoss()(torch.zeros(2, 2, 4, 4), torch.zeros(2, 2, 4, 4))


@pytest.mark.parametrize("shape", [(2, 1, 4, 5), (1, 1, 4, 4), (2, 4, 4), (2, 1, 4, 4, 4)])
def test_shapes_that_do_not_fit_are_both_named(shape):
    with pytest.raises(ValueError) as caught:
        DiceTVLoss()(torch.zeros(2, 2, 4, 4), torch.zeros(shape))
    assert "(2, 2, 4, 4)" in str(caught.value) and f"found {shape}" in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 2, 4), (2, 2, 4, 4, 4, 4)])
def test_neither_2d_nor_3d(shape):
    with pytest.raises(ValueError, match=rf"2D or 3D, found \({shape[0]}, 2, 4"):
        DiceLoss()(torch.zeros(shape), torch.zeros(shape))


@pytest.mark.parametrize(("value", "error", "words"), [
    (2, NotImplementedError, "found 0, 2: an ignore label or a second foreground class"),
    (-1, ValueError, r"found -1, 0: -1 is what nnU-Net's preprocessing.*RemoveLabelTansform"),
    (0.5, ValueError, "found 0, 0.5"),
    (float("nan"), ValueError, "found 0, nan"),
])
def test_other_labels_are_errors(value, error, words):
    target = torch.zeros(2, 1, 4, 4)
    target[1, 0, 2, 3] = value
    with pytest.raises(error, match=words):
        TotalVariation()(torch.zeros(2, 2, 4, 4), target)


def test_long_lists_of_labels_are_cut():
    with pytest.raises(NotImplementedError, match=r"found 0, 1, 2, 3, 4, 5, \.\.\.: an ignore"):
        DiceLoss()(torch.zeros(1, 2, 4, 4), torch.arange(16).reshape(1, 1, 4, 4))


def test_base_class_needs_compute():
    class Nothing(ForegroundLoss):
        pass

    with pytest.raises(NotImplementedError, match="Nothing does not define compute"):
        Nothing()(*batch((4, 4)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("loss", ["DiceLoss", "DiceTVLoss"])  # the reference's check, and that of the GPU's kernels
def test_other_labels_stop_the_gpu_too(loss):
    # in a process of its own: a device-side assertion ends CUDA for the process
    import subprocess
    import sys

    code = (f"import torch; from nnunet_tv.losses import {loss}; "
            f"{loss}()(torch.zeros(1, 2, 4, 4).cuda(), torch.full((1, 1, 4, 4), 2).cuda()).item()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode and f"{loss}: the target holds labels other than 0 and 1" in done.stderr

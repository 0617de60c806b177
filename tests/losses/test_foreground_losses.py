"""What every loss accepts and refuses, and the numbers they share."""

import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_data import as_logits, random_logits

from nnunet_tv import losses

#: Every public loss that is built without arguments, so that a new one is tested too, and variants.
LOSSES = [*(getattr(losses, name)() for name in losses.__all__
            if name not in ("Foreground", "ForegroundLoss", "PlusTV", "WeightedSum")),
          losses.DiceLoss(batch_dice=False), losses.FocalLoss(gamma=0.5), losses.HausdorffDTLoss(alpha=1.3, log=True),
          losses.PlusTV(losses.TverskyHausdorffDTLoss())]


every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)


@every_loss
@pytest.mark.parametrize("size", [(4, 3), (3, 3, 2)])
def test_gradient_is_the_derivative(loss, size):
    logits, target = random_logits(size, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda value: loss(value, target), logits)


@every_loss
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(loss, dtype):
    logits, target = random_logits((16, 16, 16), dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(logits, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.float(), target))
    value.backward()
    assert logits.grad.dtype == dtype and torch.isfinite(logits.grad).all() and logits.grad.abs().sum() > 0


@every_loss
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int64, torch.float32])
def test_target_dtype_changes_nothing(loss, dtype):
    logits, target = random_logits((6, 5, 4))
    assert loss(logits, target.to(dtype)) == loss(logits, target)


@every_loss
@pytest.mark.parametrize("labels", [0, 1])
@pytest.mark.parametrize("size", [1e-3, 1e2, 1e4, 6e4])
@pytest.mark.parametrize("sign", [-1, 1])
def test_extreme_logits_and_constant_targets_have_finite_gradients(loss, labels, size, sign):
    logits = torch.stack([torch.full((2, 4, 4, 4), -sign * size), torch.full((2, 4, 4, 4), sign * size)], 1)
    logits[0, :, 0] *= -1
    value = loss(logits.requires_grad_(), torch.full((2, 1, 4, 4, 4), labels))
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(logits.grad).all()


@every_loss
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), axes=st.sets(st.integers(2, 4)), shift=st.floats(-50, 50))
def test_flips_and_common_shifts_change_nothing(loss, seed, axes, shift):
    logits, target = random_logits((5, 4, 3), seed=seed, dtype=torch.float64)
    flipped = loss(logits.flip(tuple(axes)) + shift, target.flip(tuple(axes)))
    torch.testing.assert_close(flipped, loss(logits, target))


@every_loss
@pytest.mark.parametrize("spoilt", ["logits", "target"])
def test_list_names_the_wrapper(loss, spoilt):
    arguments = dict(zip(("logits", "target"), random_logits((6, 5, 4)), strict=True))
    arguments[spoilt] = [arguments[spoilt]] * 3
    with pytest.raises(TypeError, match=rf"{type(loss).__name__}.* {spoilt} is a list of 3 .*DeepSupervisionWrapper"):
        loss(**arguments)


@pytest.mark.parametrize("loss", [
    losses.TverskyLoss(), losses.FocalLoss(), losses.DiceFocalLoss(), losses.HausdorffDTLoss(),
    losses.HausdorffDTLoss(log=True), losses.DiceFocalHausdorffDTLoss(), losses.TverskyHausdorffDTLoss()], ids=repr)
def test_patches_without_lesion_pull_every_probability_down(loss):
    p = np.random.default_rng(0).uniform(0.2, 0.8, (2, 6, 6, 6))
    logits = as_logits(p).requires_grad_()
    loss(logits, torch.zeros(2, 1, 6, 6, 6)).backward()
    assert (logits.grad[:, 1] > 0).all()


@pytest.mark.parametrize(("logits", "target", "error", "words"), [
    ((2, 1, 4, 4), (2, 1, 4, 4), NotImplementedError, "found 1 in logits.*regions.*nnUNetTrainer"),
    ((2, 3, 4, 4), (2, 1, 4, 4), NotImplementedError, "found 3 in logits.*regions.*nnUNetTrainer"),
    ((2, 2, 4, 4), (2, 2, 4, 4), NotImplementedError, r"found \(2, 2, 4, 4\): region or one-hot targets"),
    ((2, 2, 4), (2, 2, 4), ValueError, r"2D or 3D, found \(2, 2, 4\)"),
    ((2, 2, 4, 4, 4, 4), (2, 2, 4, 4, 4, 4), ValueError, r"2D or 3D, found \(2, 2, 4, 4"),
    *[((2, 2, 4, 4), shape, ValueError, rf"\(2, 2, 4, 4\) need.* found {re.escape(str(shape))}")
      for shape in ((2, 1, 4, 5), (1, 1, 4, 4), (2, 4, 4), (2, 1, 4, 4, 4))],
])
def test_shapes_that_do_not_fit_are_named(logits, target, error, words):
    with pytest.raises(error, match=words):
        losses.DiceTVLoss()(torch.zeros(logits), torch.zeros(target))


@pytest.mark.parametrize(("values", "error", "words"), [
    ([0, 2], NotImplementedError, "found 0, 2: an ignore label or a second foreground class"),
    ([0, -1], ValueError, r"found -1, 0: -1 is what nnU-Net's preprocessing.*RemoveLabelTansform"),
    ([0, 0.5], ValueError, "found 0, 0.5"),
    ([0, float("nan")], ValueError, "found 0, nan"),
    (range(16), NotImplementedError, r"found 0, 1, 2, 3, 4, 5, \.\.\.: an ignore"),
])
def test_other_labels_are_errors(values, error, words):
    target = torch.zeros(2, 1, 4, 4)
    target[1].view(-1)[:len(values)] = torch.tensor(list(values), dtype=torch.float32)
    with pytest.raises(error, match=words):
        losses.TotalVariation()(torch.zeros(2, 2, 4, 4), target)


def test_base_class_needs_compute():
    class Nothing(losses.ForegroundLoss):
        pass

    with pytest.raises(NotImplementedError, match="Nothing does not define compute"):
        Nothing()(*random_logits((4, 4)))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("loss", ["DiceLoss", "DiceTVLoss"])  # the reference's check, and that of the GPU's kernels
def test_other_labels_stop_the_gpu_too(loss):
    # in a process of its own: a device-side assertion ends CUDA for the process
    code = (f"import torch; from nnunet_tv.losses import {loss}; "
            f"{loss}()(torch.zeros(1, 2, 4, 4).cuda(), torch.full((1, 1, 4, 4), 2).cuda()).item()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode and f"{loss}: the target holds labels other than 0 and 1" in done.stderr

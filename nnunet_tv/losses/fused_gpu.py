"""Dice and total variation of a batch on the GPU in three Triton kernels, which store little beside the gradient.

The reference implementation writes a dozen arrays of the batch's size and reads them back. Here ``forward`` reads
logits and labels once and keeps two numbers; ``backward`` reads both again and writes the gradient, each in its own
dtype. For float32 and N voxels these are 2·(8N + 4N) bytes read and 8N written, the minimum: 268 MB for 4×2×128³.
Probabilities are recomputed in float32. No step waits for the GPU, and results are the same bits in every run.

Results equal the reference implementation up to rounding: tests compare them, and so does :func:`_try` once per
process, GPU and dtypes. Where Triton is missing or fails, or results differ, the reference implementation is used.
"""

import logging
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nnunet_tv.losses.dice import soft_dice
from nnunet_tv.losses.foreground import foreground, require_labels
from nnunet_tv.losses.total_variation import total_variation

log = logging.getLogger(__name__)

_DEVICES = ("cuda",)
_LOGITS = (torch.float16, torch.bfloat16, torch.float32)
_LABELS = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, *_LOGITS, torch.float64)
#: Of every kernel. Triton's own choice of fused multiply-add depends on its release.
_OPTIONS = {"num_warps": 8, "enable_fp_fusion": False}
#: Voxels of a program: 8 of a thread forward; 4 backward, which reads more neighbours. 4 float32 are one read.
_FORWARD_VOXELS, _BACKWARD_VOXELS = 2048, 1024
#: Sums that one round of the last kernel adds.
_FINISH_BLOCK = 1024
_logged: list[str] = []


def applies(logits: Tensor, target: Tensor) -> bool:
    """Whether :func:`dice_tv` can take a batch once its shapes are checked: on one GPU that passed :func:`_try`."""
    if not isinstance(logits, Tensor) or not isinstance(target, Tensor) or torch.compiler.is_compiling():
        return False
    return (logits.device.type in _DEVICES and logits.device == target.device and logits.numel() > 0
            and logits.dtype in _LOGITS and target.dtype in _LABELS
            and _works(logits.device, logits.dtype, target.dtype))


def dice_tv(logits: Tensor, target: Tensor, *, dice_weight: float, tv_weight: float, smooth: float,
            loss: str) -> Tensor:
    """``dice_weight`` · Dice loss of the whole batch + ``tv_weight`` · total variation, float32, differentiable once.

    `logits` (B, 2, *spatial), 2D or 3D, of :data:`_LOGITS` and with any strides, are neither copied nor converted;
    `target` (B, 1, *spatial) is of :data:`_LABELS`. ValueError, on CUDA an assertion on the device, for labels that are
    not 0 or 1; `loss` names the loss in it.
    """
    return _DiceTV.apply(logits, target, float(dice_weight), float(tv_weight), float(smooth), loss)


class _DiceTV(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, dice_weight: float, tv_weight: float, smooth: float,
                loss: str) -> Tensor:
        from nnunet_tv.losses import fused_gpu_kernels as kernels  # late: not everyone has Triton

        box, programs = _boxes(logits, _FORWARD_VOXELS)
        partials = logits.new_empty(4, programs, dtype=torch.float32)
        value, valid, scalars = (logits.new_empty(shape, dtype=torch.float32) for shape in ((), (), (2,)))
        ctx.weights = _weights(logits, tv_weight)
        with torch.cuda.device_of(logits):
            kernels.sums[(programs,)](
                logits, _labels(target), partials, *_sizes(logits), *_strides(logits), *_label_strides(target),
                *ctx.weights, TV=any(ctx.weights), **box, **_OPTIONS)
            kernels.finish[(1,)](partials, programs, value, valid, scalars, dice_weight, smooth, BLOCK=_FINISH_BLOCK,
                                 **_OPTIONS)
            require_labels(valid, loss)
        ctx.save_for_backward(logits, target, scalars)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        from nnunet_tv.losses import fused_gpu_kernels as kernels

        logits, target, scalars = ctx.saved_tensors
        result = torch.empty_like(logits)
        box, programs = _boxes(logits, _BACKWARD_VOXELS)
        with torch.cuda.device_of(logits):
            kernels.gradient[(programs,)](
                logits, _labels(target), scalars, grad, result, *_sizes(logits), *_strides(logits),
                *_label_strides(target), *_strides(result), *ctx.weights, TV=any(ctx.weights), **box,
                **_OPTIONS)
        return result, None, None, None, None, None


def _sizes(logits: Tensor) -> tuple[int, int, int]:
    """Voxels along x, y and z; an image is a volume of one slice."""
    x, y, z = logits.shape[2:] if logits.ndim == 5 else (1, *logits.shape[2:])
    return x, y, z


def _strides(logits: Tensor) -> tuple[int, ...]:
    """Strides along batch, channel, x, y and z, in elements."""
    strides = logits.stride()
    return strides if logits.ndim == 5 else (*strides[:2], 0, *strides[2:])


def _label_strides(target: Tensor) -> tuple[int, ...]:
    batch, _, *spatial = _strides(target)
    return batch, *spatial


def _labels(target: Tensor) -> Tensor:
    return target.view(torch.uint8) if target.dtype == torch.bool else target


def _weights(logits: Tensor, tv_weight: float) -> tuple[float, ...]:
    """`tv_weight` over the number of neighbour pairs along x, y and z; 0 where there are none."""
    voxels = logits.numel() // 2
    return tuple(tv_weight / (voxels // n * (n - 1)) if n > 1 else 0.0 for n in _sizes(logits))


def _boxes(logits: Tensor, voxels: int) -> tuple[dict[str, int], int]:
    """Sides of a program's box, powers of 2 of at most `voxels` in all, and the number of programs.

    Long along z, where memory is contiguous; else as near to a cube as it goes: the less surface, the fewer
    neighbours are read for another box's sake.
    """
    sizes = _sizes(logits)
    whole = [1 << (n - 1).bit_length() for n in sizes]
    z = min((128, 64), key=lambda side: -(-sizes[2] // side) * side)  # what leaves fewer threads idle
    z = min(z, whole[2])
    x = min(1 << (voxels // z).bit_length() // 2, whole[0])
    y = min(voxels // (z * x), whole[1])
    programs = logits.shape[0]
    for size, side in zip(sizes, (x, y, z), strict=True):
        programs *= -(-size // side)
    return {"BX": x, "BY": y, "BZ": z}, programs


@cache
def _works(device: torch.device, logits: torch.dtype, labels: torch.dtype) -> bool:
    """Whether the kernels run on this GPU and agree with the reference implementation; the first failure is logged.

    Decided once per process, even if the reason was temporary, such as a full GPU.
    """
    try:
        _try(device, logits, labels)
    except Exception as error:  # whatever Triton, its compiler or the driver raise
        if not _logged:
            _logged.append(str(error))
            reason = (str(error).strip() or "no reason given").splitlines()[0]
            log.warning("Dice + TV: the GPU's kernels failed on %s (%s: %s); the reference implementation is used: "
                        "same numbers, but slower and with more memory. For the kernels install the release of triton "
                        "that this torch requires", device, type(error).__name__, reason)
        return False
    return True


def _try(device: torch.device, logits: torch.dtype, labels: torch.dtype) -> None:
    """Compare value and gradient of a small batch; an AssertionError if they differ."""
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode(False), torch.enable_grad():
        # multiples of 1/8, so that neighbours are either equal or far apart in every dtype
        x = (torch.randint(-32, 33, (1, 2, 16, 16, 128), generator=generator) / 8).to(device, logits).requires_grad_()
        target = torch.randint(2, (1, 1, 16, 16, 128), generator=generator).to(device, labels)
        value = dice_tv(x, target, dice_weight=1.0, tv_weight=0.1, smooth=1e-5, loss="Dice + TV")
        fore = foreground(x, target, loss="Dice + TV")
        plain = (1 - soft_dice(fore.probability, fore.reference, batch_dice=True, smooth=1e-5)
                 + 0.1 * total_variation(fore.probability))
        torch.testing.assert_close(value, plain, rtol=1e-4, atol=1e-6)
        ours, theirs = (torch.autograd.grad(x.numel() * result, x)[0].float() for result in (value, plain))
        torch.testing.assert_close(ours, theirs, rtol=0.02, atol=1e-3)

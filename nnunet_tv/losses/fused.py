"""Dice and total variation of a batch on the CPU, value and gradient in one go, slab by slab.

The plain way writes a dozen arrays of the batch's size and reads them back. Here one pass gives the sums, a second
the gradient, in slabs that stay in the cache; only the gradient itself is kept for ``backward``. Same numbers as the
plain way up to rounding; a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

#: Voxels of a slab; three float32 arrays of it fit a core's cache.
_SLAB_VOXELS = 32768


def applies(logits: Tensor, target: Tensor) -> bool:
    """Whether :func:`dice_tv` can take a batch once it is checked: tensors on the CPU, not float64, not traced."""
    return (isinstance(logits, Tensor) and isinstance(target, Tensor)
            and logits.device.type == target.device.type == "cpu" and logits.dtype != torch.float64
            and not torch.compiler.is_compiling())


def dice_tv(logits: Tensor, target: Tensor, *, dice_weight: float, tv_weight: float, smooth: float) -> Tensor:
    """``dice_weight`` · Dice loss of the whole batch + ``tv_weight`` · total variation.

    Parameters
    ----------
    logits : Tensor, shape (B, 2, *spatial), float32
        As :class:`~nnunet_tv.losses.foreground.ForegroundLoss` takes them, checked.
    target : Tensor, shape (B, 1, *spatial)
        0 and 1.
    dice_weight, tv_weight, smooth : float
        See :class:`~nnunet_tv.losses.DiceTVLoss`.

    Returns
    -------
    Tensor, shape ()
        Differentiable once.
    """
    return _DiceTV.apply(logits, target, dice_weight, tv_weight, smooth)


class _DiceTV(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, dice_weight: float, tv_weight: float,
                smooth: float) -> Tensor:
        with _one_thread():
            probability = torch.empty(logits.shape[0], *logits.shape[2:])
            pairs = [_pairs(probability.shape, axis) for axis in range(1, probability.ndim)]
            overlap = total = 0.0
            variation = [0.0] * len(pairs)
            for batch, start, stop in _slabs(probability.shape):
                p = probability[batch, start:stop]
                torch.sub(logits[batch, 1, start:stop], logits[batch, 0, start:stop], out=p).sigmoid_()
                g = target[batch, 0, start:stop].to(p.dtype)
                overlap += float(torch.dot(p.reshape(-1), g.reshape(-1)))
                total += float(p.sum()) + float(g.sum())
                if tv_weight:
                    for axis in range(len(pairs)):
                        variation[axis] += float(_steps(probability[batch], start, stop, axis).abs_().sum())
            value = dice_weight * (1 - (2 * overlap + smooth) / (total + smooth))
            value += tv_weight * sum(steps / n for steps, n in zip(variation, pairs, strict=True) if n)
            if logits.requires_grad:
                # d Dice / dp = (2·overlap + ε) / (total + ε)² - 2g / (total + ε)
                level = dice_weight * (2 * overlap + smooth) / (total + smooth) ** 2
                slope = -2 * dice_weight / (total + smooth)
                ctx.save_for_backward(_gradient(probability, target, level, slope,
                                                [tv_weight / n if n else 0.0 for n in pairs]))
        return torch.tensor(value, dtype=logits.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
        (foreground,) = ctx.saved_tensors
        result = torch.empty(foreground.shape[0], 2, *foreground.shape[1:])
        torch.mul(foreground, grad, out=result[:, 1])
        torch.neg(result[:, 1], out=result[:, 0])
        return result, None, None, None, None


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for the slabs: splitting operations this short costs more than it gains."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _pairs(shape: torch.Size, axis: int) -> int:
    """Neighbour pairs along an axis of a batch (B, *spatial)."""
    return shape.numel() // shape[axis] * (shape[axis] - 1)


def _slabs(shape: torch.Size) -> list[tuple[int, int, int]]:
    """(batch, start, stop) along the first spatial axis, in order."""
    thick = max(1, _SLAB_VOXELS // max(1, shape[2:].numel()))
    return [(batch, start, min(start + thick, shape[1]))
            for batch in range(shape[0]) for start in range(0, shape[1], thick)]


def _steps(p: Tensor, start: int, stop: int, axis: int) -> Tensor:
    """Differences between neighbours whose second voxel lies in the slab."""
    if axis == 0:
        first = max(start, 1)
        return p[first:stop] - p[first - 1:stop - 1]
    slab, size = p[start:stop], p.shape[axis]
    return slab.narrow(axis, 1, size - 1) - slab.narrow(axis, 0, size - 1)


def _gradient(probability: Tensor, target: Tensor, level: float, slope: float, weights: list[float]) -> Tensor:
    """Gradient with respect to the foreground logit, shape of `probability`."""
    result = torch.empty_like(probability)
    for batch, start, stop in _slabs(probability.shape):
        whole, p, out = probability[batch], probability[batch, start:stop], result[batch, start:stop]
        torch.mul(target[batch, 0, start:stop], slope, out=out).add_(level)
        for axis, weight in enumerate(weights):
            if not weight:
                continue
            if axis == 0:
                signs = _signs_across(whole, start, stop)
                out.add_(signs[0], alpha=weight).sub_(signs[1], alpha=weight)
            else:
                size = p.shape[axis]
                sign = (p.narrow(axis, 1, size - 1) - p.narrow(axis, 0, size - 1)).sign_()
                out.narrow(axis, 1, size - 1).add_(sign, alpha=weight)
                out.narrow(axis, 0, size - 1).sub_(sign, alpha=weight)
        out.mul_(p).sub_(out * p)  # times p · (1 - p), the sigmoid's slope
    return result


def _signs_across(p: Tensor, start: int, stop: int) -> tuple[Tensor, Tensor]:
    """Signs of the steps into each voxel of the slab and out of it, along the first axis; 0 at the ends."""
    into, out = torch.zeros_like(p[start:stop]), torch.zeros_like(p[start:stop])
    first, last = max(start, 1), min(stop, p.shape[0] - 1)  # the volume's ends have a neighbour on one side
    torch.sub(p[first:stop], p[first - 1:stop - 1], out=into[first - start:])
    torch.sub(p[start + 1:last + 1], p[start:last], out=out[:last - start])
    return into.sign_(), out.sign_()

"""What every loss here starts from: the foreground of a two-class segmentation, checked.

A loss is a :class:`ForegroundLoss` that turns one :class:`Foreground` into a number. Compound
losses hand the same :class:`Foreground` to their parts, so that checks and probabilities are
computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

#: What to use where these losses do not apply.
INSTEAD = "use nnU-Net's own trainer (nnUNetTrainer, its Dice and cross entropy), or one foreground class"


@dataclass(frozen=True)
class Foreground:
    """Foreground logit and reference of one batch.

    Attributes
    ----------
    logit : Tensor, shape (B, *spatial), float32 (float64 if the logits were)
        Foreground minus background logit, so that ``sigmoid(logit)`` is ``softmax(logits)[:, 1]``.
    reference : Tensor, shape (B, *spatial), dtype of `logit`
        0 or 1.
    """

    logit: Tensor
    reference: Tensor

    @cached_property
    def probability(self) -> Tensor:
        """Foreground probability p, shape (B, *spatial)."""
        return torch.sigmoid(self.logit)


class ForegroundLoss(nn.Module):
    """Base of the losses: checks what it is given, then calls :meth:`compute`."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of a batch.

        Parameters
        ----------
        logits : Tensor, shape (B, 2, *spatial)
            Network output before softmax; 2D or 3D, any floating dtype.
        target : Tensor, shape (B, 1, *spatial)
            Labels 0 and 1, of any real dtype.

        Returns
        -------
        Tensor, shape (), float32 (float64 if the logits are)

        Raises
        ------
        TypeError
            `logits` or `target` is a list (deep supervision).
        NotImplementedError
            More or fewer than two channels, regions, an ignore label, a second foreground label.
        ValueError
            Shapes that do not fit, labels that are not 0 or 1.
        """
        return self.compute(foreground(logits, target, loss=type(self).__name__))

    def compute(self, foreground: Foreground) -> Tensor:
        """Loss of a checked batch, a scalar; each loss defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define compute(foreground)")


def foreground(logits: Tensor, target: Tensor, *, loss: str) -> Foreground:
    """Checked foreground of a batch; shapes, dtypes and errors as in :meth:`ForegroundLoss.forward`.

    Everything after this runs in float32, whatever the autocast dtype: in half precision the sums over
    a 128³ patch overflow and differences between neighbours vanish.
    """
    _check_shapes(logits, target, loss)
    if logits.dtype != torch.float64:
        logits = logits.float()
    _check_labels(target, loss)
    return Foreground(logits[:, 1] - logits[:, 0], target[:, 0].to(logits.dtype))


def _check_shapes(logits: Tensor, target: Tensor, loss: str) -> None:
    for name, value in (("logits", logits), ("target", target)):
        if isinstance(value, (list, tuple)):
            raise TypeError(
                f"{loss} takes tensors, but {name} is a {type(value).__name__} of {len(value)} (deep "
                "supervision): wrap the loss in nnU-Net's DeepSupervisionWrapper "
                "(nnunetv2.training.loss.deep_supervision), as trainers do"
            )
    if logits.ndim not in (4, 5):
        raise ValueError(f"{loss}: expected logits of shape (B, 2, *spatial), 2D or 3D, found "
                         f"{tuple(logits.shape)}")
    if logits.shape[1] != 2:
        raise NotImplementedError(
            f"{loss} takes two channels, background and one foreground class; found {logits.shape[1]} in "
            f"logits of shape {tuple(logits.shape)}: several classes and regions are not supported, {INSTEAD}"
        )
    if target.ndim == logits.ndim and target.shape[1] != 1 and target.shape[2:] == logits.shape[2:]:
        raise NotImplementedError(
            f"{loss} takes a label map of shape (B, 1, *spatial); found {tuple(target.shape)}: region or "
            f"one-hot targets are not supported, {INSTEAD}"
        )
    if target.shape != (logits.shape[0], 1, *logits.shape[2:]):
        raise ValueError(
            f"{loss}: logits of shape {tuple(logits.shape)} need a target of shape "
            f"{(logits.shape[0], 1, *logits.shape[2:])}, found {tuple(target.shape)}"
        )


def _check_labels(target: Tensor, loss: str) -> None:
    if target.dtype == torch.bool:
        return
    valid = ((target == 0) | (target == 1)).all()
    if target.is_cuda:
        # asserted on the device: reading the flag here would wait for the GPU at every step
        torch._assert_async(valid, f"{loss}: the target holds labels other than 0 and 1 (ignore label, "
                                   "second class?)")
        return
    if valid:
        return
    values = torch.unique(target)
    shown = ", ".join(f"{value:g}" for value in values[:6].tolist()) + (", ..." if values.numel() > 6 else "")
    if bool((values == values.round()).all()) and values[0] >= 0:
        raise NotImplementedError(
            f"{loss} takes labels 0 and 1, found {shown}: an ignore label or a second foreground class is "
            f"not supported, {INSTEAD}"
        )
    raise ValueError(
        f"{loss} takes labels 0 and 1, found {shown}: -1 is what nnU-Net's preprocessing writes outside the "
        "brain and its RemoveLabelTansform(-1, 0) removes; other values mean a mask that is not binary"
    )

"""Base of the losses: the checked foreground of a two-class segmentation.

A loss is a :class:`ForegroundLoss` that computes a number from a :class:`Foreground`. Compound losses pass the same
:class:`Foreground` to their parts, so that checks and probabilities are computed once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor, nn

#: A map of the reference: from masks (B, *spatial), bool, and the voxel size to numbers (B, *spatial), float32.
ReferenceMap = Callable[[Tensor, Sequence[float]], Tensor]
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
    maps : dict of Tensor, shape (B, *spatial), dtype of `logit`
        Maps of the reference that came with the target, by name; a loss computes what is not there.
    """

    logit: Tensor
    reference: Tensor
    maps: dict[str, Tensor] = field(default_factory=dict)

    @cached_property
    def probability(self) -> Tensor:
        """Foreground probability p, shape (B, *spatial)."""
        return torch.sigmoid(self.logit)


class ForegroundLoss(nn.Module):
    """Base of the losses: checks a batch, then calls :meth:`compute`.

    Attributes
    ----------
    name_codes : dict of str to str
        Codes of trainer names and the parameters that they set, in the order of the name
        (:mod:`nnunet_tv.training.names`). A parameter whose default is False is a flag, whose code stands alone.
    own_maps : dict
        Maps of the reference that this loss itself needs, by name.
    shown_settings : tuple of str
        Attributes that nnU-Net's log shows.
    epoch : int or None
        Set by :meth:`set_epoch`.
    """

    name_codes: ClassVar[Mapping[str, str]] = {}
    shown_settings: tuple[str, ...] = ()
    epoch: int | None = None
    own_maps: dict[str, ReferenceMap] = {}

    def reference_maps(self) -> dict[str, ReferenceMap]:
        """Maps of the reference that this loss and its parts need, in the order of the target's channels.

        They depend on the labels alone, so that a data loader's workers can make them
        (:class:`~nnunet_tv.training.reference_maps.AppendReferenceMaps`): the target then has a channel for
        each, after the labels.
        """
        return {name: function for part in self.modules() if isinstance(part, ForegroundLoss)
                for name, function in part.own_maps.items()}

    def set_epoch(self, epoch: int | None) -> None:
        """Set the number of epochs done, for losses with a schedule; None (the default) is the end of each schedule."""
        for part in self.modules():
            if isinstance(part, ForegroundLoss):
                part.epoch = epoch

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of a batch.

        Parameters
        ----------
        logits : Tensor, shape (B, 2, *spatial)
            Network output before softmax; 2D or 3D, any floating dtype.
        target : Tensor, shape (B, 1, *spatial)
            Labels 0 and 1, of any real dtype. Of a loss with :meth:`reference_maps` it may also be (B, 1 + maps,
            *spatial), floating: labels, then the maps.

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
        return self.compute(foreground(logits, target, loss=type(self).__name__, maps=tuple(self.reference_maps())))

    def compute(self, foreground: Foreground) -> Tensor:
        """Loss of a checked batch, a scalar."""
        raise NotImplementedError(f"{type(self).__name__} does not define compute(foreground)")

    def extra_repr(self) -> str:
        """Settings, for nnU-Net's log."""
        values = {name: getattr(self, name) for name in self.shown_settings}
        return ", ".join(f"{name}={value:g}" if type(value) in (int, float) else f"{name}={value}"
                         for name, value in values.items())


def foreground(logits: Tensor, target: Tensor, *, loss: str, maps: Sequence[str] = ()) -> Foreground:
    """Checked foreground of a batch; shapes, dtypes and errors as in :meth:`ForegroundLoss.forward`.

    `maps` are the names of the channels that the target may have after its labels.

    Everything after this runs in float32, whatever the autocast dtype: in half precision the sums over
    a 128³ patch overflow and differences between neighbours vanish.
    """
    carried: Sequence[Tensor] = ()
    if maps and isinstance(target, Tensor) and target.is_floating_point() and target.shape[1:2] == (1 + len(maps),):
        target, carried = target[:, :1], target[:, 1:].unbind(1)
    check_shapes(logits, target, loss)
    _check_labels(target, loss)
    if logits.dtype != torch.float64:
        logits = logits.float()
    named = {name: value.to(logits.dtype) for name, value in zip(maps, carried, strict=False)}
    background, lesion = logits.unbind(1)  # its backward writes the gradient once; that of indexing, three times
    return Foreground(lesion - background, target[:, 0].to(logits.dtype), named)


def require(valid: Tensor, message: str) -> None:
    """Raise ValueError where `valid` is False; on CUDA, assert on the device.

    Reading the flag of a GPU would wait for it at every step.
    """
    if valid.is_cuda:
        torch._assert_async(valid, message)
    elif not valid:
        raise ValueError(message)


def require_labels(valid: Tensor, loss: str) -> None:
    """:func:`require` for labels; `valid` is not 0 where every label is 0 or 1."""
    require(valid, f"{loss}: the target holds labels other than 0 and 1 (ignore label, second class?)")


def check_shapes(logits: Tensor, target: Tensor, loss: str) -> None:
    """The checks of :meth:`ForegroundLoss.forward` that read no voxel."""
    for name, value in (("logits", logits), ("target", target)):
        if isinstance(value, (list, tuple)):
            raise TypeError(f"{loss} takes tensors, but {name} is a {type(value).__name__} of {len(value)} (deep "
                            "supervision): wrap the loss in nnU-Net's DeepSupervisionWrapper "
                            "(nnunetv2.training.loss.deep_supervision), as trainers do")
    if logits.ndim not in (4, 5):
        raise ValueError(f"{loss}: expected logits of shape (B, 2, *spatial), 2D or 3D, found {tuple(logits.shape)}")
    (patches, channels, *spatial), found = logits.shape, tuple(target.shape)
    if channels != 2:
        raise NotImplementedError(
            f"{loss} takes two channels, background and one foreground class; found {channels} in logits of shape "
            f"{tuple(logits.shape)}: several classes and regions are not supported, {INSTEAD}")
    if target.ndim == logits.ndim and target.shape[1] != 1 and target.shape[2:] == logits.shape[2:]:
        raise NotImplementedError(f"{loss} takes a label map of shape (B, 1, *spatial); found {found}: region or "
                                  f"one-hot targets are not supported, {INSTEAD}")
    if found != (patches, 1, *spatial):
        raise ValueError(f"{loss}: logits of shape {tuple(logits.shape)} need a target of shape "
                         f"{(patches, 1, *spatial)}, found {found}")


def _check_labels(target: Tensor, loss: str) -> None:
    if target.dtype == torch.bool:
        return
    valid = ((target == 0) | (target == 1)).all()
    if target.is_cuda:
        require_labels(valid, loss)
        return
    if valid:
        return
    values = torch.unique(target)
    shown = ", ".join(f"{value:g}" for value in values[:6].tolist()) + (", ..." if values.numel() > 6 else "")
    if bool((values == values.round()).all()) and values[0] >= 0:
        raise NotImplementedError(f"{loss} takes labels 0 and 1, found {shown}: an ignore label or a second foreground "
                                  f"class is not supported, {INSTEAD}")
    raise ValueError(f"{loss} takes labels 0 and 1, found {shown}: -1 is what nnU-Net's preprocessing writes outside "
                     "the brain and its RemoveLabelTansform(-1, 0) removes; others mean a mask that is not binary")

"""Dice plus total variation: the loss of the TV paper."""

from __future__ import annotations

from torch import Tensor

from nnunet_tv.losses.checks import check_weight
from nnunet_tv.losses.dice import DiceLoss
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss
from nnunet_tv.losses.total_variation import TotalVariation


class DiceTVLoss(ForegroundLoss):
    r"""Dice + 0.1 total variation, eq. 5 of the TV paper (arXiv 2510.06276).

    .. math:: 1.0 \cdot \text{Dice} + w \cdot \text{TV}

    Parameters
    ----------
    tv_weight : float
        w, not negative. What it does depends on the patch size: see
        :class:`~nnunet_tv.losses.TotalVariation`.
    batch_dice, smooth, ddp
        As in :class:`~nnunet_tv.losses.DiceLoss`.

    Raises
    ------
    ValueError
        `tv_weight` is negative or not finite; `smooth` is not positive.
    """

    def __init__(self, *, tv_weight: float = 0.1, batch_dice: bool = True, smooth: float = 1e-5,
                 ddp: bool = False):
        super().__init__()
        self.dice = DiceLoss(batch_dice=batch_dice, smooth=smooth, ddp=ddp)
        self.total_variation = TotalVariation()
        self.tv_weight = check_weight("tv_weight", tv_weight)

    def compute(self, foreground: Foreground) -> Tensor:
        """Loss of a checked batch."""
        return self.dice.compute(foreground) + self.tv_weight * self.total_variation.compute(foreground)

    def extra_repr(self) -> str:
        """Settings, for nnU-Net's log."""
        return f"tv_weight={self.tv_weight:g}"

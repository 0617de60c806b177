"""Dice plus binary cross entropy."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from nnunet_tv.losses.checks import check_weight
from nnunet_tv.losses.dice import DiceLoss
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss


class DiceBCELoss(ForegroundLoss):
    r"""Half Dice, half binary cross entropy: eq. 3 and 4 of the TV paper (arXiv 2510.06276).

    .. math:: 0.5 \cdot \text{Dice} - 0.5 \cdot \text{mean}(g \log p + (1 - g) \log(1 - p))

    The mean is over all voxels of the batch. It is computed from the logits, so that it and its gradient
    stay finite where p is 0 or 1 in floating point. The authors' code has a two-channel cross entropy with
    class weights 0.5 and 0.5, which is the same up to a factor.

    Parameters
    ----------
    dice_weight, bce_weight : float
        Weights of the two terms, not negative.
    batch_dice, smooth, ddp
        As in :class:`~nnunet_tv.losses.DiceLoss`. Under DDP each rank has its own cross entropy; DDP averages
        the gradients, which is right for a mean.

    Raises
    ------
    ValueError
        A weight is negative or not finite; `smooth` is not positive.
    """

    name_codes = {"tv": "tv_weight"}

    def __init__(self, *, dice_weight: float = 0.5, bce_weight: float = 0.5, batch_dice: bool = True,
                 smooth: float = 1e-5, ddp: bool = False):
        super().__init__()
        self.dice = DiceLoss(batch_dice=batch_dice, smooth=smooth, ddp=ddp)
        self.dice_weight = check_weight("dice_weight", dice_weight)
        self.bce_weight = check_weight("bce_weight", bce_weight)

    def compute(self, foreground: Foreground) -> Tensor:
        """Loss of a checked batch."""
        bce = binary_cross_entropy_with_logits(foreground.logit, foreground.reference)
        return self.dice_weight * self.dice.compute(foreground) + self.bce_weight * bce

    def extra_repr(self) -> str:
        """Settings, for nnU-Net's log."""
        return f"dice_weight={self.dice_weight:g}, bce_weight={self.bce_weight:g}"

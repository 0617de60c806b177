"""Dice plus total variation: the loss of the TV paper."""

from torch import Tensor

from nnunet_tv.losses import fused_gpu
from nnunet_tv.losses.compound import WeightedSum
from nnunet_tv.losses.dice import DiceLoss
from nnunet_tv.losses.foreground import check_shapes
from nnunet_tv.losses.total_variation import TotalVariation


class DiceTVLoss(WeightedSum):
    r"""Dice + 0.1 total variation, eq. 5 of the TV paper (arXiv 2510.06276).

    .. math:: 1.0 \cdot \text{Dice} + w \cdot \text{TV}

    `tv_weight` is w, not negative. What it does depends on the patch size: see
    :class:`~nnunet_tv.losses.TotalVariation`. The others are those of :class:`~nnunet_tv.losses.DiceLoss`.
    """

    name_codes = {"tv": "tv_weight"}
    dice: DiceLoss
    dice_weight: float
    tv_weight: float

    def __init__(self, *, tv_weight: float = 0.1, batch_dice: bool = True, smooth: float = 1e-5,
                 ddp: bool = False):
        super().__init__(dice=(1.0, DiceLoss(batch_dice=batch_dice, smooth=smooth, ddp=ddp)),
                         tv=(tv_weight, TotalVariation()))

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss of a batch, as in :class:`~nnunet_tv.losses.ForegroundLoss`; with Triton kernels where they apply."""
        if self.dice.batch_dice and not self.dice.ddp and fused_gpu.applies(logits, target):
            name = type(self).__name__
            check_shapes(logits, target, name)
            return fused_gpu.dice_tv(logits, target, dice_weight=self.dice_weight, tv_weight=self.tv_weight,
                                     smooth=self.dice.smooth, loss=name)
        return super().forward(logits, target)

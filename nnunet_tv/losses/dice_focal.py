"""Dice plus focal loss."""

from nnunet_tv.losses.compound import WeightedSum
from nnunet_tv.losses.dice import DiceLoss
from nnunet_tv.losses.focal import FocalLoss


class DiceFocalLoss(WeightedSum):
    r"""Dice + focal loss with equal weights, as in arXiv 2502.09148.

    .. math:: w_D \cdot \text{Dice} + w_F \cdot \text{Focal}

    Ours: of the lesion channel alone, both weights 1 (only their ratio is published). `dice_weight` and `focal_weight`
    are not negative and not both 0; the others are those of :class:`~nnunet_tv.losses.DiceLoss` and
    :class:`~nnunet_tv.losses.FocalLoss`.
    """

    name_codes = {"g": "gamma", "tv": "tv_weight"}

    def __init__(self, *, gamma: float = 2.0, dice_weight: float = 1.0, focal_weight: float = 1.0,
                 batch_dice: bool = True, smooth: float = 1e-5, ddp: bool = False):
        super().__init__(dice=(dice_weight, DiceLoss(batch_dice=batch_dice, smooth=smooth, ddp=ddp)),
                         focal=(focal_weight, FocalLoss(gamma=gamma, ddp=ddp)))

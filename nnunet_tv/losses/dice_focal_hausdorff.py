"""Dice and focal loss plus the log form of the Hausdorff loss."""

from collections.abc import Sequence

from nnunet_tv.losses.compound import WeightedSum
from nnunet_tv.losses.dice_focal import DiceFocalLoss
from nnunet_tv.losses.hausdorff import HausdorffDTLoss


class DiceFocalHausdorffDTLoss(WeightedSum):
    r"""Dice-focal and log Hausdorff loss, arXiv 2502.09148.

    .. math:: 0.9 \cdot (\text{Dice} + \text{Focal}) + 0.1 \cdot \log(1 + \text{HausdorffDT})

    `region_weight` and `hausdorff_weight` are not negative and not both 0; the others are those of
    :class:`~nnunet_tv.losses.DiceFocalLoss` and :class:`~nnunet_tv.losses.HausdorffDTLoss`. Another α of the distances,
    or the form without log, is a :class:`~nnunet_tv.losses.WeightedSum` of one's own.
    """

    name_codes = {"g": "gamma", "hd": "hausdorff_weight", "tv": "tv_weight"}

    def __init__(self, *, gamma: float = 2.0, region_weight: float = 0.9, hausdorff_weight: float = 0.1,
                 spacing_mm: Sequence[float] | None = None, patch_size: Sequence[int] | None = None,
                 batch_dice: bool = True, smooth: float = 1e-5, ddp: bool = False):
        region = DiceFocalLoss(gamma=gamma, batch_dice=batch_dice, smooth=smooth, ddp=ddp)
        border = HausdorffDTLoss(log=True, spacing_mm=spacing_mm, patch_size=patch_size, ddp=ddp)
        super().__init__(region=(region_weight, region), hausdorff=(hausdorff_weight, border))

"""Dice plus binary cross entropy."""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from nnunet_tv.losses.compound import WeightedSum
from nnunet_tv.losses.dice import DiceLoss
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss


class _BCELoss(ForegroundLoss):
    """Binary cross entropy; under DDP each rank has its own mean, and DDP averages the gradients."""

    def compute(self, foreground: Foreground) -> Tensor:
        return binary_cross_entropy_with_logits(foreground.logit, foreground.reference)


class DiceBCELoss(WeightedSum):
    r"""Half Dice, half binary cross entropy: eq. 3 and 4 of the TV paper (arXiv 2510.06276).

    .. math:: 0.5 \cdot \text{Dice} - 0.5 \cdot \text{mean}(g \log p + (1 - g) \log(1 - p))

    The mean is over all voxels of the batch. It is computed from the logits, so that it and its gradient
    stay finite where p is 0 or 1 in floating point. The authors' code has a two-channel cross entropy with
    class weights 0.5 and 0.5, which is the same up to a factor. `dice_weight` and `bce_weight` are not negative and not
    both 0; the others are those of :class:`~nnunet_tv.losses.DiceLoss`.
    """

    name_codes = {"tv": "tv_weight"}

    def __init__(self, *, dice_weight: float = 0.5, bce_weight: float = 0.5, batch_dice: bool = True,
                 smooth: float = 1e-5, ddp: bool = False):
        super().__init__(dice=(dice_weight, DiceLoss(batch_dice=batch_dice, smooth=smooth, ddp=ddp)),
                         bce=(bce_weight, _BCELoss()))

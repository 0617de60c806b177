"""Soft Dice loss of the foreground channel."""

import torch
from torch import Tensor

from nnunet_tv.losses.checks import check_positive
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss
from nnunet_tv.losses.ranks import over_ranks


def soft_dice(probability: Tensor, reference: Tensor, *, batch_dice: bool, smooth: float,
              ddp: bool = False) -> Tensor:
    """Soft Dice coefficient in [0, 1], of the whole batch () or, without `batch_dice`, per patch (B,).

    `probability` and `reference` have shape (B, *spatial); `smooth` is the formula's ε. With `ddp` and `batch_dice` the
    sums of all ranks are added up first.
    """
    axes = tuple(range(0 if batch_dice else 1, probability.ndim))
    overlap = (probability * reference).sum(axes)
    total = probability.sum(axes) + reference.sum(axes)
    if ddp and batch_dice:
        overlap, total = over_ranks(overlap).sum(0), over_ranks(total).sum(0)
    return (2 * overlap + smooth) / (total + smooth)


class DiceLoss(ForegroundLoss):
    r"""Dice loss, eq. 2 of the TV paper (arXiv 2510.06276).

    .. math:: 1 - \frac{2 \sum p g + \varepsilon}{\sum p + \sum g + \varepsilon}

    p is the foreground probability (not squared), g the label; the background channel has no term.
    The loss is in [0, 1]; a target without foreground gives 0 only for a probability of 0 everywhere.

    Parameters
    ----------
    batch_dice : bool
        True: the sums run over all patches of the batch, one Dice per batch, as the authors implemented it.
        False: the mean of the patches' losses.
    smooth : float
        ε, positive (ValueError): an empty target with an empty prediction would be 0/0.
    ddp : bool
        Training is distributed: with `batch_dice` the sums are gathered over ranks with nnU-Net's
        ``AllGatherGrad``, so that the loss is that of the whole batch.
    """

    shown_settings = ("batch_dice", "smooth", "ddp")

    def __init__(self, *, batch_dice: bool = True, smooth: float = 1e-5, ddp: bool = False):
        super().__init__()
        self.smooth = check_positive("smooth", smooth, "an empty patch is 0/0 without it")
        self.batch_dice, self.ddp = batch_dice, ddp

    def compute(self, foreground: Foreground) -> Tensor:
        dice = soft_dice(foreground.probability, foreground.reference, batch_dice=self.batch_dice,
                         smooth=self.smooth, ddp=self.ddp)
        return 1 - torch.mean(dice)

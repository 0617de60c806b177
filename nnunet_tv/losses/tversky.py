"""Tversky loss: Dice with separate weights for false positives and false negatives."""

import torch
from torch import Tensor

from nnunet_tv.losses.checks import check_positive
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss
from nnunet_tv.losses.ranks import over_ranks


class TverskyLoss(ForegroundLoss):
    r"""Tversky loss (Salehi, Erdogmus and Gholipour 2017, arXiv 1706.05721).

    .. math:: 1 - \frac{\sum p g + \varepsilon}
        {\sum p g + \alpha \sum p (1 - g) + \beta \sum (1 - p) g + \varepsilon}

    `alpha` and `beta`, both positive, are α, which weights false positives, and β, which weights false negatives; some
    other programs swap them. α = β = 0.5 is the Dice loss with twice the ε. The paper's best, and the choice of arXiv
    2502.09148, is 0.3 and 0.7. `batch_dice`, `smooth` (ε) and `ddp` are as in :class:`~nnunet_tv.losses.DiceLoss`.
    """

    name_codes = {"a": "alpha", "b": "beta", "tv": "tv_weight"}
    shown_settings = ("alpha", "beta", "batch_dice")

    def __init__(self, *, alpha: float = 0.3, beta: float = 0.7, batch_dice: bool = True, smooth: float = 1e-5,
                 ddp: bool = False):
        super().__init__()
        self.alpha = check_positive("alpha", alpha, "the weight of false positives; at 0 all lesion is perfect")
        self.beta = check_positive("beta", beta, "the weight of false negatives; at 0 no lesion is perfect")
        self.smooth = check_positive("smooth", smooth, "an empty patch is 0/0 without it")
        self.batch_dice, self.ddp = batch_dice, ddp

    def compute(self, foreground: Foreground) -> Tensor:
        p, g = foreground.probability, foreground.reference
        axes = tuple(range(0 if self.batch_dice else 1, p.ndim))
        sums = torch.stack([(p * g).sum(axes), (p * (1 - g)).sum(axes), ((1 - p) * g).sum(axes)])
        if self.ddp and self.batch_dice:
            sums = over_ranks(sums).sum(0)
        overlap, extra, missed = sums
        index = (overlap + self.smooth) / (overlap + self.alpha * extra + self.beta * missed + self.smooth)
        return 1 - index.mean()

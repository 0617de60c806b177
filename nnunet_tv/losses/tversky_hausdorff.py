"""Tversky loss plus the log form of the Hausdorff loss."""

from collections.abc import Sequence

from nnunet_tv.losses.compound import WeightedSum
from nnunet_tv.losses.hausdorff import HausdorffDTLoss
from nnunet_tv.losses.tversky import TverskyLoss


class TverskyHausdorffDTLoss(WeightedSum):
    r"""Tversky and log Hausdorff loss, arXiv 2502.09148.

    .. math:: 0.9 \cdot \text{Tversky} + 0.1 \cdot \log(1 + \text{HausdorffDT})

    `region_weight` and `hausdorff_weight` are not negative and not both 0; the others are those of
    :class:`~nnunet_tv.losses.TverskyLoss` and :class:`~nnunet_tv.losses.HausdorffDTLoss`.
    """

    name_codes = {"a": "alpha", "b": "beta", "hd": "hausdorff_weight", "tv": "tv_weight"}

    def __init__(self, *, alpha: float = 0.3, beta: float = 0.7, region_weight: float = 0.9,
                 hausdorff_weight: float = 0.1, spacing_mm: Sequence[float] | None = None,
                 patch_size: Sequence[int] | None = None, batch_dice: bool = True, smooth: float = 1e-5,
                 ddp: bool = False):
        region = TverskyLoss(alpha=alpha, beta=beta, batch_dice=batch_dice, smooth=smooth, ddp=ddp)
        border = HausdorffDTLoss(log=True, spacing_mm=spacing_mm, patch_size=patch_size, ddp=ddp)
        super().__init__(region=(region_weight, region), hausdorff=(hausdorff_weight, border))

"""Weighted sums of losses, computed on one checked batch."""

from torch import Tensor

from nnunet_tv.losses.checks import check_weight
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss
from nnunet_tv.losses.total_variation import TotalVariation


class WeightedSum(ForegroundLoss):
    """Sum of losses, each times its weight; base of the compound losses.

    Parameters
    ----------
    **terms : (float, ForegroundLoss)
        Weight and loss by name. ``dice=(0.9, DiceLoss())`` gives the attributes ``dice`` and ``dice_weight``.
        A loss of weight 0 is not computed. ValueError for a negative or infinite weight, or only weights of 0.
    """

    def __init__(self, **terms: tuple[float, ForegroundLoss]):
        super().__init__()
        self.terms = tuple(terms)
        self.shown_settings = tuple(f"{name}_weight" for name in terms)
        for name, (weight, loss) in terms.items():
            setattr(self, name, loss)
            setattr(self, f"{name}_weight", check_weight(f"{name}_weight", weight))
        if not any(weight for weight, _ in terms.values()):
            raise ValueError(f"{type(self).__name__}: all weights ({', '.join(self.shown_settings)}) "
                             "are 0, so there is nothing to train for; give one above 0")

    def compute(self, foreground: Foreground) -> Tensor:
        weights = {name: getattr(self, f"{name}_weight") for name in self.terms}
        return sum(weight * getattr(self, name).compute(foreground) for name, weight in weights.items() if weight)


class PlusTV(WeightedSum):
    r"""Any loss + total variation.

    .. math:: \text{loss} + w \cdot \text{TV}

    Trainers add it when their name carries a weight: ``nnUNetTrainerTversky_tv0p1``. `tv_weight` is w, not negative;
    its strength depends on the patch size: see :class:`~nnunet_tv.losses.TotalVariation`.
    """

    def __init__(self, loss: ForegroundLoss, *, tv_weight: float = 0.1):
        super().__init__(loss=(1.0, loss), tv=(tv_weight, TotalVariation()))

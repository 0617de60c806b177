"""Focal loss: cross entropy that down-weights voxels classified well."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from nnunet_tv.losses.checks import check_weight
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss


class FocalLoss(ForegroundLoss):
    r"""Focal loss (Lin et al. 2017, arXiv 1708.02002) of the foreground probability.

    .. math:: \text{mean}\left(-(1 - p_t)^\gamma \log p_t\right)

    :math:`p_t` is p in the lesion and 1 - p outside. The mean is over all voxels of the batch, without class
    weights. It is computed from the logits, so that it and its gradient stay finite for any γ.

    Parameters
    ----------
    gamma : float
        γ, not negative: how strongly well-classified voxels are down-weighted. 0 is the binary cross entropy.
    ddp : bool
        Not used: each rank has its own mean, and DDP averages the gradients.
    """

    name_codes = {"g": "gamma", "tv": "tv_weight"}
    shown_settings = ("gamma",)

    def __init__(self, *, gamma: float = 2.0, ddp: bool = False):
        super().__init__()
        self.gamma, self.ddp = check_weight("gamma", gamma), ddp

    def compute(self, foreground: Foreground) -> Tensor:
        right = torch.where(foreground.reference > 0.5, foreground.logit, -foreground.logit)  # p_t = sigmoid(right)
        return (torch.exp(-self.gamma * softplus(right)) * softplus(-right)).mean()

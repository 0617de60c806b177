"""Hausdorff distance-transform loss: errors weighted by their distance to the lesion's border."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nnunet_tv.losses.checks import check_positive
from nnunet_tv.losses.distance import squared_distance_or_outside
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss, require
from nnunet_tv.losses.grid import VoxelGrid
from nnunet_tv.losses.ranks import over_ranks

#: Name of the map of the reference that the data loader's workers may compute: mm².
SQUARED_DISTANCE = "squared_distance"


class _WeightedSquares(torch.autograd.Function):
    """Mean of weight · error², with half as many arrays of the batch's size as autograd keeps."""

    @staticmethod
    def forward(ctx: Any, error: Tensor, weight: Tensor) -> Tensor:
        weighted = error * weight
        ctx.save_for_backward(weighted)
        return (weighted * error).mean()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (weighted,) = ctx.saved_tensors
        return weighted * (gradient * 2 / weighted.numel()), None


class HausdorffDTLoss(ForegroundLoss):
    r"""Hausdorff loss by distance transforms (Karimi and Salcudean 2019, arXiv 1904.10030, eq. 8).

    .. math:: L = \text{mean}\left((p - g)^2 (d_p^\alpha + d_g^\alpha)\right),
        \qquad \text{log form: } \log(1 + L)

    d_g is the distance of a voxel to the border of the reference, d_p to that of the prediction thresholded at
    0.5; both are unsigned, from voxel centre to the nearest centre of the other label, in mm. No gradient flows
    through them. The mean is over all voxels of the batch.

    Ours: a patch that is all lesion or all background has no border in it. Its distances are then those to the
    outside of the patch, the largest that are certain; they are at least one voxel, so that false positives in
    patches without lesion, and lesions that are missed as a whole, have a gradient. (In MONAI's
    ``HausdorffDTLoss`` such distances are 0, and all are in voxels.)

    The target may carry d_g² as a second channel (:meth:`~nnunet_tv.losses.ForegroundLoss.reference_maps`):
    then the loss does not compute it. Trainers have it made by the data loader's workers.

    Parameters
    ----------
    alpha : float
        α, positive: how fast the weight of an error grows with distance.
    log : bool
        The log form; under DDP its mean is gathered over ranks.
    spacing_mm : sequence of float, optional
        Voxel size, in the order of the array's axes. Without it distances are in voxels.
    patch_size : sequence of int, optional
        Voxels at which `spacing_mm` holds; coarser logits (deep supervision) have larger voxels.
    ddp : bool
        Training is distributed.
    """

    name_codes = {"a": "alpha", "log": "log", "tv": "tv_weight"}
    shown_settings = ("alpha", "log", "spacing_mm")

    def __init__(self, *, alpha: float = 2.0, log: bool = False, spacing_mm: Sequence[float] | None = None,
                 patch_size: Sequence[int] | None = None, ddp: bool = False):
        super().__init__()
        self.alpha = check_positive("alpha", alpha, "the exponent of the distance")
        self.log, self.ddp = bool(log), ddp
        self.grid = VoxelGrid(spacing_mm, patch_size)
        self.spacing_mm = self.grid.spacing_mm
        self.own_maps = {SQUARED_DISTANCE: squared_distance_or_outside}

    def compute(self, foreground: Foreground) -> Tensor:
        spacing = self.grid.spacing(foreground.logit.shape[1:])
        reference = foreground.maps.get(SQUARED_DISTANCE)
        if reference is None:
            reference = squared_distance_or_outside(foreground.reference > 0.5, spacing)
        else:
            require(reference.amin() > 0, "HausdorffDTLoss: the target's second channel must hold squared distances "
                    "to the reference's border, which are positive; found others (a one-hot target?). Leave the "
                    "channel out, or make it with reference_maps()")
        prediction = squared_distance_or_outside(foreground.logit.detach() > 0, spacing)
        weight = self._power(prediction) + self._power(reference)
        value = _WeightedSquares.apply(foreground.probability - foreground.reference, weight.to(foreground.logit.dtype))
        if not self.log:
            return value
        return torch.log1p(over_ranks(value).mean() if self.ddp else value)

    def _power(self, square: Tensor) -> Tensor:
        return square if self.alpha == 2 else square ** (self.alpha / 2)

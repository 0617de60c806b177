"""Total variation that spares lesions: weaker near their borders and in small ones, and growing over epochs."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from nnunet_tv.imaging.clusters import label_clusters
from nnunet_tv.losses.checks import check_positive, check_weight
from nnunet_tv.losses.compound import WeightedSum
from nnunet_tv.losses.dice import DiceLoss
from nnunet_tv.losses.distance import squared_border_distance
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss
from nnunet_tv.losses.grid import VoxelGrid
from nnunet_tv.losses.total_variation import total_variation

#: Name of the map of the reference that the data loader's workers may compute: relief in [0, 1].
RELIEF = "tv_relief"


def lesion_relief(mask: Tensor, spacing_mm: Sequence[float], *, border_mm: float, small_mm3: float) -> Tensor:
    """Relief of total variation by a reference: 0 far from lesions, 1 at borders.

    The larger of two terms: near borders, exp(-d² / 2σ²) with d the distance to the border and
    σ = `border_mm`; in a lesion of volume V, V₀ / (V₀ + V) with V₀ = `small_mm3` (mm² in 2D).

    `mask` (B, *spatial), bool, has the reference lesions; a lesion is a cluster (26 neighbours, 8 in 2D). The result is
    float32 of the same shape.
    """
    voxel = float(np.prod(spacing_mm))
    reliefs = []
    for patch in mask.cpu().numpy():
        labels, _ = label_clusters(patch.reshape((1,) * (3 - patch.ndim) + patch.shape))
        relief = small_mm3 / (small_mm3 + np.bincount(labels.ravel()) * voxel)
        relief[0] = 0  # the background
        reliefs.append(relief.astype(np.float32)[labels].reshape(patch.shape))
    inside = torch.from_numpy(np.stack(reliefs)).to(mask.device)
    return torch.maximum(_near_border(mask, spacing_mm, border_mm), inside)


def _near_border(mask: Tensor, spacing_mm: Sequence[float], border_mm: float) -> Tensor:
    return torch.exp(squared_border_distance(mask, spacing_mm) / (-2 * border_mm**2))  # no border: exp(-inf) = 0


class AdaptiveTotalVariation(ForegroundLoss):
    r"""Region-specific total variation. **Ours**; the TV paper leaves it as an open question.

    .. math:: s(e) \sum_{\text{axes}} \text{mean}(\omega\, |\Delta p|), \qquad
        \omega = 1 - (1 - m) \max(r_g,\ c\, r_p)

    The TV paper (arXiv 2510.06276) leaves open whether adaptive or region-specific TV is better than one weight, and
    whether TV costs small lesions. TV of a lesion is its surface, that of noise is everywhere; a small lesion is
    nearly all surface. So the weight ω is smaller

    - near the border of a reference lesion, and inside small reference lesions: r_g, :func:`lesion_relief`;
    - near the border of the prediction (thresholded at 0.5): r_p = exp(-d_p² / 2σ²), with a share c of the
      effect, since a false positive has a border too and is to be smoothed away;
    - at the beginning of training, when true lesions are still faint: s(e) = min(1, e / ramp_epochs) in epoch e.

    With ω = 1 and s = 1 (far from lesions, after the ramp) it is :class:`~nnunet_tv.losses.TotalVariation`. A pair of
    neighbours has the mean of its voxels' ω. No gradient flows through ω. A patch without border gives no relief.
    Untested on patients. The target may carry r_g as a second channel
    (:meth:`~nnunet_tv.losses.ForegroundLoss.reference_maps`).

    Parameters
    ----------
    border_mm : float
        σ, positive: how far from a border the relief reaches.
    small_mm3 : float
        V₀, positive: the volume of lesion whose inside is relieved by half.
    minimum : float
        m in [0, 1]: what is left of the weight where the relief is full.
    prediction_share : float
        c in [0, 1]. 0: only the reference's borders count.
    ramp_epochs : int
        Epochs until full weight; 0 for none. Without :meth:`set_epoch` the weight is full.
    spacing_mm, patch_size
        As in :class:`~nnunet_tv.losses.HausdorffDTLoss`.
    """

    shown_settings = ("border_mm", "small_mm3", "minimum", "prediction_share", "ramp_epochs")

    def __init__(self, *, border_mm: float = 3.0, small_mm3: float = 1000.0, minimum: float = 0.1,
                 prediction_share: float = 0.5, ramp_epochs: int = 30, spacing_mm: Sequence[float] | None = None,
                 patch_size: Sequence[int] | None = None):
        super().__init__()
        self.border_mm = check_positive("border_mm", border_mm, "how far the relief of a border reaches")
        self.small_mm3 = check_positive("small_mm3", small_mm3, "the volume that is relieved by half")
        self.ramp_epochs = check_weight("ramp_epochs", ramp_epochs)
        for name, value in (("minimum", minimum), ("prediction_share", prediction_share)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is a share and must be in [0, 1], found {value}")
        self.minimum, self.prediction_share = minimum, prediction_share
        self.grid = VoxelGrid(spacing_mm, patch_size)
        self.own_maps = {RELIEF: partial(lesion_relief, border_mm=border_mm, small_mm3=small_mm3)}

    @property
    def ramp(self) -> float:
        """s(e) in [0, 1]."""
        if self.epoch is None or self.epoch >= self.ramp_epochs:
            return 1.0
        return self.epoch / self.ramp_epochs

    def weight(self, foreground: Foreground) -> Tensor:
        """ω of every voxel, shape (B, *spatial)."""
        spacing = self.grid.spacing(foreground.logit.shape[1:])
        relief = foreground.maps.get(RELIEF)
        if relief is None:
            relief = self.own_maps[RELIEF](foreground.reference > 0.5, spacing)
        if self.prediction_share:
            predicted = _near_border(foreground.logit.detach() > 0, spacing, self.border_mm)
            relief = torch.maximum(relief, self.prediction_share * predicted)
        return 1 - (1 - self.minimum) * relief

    def compute(self, foreground: Foreground) -> Tensor:
        return self.ramp * total_variation(foreground.probability, self.weight(foreground))


class DiceAdaptiveTVLoss(WeightedSum):
    r"""Dice + :class:`~nnunet_tv.losses.AdaptiveTotalVariation`, with the weight of the TV paper. **Ours**.

    .. math:: \text{Dice} + w \cdot \text{AdaptiveTV}

    `tv_weight` is w, not negative; the others are those of the two parts.
    """

    name_codes = {"tv": "tv_weight", "border": "border_mm", "small": "small_mm3", "ramp": "ramp_epochs"}

    def __init__(self, *, tv_weight: float = 0.1, border_mm: float = 3.0, small_mm3: float = 1000.0,
                 ramp_epochs: int = 30, spacing_mm: Sequence[float] | None = None,
                 patch_size: Sequence[int] | None = None, batch_dice: bool = True, smooth: float = 1e-5,
                 ddp: bool = False):
        adaptive = AdaptiveTotalVariation(border_mm=border_mm, small_mm3=small_mm3, ramp_epochs=ramp_epochs,
                                          spacing_mm=spacing_mm, patch_size=patch_size)
        super().__init__(dice=(1.0, DiceLoss(batch_dice=batch_dice, smooth=smooth, ddp=ddp)),
                         tv=(tv_weight, adaptive))

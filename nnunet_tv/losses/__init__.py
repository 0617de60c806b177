"""Losses for one foreground class, called as nnU-Net calls a loss: ``loss(logits, target)``."""

from nnunet_tv.losses.adaptive_tv import AdaptiveTotalVariation, DiceAdaptiveTVLoss
from nnunet_tv.losses.compound import PlusTV, WeightedSum
from nnunet_tv.losses.dice import DiceLoss
from nnunet_tv.losses.dice_bce import DiceBCELoss
from nnunet_tv.losses.dice_focal import DiceFocalLoss
from nnunet_tv.losses.dice_focal_hausdorff import DiceFocalHausdorffDTLoss
from nnunet_tv.losses.dice_tv import DiceTVLoss
from nnunet_tv.losses.focal import FocalLoss
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss
from nnunet_tv.losses.hausdorff import HausdorffDTLoss
from nnunet_tv.losses.total_variation import TotalVariation
from nnunet_tv.losses.tversky import TverskyLoss
from nnunet_tv.losses.tversky_hausdorff import TverskyHausdorffDTLoss

__all__ = [
    "AdaptiveTotalVariation", "DiceAdaptiveTVLoss", "DiceBCELoss", "DiceFocalHausdorffDTLoss", "DiceFocalLoss",
    "DiceLoss", "DiceTVLoss", "FocalLoss", "Foreground", "ForegroundLoss", "HausdorffDTLoss", "PlusTV",
    "TotalVariation", "TverskyHausdorffDTLoss", "TverskyLoss", "WeightedSum",
]

"""Losses for one foreground class, called as nnU-Net calls a loss: ``loss(logits, target)``."""

from __future__ import annotations

from nnunet_tv.losses.dice import DiceLoss
from nnunet_tv.losses.dice_bce import DiceBCELoss
from nnunet_tv.losses.dice_tv import DiceTVLoss
from nnunet_tv.losses.foreground import Foreground, ForegroundLoss
from nnunet_tv.losses.total_variation import TotalVariation

__all__ = [
    "DiceBCELoss",
    "DiceLoss",
    "DiceTVLoss",
    "Foreground",
    "ForegroundLoss",
    "TotalVariation",
]

"""nnU-Net's own network and recipe with DiceFocalLoss."""

from nnunet_tv.losses import DiceFocalLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.plugin_trainer import PluginTrainer


class nnUNetTrainerDiceFocalLoss(PluginTrainer):
    """Only the loss is ours: Dice + focal loss, γ = 2.

    ``nnUNetTrainerDiceFocalLoss_g3``
    sets γ, ``_tv0p1`` adds total variation: docs/losses.md.
    """

    loss_spec = LossSpec(DiceFocalLoss, {"g": "gamma", "tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerDiceFocalLoss)

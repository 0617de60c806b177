"""nnU-Net's own network and recipe with FocalLoss."""

from nnunet_tv.losses import FocalLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.plugin_trainer import PluginTrainer


class nnUNetTrainerFocalLoss(PluginTrainer):
    """Only the loss is ours: focal loss alone, γ = 2.

    ``nnUNetTrainerFocalLoss_g3``
    sets γ, ``_tv0p1`` adds total variation: docs/losses.md.
    """

    loss_spec = LossSpec(FocalLoss, {"g": "gamma", "tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerFocalLoss)

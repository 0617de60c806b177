"""nnU-Net's own network and recipe with DiceBCELoss."""

from nnunet_tv.losses import DiceBCELoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.plugin_trainer import PluginTrainer


class nnUNetTrainerDiceBCELoss(PluginTrainer):
    """Only the loss is ours: 0.5 Dice + 0.5 binary cross entropy (eq. 4)."""

    loss_spec = LossSpec(DiceBCELoss, {"tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerDiceBCELoss)

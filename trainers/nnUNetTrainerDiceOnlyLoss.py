"""nnU-Net's own network and recipe with DiceLoss."""

from nnunet_tv.losses import DiceLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.plugin_trainer import PluginTrainer


class nnUNetTrainerDiceOnlyLoss(PluginTrainer):
    """Only the loss is ours: Dice loss on the lesion channel (eq. 2)."""

    loss_spec = LossSpec(DiceLoss)


__getattr__ = variants_of(nnUNetTrainerDiceOnlyLoss)

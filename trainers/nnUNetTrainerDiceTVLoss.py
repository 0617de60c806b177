"""nnU-Net's own network and recipe with DiceTVLoss."""

from nnunet_tv.losses import DiceTVLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.plugin_trainer import PluginTrainer


class nnUNetTrainerDiceTVLoss(PluginTrainer):
    """Only the loss is ours: Dice + 0.1 total variation (eq. 5 of arXiv 2510.06276).

    ``nnUNetTrainerDiceTVLoss_tv0p05`` sets the weight of the total variation to 0.05.
    """

    loss_spec = LossSpec(DiceTVLoss, {"tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerDiceTVLoss)

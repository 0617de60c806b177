"""nnU-Net's own network and recipe with DiceAdaptiveTVLoss."""

from nnunet_tv.losses import DiceAdaptiveTVLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.plugin_trainer import PluginTrainer


class nnUNetTrainerDiceAdaptiveTVLoss(PluginTrainer):
    """Only the loss is ours: Dice + 0.1 adaptive total variation (ours).

    ``nnUNetTrainerDiceAdaptiveTVLoss_tv0p2_border5_small500_ramp10``
    sets its parameters: docs/losses.md.
    """

    loss_spec = LossSpec(
        DiceAdaptiveTVLoss, {"tv": "tv_weight", "border": "border_mm", "small": "small_mm3", "ramp": "ramp_epochs"})


__getattr__ = variants_of(nnUNetTrainerDiceAdaptiveTVLoss)

"""nnU-Net's own network and recipe with each loss.

A name may carry settings, such as ``nnUNetTrainerDiceTVLoss_tv0p05_5epochs``: docs/training.md.
"""

from nnunet_tv import losses
from nnunet_tv.training.names import variants_in
from nnunet_tv.training.plugin_trainer import PluginTrainer


class nnUNetTrainerDiceOnlyLoss(PluginTrainer):
    loss_class = losses.DiceLoss


class nnUNetTrainerDiceBCELoss(PluginTrainer):
    loss_class = losses.DiceBCELoss


class nnUNetTrainerDiceTVLoss(PluginTrainer):
    loss_class = losses.DiceTVLoss


class nnUNetTrainerTverskyLoss(PluginTrainer):
    loss_class = losses.TverskyLoss


class nnUNetTrainerFocalLoss(PluginTrainer):
    loss_class = losses.FocalLoss


class nnUNetTrainerDiceFocalLoss(PluginTrainer):
    loss_class = losses.DiceFocalLoss


class nnUNetTrainerHausdorffDTLoss(PluginTrainer):
    loss_class = losses.HausdorffDTLoss


class nnUNetTrainerDiceFocalHausdorffDTLoss(PluginTrainer):
    loss_class = losses.DiceFocalHausdorffDTLoss


class nnUNetTrainerTverskyHausdorffDTLoss(PluginTrainer):
    loss_class = losses.TverskyHausdorffDTLoss


class nnUNetTrainerDiceAdaptiveTVLoss(PluginTrainer):
    loss_class = losses.DiceAdaptiveTVLoss


__getattr__ = variants_in(globals())

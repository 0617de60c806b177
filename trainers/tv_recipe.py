"""The recipe of the TV paper (arXiv 2510.06276) with each loss.

A name may carry settings, such as ``nnUNetTrainerDiceTV_tv0p05_5epochs``: docs/training.md.
"""

from nnunet_tv import losses
from nnunet_tv.training.names import variants_in
from nnunet_tv.training.recipe_trainer import RecipeTrainer


class nnUNetTrainerDice(RecipeTrainer):
    loss_class = losses.DiceLoss


class nnUNetTrainerDiceBCE(RecipeTrainer):
    loss_class = losses.DiceBCELoss


class nnUNetTrainerDiceTV(RecipeTrainer):
    loss_class = losses.DiceTVLoss


class nnUNetTrainerTversky(RecipeTrainer):
    loss_class = losses.TverskyLoss


class nnUNetTrainerFocal(RecipeTrainer):
    loss_class = losses.FocalLoss


class nnUNetTrainerDiceFocal(RecipeTrainer):
    loss_class = losses.DiceFocalLoss


class nnUNetTrainerHausdorffDT(RecipeTrainer):
    loss_class = losses.HausdorffDTLoss


class nnUNetTrainerDiceFocalHausdorffDT(RecipeTrainer):
    loss_class = losses.DiceFocalHausdorffDTLoss


class nnUNetTrainerTverskyHausdorffDT(RecipeTrainer):
    loss_class = losses.TverskyHausdorffDTLoss


class nnUNetTrainerDiceAdaptiveTV(RecipeTrainer):
    loss_class = losses.DiceAdaptiveTVLoss


__getattr__ = variants_in(globals())

"""The TV paper's recipe with DiceBCELoss."""

from nnunet_tv.losses import DiceBCELoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.recipe_trainer import RecipeTrainer


class nnUNetTrainerDiceBCE(RecipeTrainer):
    """MS-DSA-Net and the recipe of the TV paper (arXiv 2510.06276): 0.5 Dice + 0.5 binary cross entropy (eq. 4)."""

    loss_spec = LossSpec(DiceBCELoss, {"tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerDiceBCE)

"""The TV paper's recipe with DiceLoss."""

from nnunet_tv.losses import DiceLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.recipe_trainer import RecipeTrainer


class nnUNetTrainerDice(RecipeTrainer):
    """MS-DSA-Net and the recipe of the TV paper (arXiv 2510.06276): Dice loss on the lesion channel (eq. 2)."""

    loss_spec = LossSpec(DiceLoss)


__getattr__ = variants_of(nnUNetTrainerDice)

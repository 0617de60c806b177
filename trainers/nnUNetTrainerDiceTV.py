"""The TV paper's recipe with DiceTVLoss."""

from nnunet_tv.losses import DiceTVLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.recipe_trainer import RecipeTrainer


class nnUNetTrainerDiceTV(RecipeTrainer):
    """MS-DSA-Net and the recipe of the TV paper (arXiv 2510.06276): Dice + 0.1 total variation (eq. 5).

    ``nnUNetTrainerDiceTV_tv0p05`` sets the weight of the total variation to 0.05.
    """

    loss_spec = LossSpec(DiceTVLoss, {"tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerDiceTV)

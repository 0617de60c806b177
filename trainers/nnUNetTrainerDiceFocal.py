"""The TV paper's recipe with DiceFocalLoss."""

from nnunet_tv.losses import DiceFocalLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.recipe_trainer import RecipeTrainer


class nnUNetTrainerDiceFocal(RecipeTrainer):
    """The recipe of the TV paper (arXiv 2510.06276): Dice + focal loss, γ = 2.

    ``nnUNetTrainerDiceFocal_g3``
    sets γ, ``_tv0p1`` adds total variation: docs/losses.md.
    """

    loss_spec = LossSpec(DiceFocalLoss, {"g": "gamma", "tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerDiceFocal)

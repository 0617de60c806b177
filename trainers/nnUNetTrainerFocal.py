"""The TV paper's recipe with FocalLoss."""

from nnunet_tv.losses import FocalLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.recipe_trainer import RecipeTrainer


class nnUNetTrainerFocal(RecipeTrainer):
    """The recipe of the TV paper (arXiv 2510.06276): focal loss alone, γ = 2.

    ``nnUNetTrainerFocal_g3``
    sets γ, ``_tv0p1`` adds total variation: docs/losses.md.
    """

    loss_spec = LossSpec(FocalLoss, {"g": "gamma", "tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerFocal)

"""The TV paper's recipe with TverskyLoss."""

from nnunet_tv.losses import TverskyLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.recipe_trainer import RecipeTrainer


class nnUNetTrainerTversky(RecipeTrainer):
    """The recipe of the TV paper (arXiv 2510.06276): Tversky loss, 0.3 for false positives and 0.7 for false negatives.

    ``nnUNetTrainerTversky_a0p5_b0p5``
    sets the two weights, ``_tv0p1`` adds total variation: docs/losses.md.
    """

    loss_spec = LossSpec(TverskyLoss, {"a": "alpha", "b": "beta", "tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerTversky)

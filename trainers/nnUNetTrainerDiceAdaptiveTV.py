"""The TV paper's recipe with DiceAdaptiveTVLoss."""

from nnunet_tv.losses import DiceAdaptiveTVLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.recipe_trainer import RecipeTrainer


class nnUNetTrainerDiceAdaptiveTV(RecipeTrainer):
    """The recipe of the TV paper (arXiv 2510.06276): Dice + 0.1 adaptive total variation (ours).

    ``nnUNetTrainerDiceAdaptiveTV_tv0p2_border5_small500_ramp10``
    sets its parameters: docs/losses.md.
    """

    loss_spec = LossSpec(
        DiceAdaptiveTVLoss, {"tv": "tv_weight", "border": "border_mm", "small": "small_mm3", "ramp": "ramp_epochs"})


__getattr__ = variants_of(nnUNetTrainerDiceAdaptiveTV)

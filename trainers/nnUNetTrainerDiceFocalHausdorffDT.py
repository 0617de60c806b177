"""The TV paper's recipe with DiceFocalHausdorffDTLoss."""

from nnunet_tv.losses import DiceFocalHausdorffDTLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.recipe_trainer import RecipeTrainer


class nnUNetTrainerDiceFocalHausdorffDT(RecipeTrainer):
    """The recipe of the TV paper (arXiv 2510.06276): 0.9 (Dice + focal) + 0.1 log Hausdorff loss.

    ``nnUNetTrainerDiceFocalHausdorffDT_g3_hd0p2``
    sets γ and the second weight, ``_tv0p1`` adds total variation: docs/losses.md.
    """

    loss_spec = LossSpec(
        DiceFocalHausdorffDTLoss, {"g": "gamma", "hd": "hausdorff_weight", "tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerDiceFocalHausdorffDT)

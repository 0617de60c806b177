"""The TV paper's recipe with HausdorffDTLoss."""

from nnunet_tv.losses import HausdorffDTLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.recipe_trainer import RecipeTrainer


class nnUNetTrainerHausdorffDT(RecipeTrainer):
    """The recipe of the TV paper (arXiv 2510.06276): Hausdorff distance-transform loss, α = 2.

    ``nnUNetTrainerHausdorffDT_a1``
    sets α, ``_log`` takes the log form, ``_tv0p1`` adds total variation: docs/losses.md.
    """

    loss_spec = LossSpec(HausdorffDTLoss, {"a": "alpha", "log": "log", "tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerHausdorffDT)

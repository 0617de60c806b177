"""nnU-Net's own network and recipe with TverskyLoss."""

from nnunet_tv.losses import TverskyLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.plugin_trainer import PluginTrainer


class nnUNetTrainerTverskyLoss(PluginTrainer):
    """Only the loss is ours: Tversky loss, 0.3 for false positives and 0.7 for false negatives.

    ``nnUNetTrainerTverskyLoss_a0p5_b0p5``
    sets the two weights, ``_tv0p1`` adds total variation: docs/losses.md.
    """

    loss_spec = LossSpec(TverskyLoss, {"a": "alpha", "b": "beta", "tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerTverskyLoss)

"""nnU-Net's own network and recipe with TverskyHausdorffDTLoss."""

from nnunet_tv.losses import TverskyHausdorffDTLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.plugin_trainer import PluginTrainer


class nnUNetTrainerTverskyHausdorffDTLoss(PluginTrainer):
    """Only the loss is ours: 0.9 Tversky + 0.1 log Hausdorff loss.

    ``nnUNetTrainerTverskyHausdorffDTLoss_a0p5_b0p5_hd0p2``
    sets the weights, ``_tv0p1`` adds total variation: docs/losses.md.
    """

    loss_spec = LossSpec(
        TverskyHausdorffDTLoss, {"a": "alpha", "b": "beta", "hd": "hausdorff_weight", "tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerTverskyHausdorffDTLoss)

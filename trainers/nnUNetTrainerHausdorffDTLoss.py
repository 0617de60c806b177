"""nnU-Net's own network and recipe with HausdorffDTLoss."""

from nnunet_tv.losses import HausdorffDTLoss
from nnunet_tv.training.names import LossSpec, variants_of
from nnunet_tv.training.plugin_trainer import PluginTrainer


class nnUNetTrainerHausdorffDTLoss(PluginTrainer):
    """Only the loss is ours: Hausdorff distance-transform loss, α = 2.

    ``nnUNetTrainerHausdorffDTLoss_a1``
    sets α, ``_log`` takes the log form, ``_tv0p1`` adds total variation: docs/losses.md.
    """

    loss_spec = LossSpec(HausdorffDTLoss, {"a": "alpha", "log": "log", "tv": "tv_weight"})


__getattr__ = variants_of(nnUNetTrainerHausdorffDTLoss)

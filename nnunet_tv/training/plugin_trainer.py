"""What all our trainers share: the loss is data, any network of a plan, the cluster filter beside the model."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from nnunetv2.configuration import default_num_processes
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch._dynamo import OptimizedModule

from nnunet_tv.errors import NnunetTVError
from nnunet_tv.files import remove_partial
from nnunet_tv.postprocessing import filter_folder, write_postprocessing
from nnunet_tv.training.names import LossSpec
from nnunet_tv.training.plans import build_network, check_labels, may_compile, takes_deep_supervision


def check_device(device: torch.device) -> None:
    """Refuse ``cuda`` where there is none, before anything is written; nnU-Net's default device is ``cuda``."""
    if device.type == "cuda" and not torch.cuda.is_available():
        raise NnunetTVError("no CUDA device was found, and nnU-Net trains on one by default: add `-device cpu` (slow), "
                            "or mend the driver (nvidia-smi, nnunet-tv-doctor)")


class PluginTrainer(nnUNetTrainer):
    """nnU-Net's trainer with a loss of ours.

    With nothing else overridden this is the loss-only family: nnU-Net's network, recipe and deep
    supervision, our loss.

    Attributes
    ----------
    loss_spec : LossSpec
        The loss and what a name can set of it.
    loss_settings : dict
        Values from the name, by code.
    epochs_in_name : int or None
        Epochs from the name.
    default_epochs : int
        Epochs without a number in the name.
    """

    loss_spec: ClassVar[LossSpec]
    loss_settings: ClassVar[dict[str, float]] = {}
    epochs_in_name: ClassVar[int | None] = None
    default_epochs: ClassVar[int] = 1000

    def __init__(self, plans: dict, configuration: str, fold: int, dataset_json: dict,
                 device: torch.device = torch.device("cuda")):  # noqa: B008  nnU-Net's signature, read by name
        check_device(device)
        check_labels(dataset_json, type(self).__name__)
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs = self.epochs_in_name or self.default_epochs
        self.enable_deep_supervision = takes_deep_supervision(self.configuration_manager.network_arch_class_name)
        if self.local_rank == 0 and self.output_folder:
            remove_partial(self.output_folder)

    @staticmethod
    def build_network_architecture(plans_manager, configuration_manager, num_input_channels,
                                   num_output_channels, enable_deep_supervision=True):
        """The network that the plan names; also called at inference."""
        return build_network(configuration_manager, num_input_channels, num_output_channels, enable_deep_supervision)

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        """Switch deep supervision, for networks that have it."""
        if self.enable_deep_supervision:
            super().set_deep_supervision_enabled(enabled)

    def _do_i_compile(self) -> bool:
        """nnU-Net's answer, and never for a network that is not meant for torch.compile."""
        return may_compile(self.configuration_manager.network_arch_class_name) and super()._do_i_compile()

    def _build_loss(self):
        loss = self.loss_spec.build(self.loss_settings, ddp=self.is_ddp)
        if not self.enable_deep_supervision:
            return loss
        stock = super()._build_loss()
        return DeepSupervisionWrapper(loss, stock.weight_factors)

    def bare_network(self) -> torch.nn.Module:
        """The network without the wrappers of DDP and torch.compile."""
        network = self.network.module if self.is_ddp else self.network
        return network._orig_mod if isinstance(network, OptimizedModule) else network

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Validate as nnU-Net does, then write the filtered twins and the model's postprocessing files.

        ``fold_k/validation`` holds the raw segmentations, ``fold_k/validation_filtered`` the filtered ones;
        ``postprocessing.pkl`` in the model folder is for ``nnUNetv2_apply_postprocessing``.
        """
        super().perform_actual_validation(save_probabilities)
        if self.local_rank == 0:
            if not Path(self.output_folder_base, "postprocessing.pkl").exists():  # the user may have adapted it
                write_postprocessing(self.output_folder_base)
            fold = Path(self.output_folder)
            filter_folder(fold / "validation", fold / "validation_filtered", processes=default_num_processes)
            self.print_to_log_file(f"Filtered validation segmentations: {fold / 'validation_filtered'}")

"""Base of all our trainers: a loss of ours, any network of a plan, the cluster filter beside the model."""

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.configuration import default_num_processes
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch._dynamo import OptimizedModule

from nnunet_tv.losses.foreground import ForegroundLoss
from nnunet_tv.losses.grid import VoxelGrid
from nnunet_tv.planning.plans import build_network, check_labels, may_compile, takes_deep_supervision
from nnunet_tv.postprocessing import filter_folder, write_postprocessing
from nnunet_tv.training.names import build_loss
from nnunet_tv.training.record.recorder import Recorder
from nnunet_tv.training.record.run_record import Seeds
from nnunet_tv.training.reference_maps import AppendReferenceMaps, labels_of
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import remove_partial
from nnunet_tv.utils.host_memory import keep_freed_memory


def check_device(device: torch.device) -> None:
    """Refuse ``cuda`` where there is none, before anything is written; nnU-Net's default device is ``cuda``."""
    if device.type == "cuda" and not torch.cuda.is_available():
        raise NnunetTVError("no CUDA device was found, and nnU-Net trains on one by default: add `-device cpu` (slow), "
                            "or repair the driver (nvidia-smi, nnunet-tv-doctor)")


class PluginTrainer(nnUNetTrainer):
    """nnU-Net's trainer with a loss of ours; with nothing else overridden, the loss-only family."""

    loss_class: ClassVar[type[ForegroundLoss]]  #: Its ``name_codes`` can be set in the trainer's name.
    loss_settings: ClassVar[dict[str, float]] = {}  #: Of the name, by code.
    learning_rate_in_name: ClassVar[float | None] = None
    epochs_in_name: ClassVar[int | None] = None
    default_learning_rate: ClassVar[float] = 1e-2  #: nnU-Net's, at the start of its schedule.
    default_epochs: ClassVar[int] = 1000  #: Without a number in the name.
    recipe: ClassVar[str] = "nnU-Net"  #: For ``run.json``.
    current_epoch: int

    def __init__(self, plans: dict, configuration: str, fold: int, dataset_json: dict,
                 device: torch.device = torch.device("cuda")):  # noqa: B008  nnU-Net's signature, read by name
        check_device(device)
        check_labels(dataset_json, type(self).__name__)
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.initial_lr = self.learning_rate_in_name or self.default_learning_rate
        self.num_epochs = self.epochs_in_name or self.default_epochs
        self.enable_deep_supervision = takes_deep_supervision(self.configuration_manager.network_arch_class_name)
        self.recorder = Recorder(self)
        self.split: tuple[Sequence[str], Sequence[str]] = ([], [])
        if self.local_rank == 0 and self.output_folder:
            remove_partial(self.output_folder)

    @staticmethod
    def build_network_architecture(plans_manager, configuration_manager, num_input_channels,
                                   num_output_channels, enable_deep_supervision=True):
        """The network that the plan names; also called at inference."""
        return build_network(configuration_manager, num_input_channels, num_output_channels, enable_deep_supervision)

    def set_deep_supervision_enabled(self, enabled: bool) -> None:
        if self.enable_deep_supervision:
            super().set_deep_supervision_enabled(enabled)

    def _do_i_compile(self) -> bool:
        """As nnU-Net, but never for a network that the registry excludes."""
        return may_compile(self.configuration_manager.network_arch_class_name) and super()._do_i_compile()

    @property
    def grid(self) -> VoxelGrid:
        """Voxel size and patch size of the plan, both in the order of nnU-Net's arrays."""
        return VoxelGrid(self.configuration_manager.spacing, self.configuration_manager.patch_size)

    def _build_loss(self):
        loss = build_loss(self.loss_class, self.loss_settings, ddp=self.is_ddp, spacing_mm=self.grid.spacing_mm,
                          patch_size=self.grid.patch_size)
        if not self.enable_deep_supervision:
            return loss
        return DeepSupervisionWrapper(loss, super()._build_loss().weight_factors)

    def bare_loss(self) -> ForegroundLoss:
        """The loss without the wrapper of deep supervision."""
        return self.loss.loss if isinstance(self.loss, DeepSupervisionWrapper) else self.loss

    def finishing_transform(self) -> BasicTransform:
        """Last transform of a patch: the loss's maps of the reference, if it has any."""
        maps = self.bare_loss().reference_maps()
        return ComposeTransforms([AppendReferenceMaps(maps, self.grid)] if maps else [])

    def get_training_transforms(self, *settings, **named) -> BasicTransform:
        return ComposeTransforms([super().get_training_transforms(*settings, **named), self.finishing_transform()])

    def get_validation_transforms(self, *settings, **named) -> BasicTransform:
        return ComposeTransforms([super().get_validation_transforms(*settings, **named), self.finishing_transform()])

    def on_epoch_start(self) -> None:
        """Set the loss's epoch; its schedules are pure functions of that, so no checkpoint contains them."""
        super().on_epoch_start()
        self.bare_loss().set_epoch(self.current_epoch)

    def on_validation_epoch_start(self) -> None:
        """Validate with the loss as it is at the end of its schedule, so that epochs compare."""
        super().on_validation_epoch_start()
        self.bare_loss().set_epoch(None)

    def run_training(self) -> None:
        """nnU-Net's loop, recorded in ``run.json``."""
        with self.recorder.watching():
            super().run_training()

    def on_train_start(self) -> None:
        """nnU-Net's set-up; on the CPU freed memory is kept, after the data loading's workers were started."""
        super().on_train_start()
        if self.device.type == "cpu":
            self.print_to_log_file(keep_freed_memory())
        self.after_setup()

    def after_setup(self) -> None:
        """What comes between the set-up and the first epoch: the record of the run."""
        self.recorder.start()

    def on_epoch_end(self) -> None:
        super().on_epoch_end()
        self.recorder.update()

    def save_checkpoint(self, filename: str) -> None:
        super().save_checkpoint(filename)
        self.recorder.checkpoint(filename)

    def do_split(self) -> tuple[Sequence[str], Sequence[str]]:
        """nnU-Net's split, which is kept for the record."""
        self.split = super().do_split()
        return self.split

    def cases_by_role(self) -> dict[str, Sequence[str]]:
        """Cases that the training uses."""
        train, validation = self.split
        return {"train": train, "validation": validation}

    def seeds(self) -> Seeds:
        """What of nnU-Net's own recipe is drawn from a seed."""
        return Seeds(None, "nnU-Net seeds its splits only (12345)", ("split, where nnU-Net draws it",),
                     ("initial weights", "order of cases", "patches", "augmentation", "dropout"))

    def best_epoch(self) -> int | None:
        """Epoch whose weights ``checkpoint_final.pth`` holds, from 0; None if these are the last."""
        return None

    def validation_step(self, batch: dict) -> dict:
        """nnU-Net's step, and one for labels with maps, which nnU-Net would treat as one-hot."""
        if not self.bare_loss().reference_maps():
            return super().validation_step(batch)
        data = batch["data"].to(self.device, non_blocking=True)
        scales = batch["target"] if isinstance(batch["target"], list) else [batch["target"]]
        scales = [scale.to(self.device, non_blocking=True) for scale in scales]
        with torch.autocast("cuda") if self.device.type == "cuda" else nullcontext():
            output = self.network(data)
            loss = self.loss(output, scales if self.enable_deep_supervision else scales[0])
        found = (output[0] if self.enable_deep_supervision else output).argmax(1, keepdim=True) == 1
        lesion = labels_of(scales) == 1
        counts = {"tp_hard": found & lesion, "fp_hard": found & ~lesion, "fn_hard": ~found & lesion}
        return {"loss": loss.detach().cpu().numpy(),
                **{name: np.array([int(there.sum())]) for name, there in counts.items()}}

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
            self.after_validation()

    def after_validation(self) -> None:
        """Write the filtered twins of the validation, and the filter's files where there are none."""
        if not Path(self.output_folder_base, "postprocessing.pkl").exists():  # the user may have adapted it
            write_postprocessing(self.output_folder_base)
        fold = Path(self.output_folder)
        filter_folder(fold / "validation", fold / "validation_filtered", processes=default_num_processes)
        self.print_to_log_file(f"Filtered validation segmentations: {fold / 'validation_filtered'}")

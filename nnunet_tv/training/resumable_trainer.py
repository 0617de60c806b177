"""A training loop that can be interrupted at any time and continued to the same weights."""

from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from nnunet_tv.training.plugin_trainer import PluginTrainer
from nnunet_tv.training.record.run_record import RUN_JSON
from nnunet_tv.utils.files import atomic, read_json, sha256, write_json

LATEST, FINAL, BEST, LAST_EPOCH = (f"checkpoint_{name}.pth" for name in ("latest", "final", "best", "last_epoch"))
#: Names the checkpoint that the fold's validation was made with; written when it is complete.
VALIDATED = "validation.json"


class ResumableTrainer(PluginTrainer):
    """nnU-Net's loop with a checkpoint of the start, whole files, and nothing done twice."""

    dataloader_train: Any
    dataloader_val: Any

    def __init__(self, plans: dict, configuration: str, fold: int, dataset_json: dict,
                 device: torch.device = torch.device("cuda")):  # noqa: B008  nnU-Net's signature, read by name
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.stopped = False  # before the last epoch
        self.trained_here = True  # and not only continued a finished run

    def own_state(self) -> dict[str, Any]:
        """State of the subclass for a checkpoint to continue from."""
        raise NotImplementedError

    def load_own_state(self, state: dict[str, Any] | None, weights: dict[str, torch.Tensor]) -> None:
        """Restore :meth:`own_state`; None for a checkpoint without it. `weights` are the checkpoint's."""
        raise NotImplementedError

    def run_training(self) -> None:
        """Train until the last epoch or until stopped; do nothing for a finished run."""
        with self.recorder.watching():
            self._train()

    def _train(self) -> None:
        if not self.was_initialized:
            self.initialize()
        if self.stopped or self.current_epoch >= self.num_epochs:
            self.trained_here = False
            self.print_to_log_file(f"Nothing left to train: {self.current_epoch} epochs are done"
                                   + (", stopped early." if self.stopped else "."))
            return
        self.on_train_start()
        try:
            while self.current_epoch < self.num_epochs and not self.stopped:
                self._run_epoch()
        except KeyboardInterrupt:
            self.print_to_log_file(
                f"Interrupted in epoch {self.current_epoch}. "
                + ("Without checkpoints there is nothing to continue from." if self.disable_checkpointing else
                   f"Continue from {LATEST} with the same command and --c."))
            raise
        finally:
            self.dataloader_train = self.dataloader_val = None  # ends the workers
        self.on_train_end()

    def after_setup(self) -> None:
        """Put an earlier run aside, begin the record and write the checkpoint of the start."""
        continued = getattr(self.logger, "resume", False)  # --c, at first from the checkpoint of the start
        if self.current_epoch == 0 and self.local_rank == 0 and not self.disable_checkpointing and not continued:
            self._put_aside()
        super().after_setup()
        if self.current_epoch == 0:
            self.save_before(0, LATEST)

    def _put_aside(self) -> None:
        """Move files of an earlier run of the fold, so that --c continues this run."""
        fold = Path(self.output_folder)
        names = (LATEST, FINAL, BEST, LAST_EPOCH, RUN_JSON, "validation", "validation_filtered", VALIDATED)
        earlier = [path for name in names if (path := fold / name).exists()]
        if not earlier:
            return
        aside = fold / f"earlier_{datetime.now():%Y%m%d_%H%M%S}"
        aside.mkdir()
        for path in earlier:
            path.rename(aside / path.name)
        self.print_to_log_file(f"This run starts anew (no --c); files of an earlier one were moved to {aside}")

    def _run_epoch(self) -> None:
        self.on_epoch_start()
        self.on_train_epoch_start()
        self.on_train_epoch_end([self.train_step(next(self.dataloader_train))
                                 for _ in range(self.num_iterations_per_epoch)])
        with torch.no_grad():
            self.on_validation_epoch_start()
            self.on_validation_epoch_end([self.validation_step(next(self.dataloader_val))
                                          for _ in range(self.num_val_iterations_per_epoch)])
        self.on_epoch_end()

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Validate with the best weights; not again where a finished run was only continued."""
        mark = Path(self.output_folder, VALIDATED)
        validated = read_json(mark)[FINAL] if mark.is_file() else ""
        if not self.trained_here and not save_probabilities and validated == self._final_sha256():
            self.print_to_log_file("The validation is complete already; --val repeats it.")
            return
        if self.local_rank == 0:
            mark.unlink(missing_ok=True)
        super().perform_actual_validation(save_probabilities)

    def after_validation(self) -> None:
        """Write the filtered twins, then the mark of a complete validation."""
        super().after_validation()
        if checkpoint := self._final_sha256():
            write_json({FINAL: checkpoint}, Path(self.output_folder, VALIDATED))

    def _final_sha256(self) -> str | None:
        path = Path(self.output_folder, FINAL)
        return sha256(path) if path.is_file() else None

    def save_before(self, epoch: int, name: str) -> None:
        """Checkpoint of the state before `epoch` (nnU-Net stores the current epoch plus one)."""
        current, self.current_epoch = self.current_epoch, epoch - 1
        self.save_checkpoint(str(Path(self.output_folder, name)))
        self.current_epoch = current

    def save_checkpoint(self, filename: str) -> None:
        """nnU-Net's checkpoint with :meth:`own_state`; the file is complete or does not exist."""
        if self.local_rank != 0:
            return
        if self.disable_checkpointing:
            self.print_to_log_file("No checkpoint written, checkpointing is disabled")
            return
        own_state = self.own_state()
        if Path(filename).name in (FINAL, BEST, LAST_EPOCH):
            own_state["best_weights"] = None  # not twice in one file
        checkpoint = {
            "network_weights": self.bare_network().state_dict(),
            "optimizer_state": self.optimizer.state_dict(),
            "grad_scaler_state": self.grad_scaler.state_dict() if self.grad_scaler is not None else None,
            "logging": self.logger.get_checkpoint(),
            "_best_ema": self._best_ema,
            "current_epoch": self.current_epoch + 1,
            "init_args": self.my_init_kwargs,
            "trainer_name": type(self).__name__,
            "inference_allowed_mirroring_axes": self.inference_allowed_mirroring_axes,
            "stopped": self.stopped,
            "nnunet_tv": own_state,
        }
        with atomic(filename) as temporary:
            torch.save(checkpoint, temporary)
        self.recorder.checkpoint(filename)

    def load_checkpoint(self, filename_or_checkpoint: str) -> None:
        """Load nnU-Net's part and :meth:`own_state`."""
        super().load_checkpoint(filename_or_checkpoint)
        checkpoint = torch.load(filename_or_checkpoint, map_location="cpu", weights_only=False)
        self.stopped = bool(checkpoint.get("stopped", False))
        self.load_own_state(checkpoint.get("nnunet_tv"), checkpoint["network_weights"])

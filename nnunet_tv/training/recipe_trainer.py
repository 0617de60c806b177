"""The recipe of the TV paper (arXiv 2510.06276, 4.2) as an nnU-Net trainer.

What differs from nnU-Net: AdamW with warm-up and cosine, an epoch that is one pass over the training
subjects, four patches of one subject per batch, early stopping on the selection set, the best weights
kept, and batches and weights that depend on the fold number alone.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from time import time
from typing import ClassVar

import numpy as np
import torch
import torch.distributed as dist
from nnunetv2.utilities.collate_outputs import collate_outputs
from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA

from nnunet_tv.planning.plans import PATCHES_PER_BATCH, check_recipe, recipe_plans
from nnunet_tv.training.early_stopping import EarlyStopping
from nnunet_tv.training.patches import SubjectPatches, loader
from nnunet_tv.training.plugin_trainer import PluginTrainer
from nnunet_tv.training.reference_maps import labels_of
from nnunet_tv.training.schedule import EpochSchedule
from nnunet_tv.training.seeds import Stage, seed_globals
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import atomic, read_json, sha256, write_json

#: Says which checkpoint the fold's validation belongs to; written when it is complete.
VALIDATED = "validation.json"
#: Epochs of all-background or all-lesion output on the selection set before a warning.
TRIVIAL_EPOCHS = 5


class RecipeTrainer(PluginTrainer):
    """The paper's recipe on MS-DSA-Net, or on the network that the plan names.

    The fold number seeds the run. ``checkpoint_final.pth`` and ``checkpoint_best.pth`` hold the weights
    of the smallest selection loss, ``checkpoint_last_epoch.pth`` the last ones. Fold ``all`` has no
    selection set apart from its training cases, so it neither stops early nor selects.

    Raises
    ------
    UnsupportedPlan
        2D or cascaded configurations, regions, an ignore label, several foreground classes.
    """

    default_epochs: ClassVar[int] = 300

    def __init__(self, plans: dict, configuration: str, fold: int, dataset_json: dict,
                 device: torch.device = torch.device("cuda")):  # noqa: B008  nnU-Net's signature, read by name
        check_recipe(plans, configuration, dataset_json, type(self).__name__)
        plans, self.plan_note = recipe_plans(plans, configuration)
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.enable_deep_supervision = False  # the recipe's patches carry one target
        self.initial_lr, self.minimum_lr, self.weight_decay = 1e-4, 1e-6, 1e-5
        self.save_every = 5
        self.early_stopping = EarlyStopping()
        self.selects = fold != "all"
        self.best_weights: dict[str, torch.Tensor] | None = None
        self.stopped = False
        self.trivial_epochs = 0
        self.trained_here = True
        self.print_to_log_file(self.plan_note)

    # ---- set-up -------------------------------------------------------------------------------

    def initialize(self) -> None:
        """Build everything; the weights are drawn from the fold's seed."""
        if self.is_ddp and PATCHES_PER_BATCH % dist.get_world_size():
            raise NnunetTVError(f"-num_gpus {dist.get_world_size()}: a batch is {PATCHES_PER_BATCH} patches, and ranks "
                                "with unequal shares would weight patches unequally; use 1, 2 or 4")
        seed_globals(self.fold, Stage.WEIGHTS)
        super().initialize()

    def configure_optimizers(self):
        """AdamW, and a schedule that is a pure function of the epoch."""
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.initial_lr, weight_decay=self.weight_decay)
        return optimizer, EpochSchedule(optimizer, epochs=self.num_epochs, peak=self.initial_lr, floor=self.minimum_lr)

    def selection_keys(self) -> list[str]:
        """Cases for early stopping and the best weights: the fold's ``selection``, else its ``val``."""
        _, validation = self.do_split()
        splits_file = Path(self.preprocessed_dataset_folder_base, "splits_final.json")
        if self.fold == "all" or not splits_file.is_file():
            return list(validation)
        splits = read_json(splits_file)
        if self.fold >= len(splits):
            raise NnunetTVError(f"{splits_file} has folds 0 to {len(splits) - 1}, not {self.fold}: nnU-Net would draw "
                                "another split at random. Convert with more --repeats, or choose a fold that is there")
        return list(splits[self.fold].get("selection", validation))

    def _scored_selection_cases(self) -> set[str]:
        """Cases that choose the weights and are scored by the fold's validation as well."""
        return set(self.selection_keys()) & set(self.do_split()[1]) if self.selects else set()

    def get_dataloaders(self):
        """Loaders of seeded batches, in order; sets the iterations per epoch."""
        training, validation = self.do_split()
        selection = self.selection_keys()
        self._check_cases({"train": training, "val": validation, "selection": selection})
        self.inference_allowed_mirroring_axes = (0, 1, 2)
        workers = get_allowed_n_proc_DA()
        loaders = []
        for stage, cases, processes in ((Stage.TRAIN, training, workers),
                                        (Stage.SELECTION, selection, min(workers, max(1, workers // 2)))):
            patches = SubjectPatches(
                self.dataset_class(self.preprocessed_dataset_folder, list(cases)),
                stage=stage, fold=self.fold, patch_size=self.configuration_manager.patch_size,
                patch_numbers=self._patch_numbers(),
                transpose_forward=self.plans_manager.transpose_forward,
                normalization_schemes=self.configuration_manager.normalization_schemes,
                use_mask_for_norm=self.configuration_manager.use_mask_for_norm,
                finish=self.finishing_transform(),
            )
            loaders.append((len(patches), loader(
                patches, first_epoch=self.current_epoch, last_epoch=self.num_epochs, workers=processes,
                pin=self.device.type == "cuda")))
        (self.num_iterations_per_epoch, train), (self.num_val_iterations_per_epoch, select) = loaders
        self.print_to_log_file(f"Training cases: {len(set(training))}; selection cases (early stopping, best "
                               f"weights): {len(set(selection))}; workers: {workers}")
        if cases := self._scored_selection_cases():
            self.print_to_log_file(f"WARNING: early stopping and the choice of weights use {len(cases)} of the cases "
                                   "that the validation of this fold scores, so its Dice will be optimistic. Score "
                                   "test cases, or give each fold of splits_final.json a `selection` of its own.")
        return iter(train), iter(select)

    def _check_cases(self, roles: dict[str, list[str]]) -> None:
        known = set(self.dataset_class.get_identifiers(self.preprocessed_dataset_folder))
        where = Path(self.preprocessed_dataset_folder_base, "splits_final.json")
        empty = [role for role, cases in roles.items() if not cases]
        if empty:
            raise NnunetTVError(f"fold {self.fold} of {where} has no {empty[0]} case: correct the split")
        shared = sorted(set(roles["train"]) & set(roles["selection"]))
        if shared and self.selects:
            raise NnunetTVError(f"fold {self.fold} of {where} has cases in train and in the selection set, which would "
                                f"choose the weights by what they were trained on: {', '.join(shared)}")
        missing = sorted({case for cases in roles.values() for case in cases} - known)
        if missing:
            raise NnunetTVError(
                f"fold {self.fold} of splits_final.json names cases that are not preprocessed in "
                f"{self.preprocessed_dataset_folder}: {', '.join(missing)}. Run nnunet-tv-plan again, or correct the "
                "split.")

    def _patch_numbers(self) -> range:
        """Numbers of the patches that this rank makes; all four without DDP."""
        if not self.is_ddp:
            return range(self.batch_size)
        sizes = [None] * dist.get_world_size()
        dist.all_gather_object(sizes, self.batch_size)
        first = sum(sizes[:self.local_rank])
        return range(first, first + self.batch_size)

    # ---- the loop -----------------------------------------------------------------------------

    def run_training(self) -> None:
        """Train until the last epoch or until stopped early; on a finished run do nothing."""
        if not self.was_initialized:
            self.initialize()
        if self.stopped or self.current_epoch >= self.num_epochs:
            self.trained_here = False
            self.print_to_log_file(f"Nothing left to train: {self.current_epoch} epochs are done"
                                   + (", stopped early." if self.stopped else "."))
            return
        self.on_train_start()
        if self.current_epoch == 0:
            self._start_afresh()
        try:
            while self.current_epoch < self.num_epochs and not self.stopped:
                self._one_epoch()
        except KeyboardInterrupt:
            self.print_to_log_file(
                f"Interrupted in epoch {self.current_epoch}. "
                + ("Without checkpoints there is nothing to continue from." if self.disable_checkpointing else
                   "Continue from checkpoint_latest.pth with the same command and --c."))
            raise
        finally:
            self.dataloader_train = self.dataloader_val = None  # ends the workers
        self.on_train_end()

    def _start_afresh(self) -> None:
        """Put aside what an earlier run of the fold left, so that --c means this run; write the first checkpoint."""
        continued = getattr(self.logger, "resume", False)  # --c from the checkpoint of the start
        if self.local_rank == 0 and not self.disable_checkpointing and not continued:
            self._put_aside()
        self._save_before(0)

    def _put_aside(self) -> None:
        fold = Path(self.output_folder)
        names = [f"checkpoint_{name}.pth" for name in ("latest", "final", "best", "last_epoch")]
        earlier = [fold / name for name in (*names, "validation", "validation_filtered", VALIDATED)
                   if (fold / name).exists()]
        if not earlier:
            return
        aside = fold / f"earlier_{datetime.now():%Y%m%d_%H%M%S}"
        aside.mkdir()
        for path in earlier:
            path.rename(aside / path.name)
        self.print_to_log_file(f"This run starts afresh (no --c); what an earlier one left is now in {aside}")

    def _one_epoch(self) -> None:
        self.on_epoch_start()
        self.on_train_epoch_start()
        self.on_train_epoch_end([self.train_step(next(self.dataloader_train))
                                 for _ in range(self.num_iterations_per_epoch)])
        with torch.no_grad():
            self.on_validation_epoch_start()
            self.on_validation_epoch_end([self.validation_step(next(self.dataloader_val))
                                          for _ in range(self.num_val_iterations_per_epoch)])
        self.on_epoch_end()

    def on_train_epoch_start(self) -> None:
        """Set the learning rate, and seed dropout for this epoch, so that a continued run repeats it."""
        seed_globals(self.fold, Stage.NETWORK, self.current_epoch, self.local_rank)
        self.network.train()
        self.lr_scheduler.step(self.current_epoch)
        rate = self.optimizer.param_groups[0]["lr"]
        self.print_to_log_file("")
        self.print_to_log_file(f"Epoch {self.current_epoch}, learning rate {rate:.3g}")
        self.logger.log("lrs", rate, self.current_epoch)

    def validation_step(self, batch: dict) -> dict:
        """nnU-Net's step, and how much of the patches is called lesion (for the warning)."""
        result = super().validation_step(batch)
        return {**result, "voxels": np.array([labels_of(batch["target"]).numel()])}

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """Loss, sensitivity, precision and Dice over all selection patches (pooled)."""
        collated = collate_outputs(val_outputs)
        sums = np.array([np.sum(collated[name]) for name in ("tp_hard", "fp_hard", "fn_hard", "voxels")], float)
        losses = np.asarray(collated["loss"], float).ravel()
        if self.is_ddp:
            gathered = [None] * dist.get_world_size()
            dist.all_gather_object(gathered, (sums, losses))
            sums = sum(part[0] for part in gathered)
            losses = np.concatenate([part[1] for part in gathered])
        tp, fp, fn, voxels = sums
        measures = {"Sens": _share(tp, tp + fn), "Prec": _share(tp, tp + fp), "DC": _share(2 * tp, 2 * tp + fp + fn)}
        self.logger.log("mean_fg_dice", measures["DC"], self.current_epoch)
        self.logger.log("dice_per_class_or_region", [measures["DC"]], self.current_epoch)
        self.logger.log("val_losses", float(np.mean(losses)), self.current_epoch)
        self.print_to_log_file("Selection patches: " + ", ".join(f"{k} {v:.4f}" for k, v in measures.items()))
        self._warn_if_trivial((tp + fp) / voxels)

    def _warn_if_trivial(self, share: float) -> None:
        self.trivial_epochs = self.trivial_epochs + 1 if share in (0.0, 1.0) else 0
        if self.trivial_epochs and self.trivial_epochs % TRIVIAL_EPOCHS == 0:
            self.print_to_log_file(
                f"WARNING: the output is all {'lesion' if share else 'background'} on the selection patches for "
                f"{self.trivial_epochs} epochs (the trivial solution of the TV paper, 4.7). If it stays so, lower the "
                "TV weight (nnUNetTrainerDiceTV_tv0p05) or look at the data.")

    def on_epoch_end(self) -> None:
        """Keep the best weights, decide on stopping, write the periodic checkpoint."""
        self.logger.log("epoch_end_timestamps", time(), self.current_epoch)
        loss = self.logger.get_value("val_losses", step=-1)
        self.print_to_log_file("train_loss", np.round(self.logger.get_value("train_losses", step=-1), decimals=4))
        self.print_to_log_file("val_loss", np.round(loss, decimals=4))
        seconds = self.logger.get_value("epoch_end_timestamps", step=-1) - self.logger.get_value(
            "epoch_start_timestamps", step=-1)
        self.print_to_log_file(f"Epoch time: {seconds:.2f} s")
        if self.selects:
            self._select(loss)
        done = self.current_epoch + 1
        if done % self.save_every == 0 and done < self.num_epochs and not self.stopped:
            self.save_checkpoint(str(Path(self.output_folder, "checkpoint_latest.pth")))
        if self.local_rank == 0:
            self.logger.plot_progress_png(self.output_folder)
        self.current_epoch = done

    def _select(self, loss: float) -> None:
        if not np.isfinite(loss):
            self.print_to_log_file(f"WARNING: the selection loss is {loss}: this epoch cannot be chosen. If it stays "
                                   "so, look at the data (NaN, empty channels) and at the learning rate.")
        if self.early_stopping.update(loss):
            self.print_to_log_file(f"New best selection loss: {loss:.4f}")
            self.best_weights = {name: value.detach().to("cpu", copy=True)
                                 for name, value in self.bare_network().state_dict().items()}
            self.save_checkpoint(str(Path(self.output_folder, "checkpoint_best.pth")))
        self.stopped = self.early_stopping.should_stop(self.current_epoch + 1)
        if self.stopped:
            self.print_to_log_file(f"Stopped early: no better average selection loss for {self.early_stopping.waited} "
                                   "epochs.")

    def on_train_end(self) -> None:
        """Write the last weights, then the best ones, which stay loaded for the validation."""
        folder = Path(self.output_folder)
        self._save_before(self.current_epoch, "checkpoint_last_epoch.pth")
        if self.selects and self.best_weights is None:
            raise NnunetTVError(
                f"the selection loss was not finite in any of {self.current_epoch} epochs, so there are no weights to "
                f"keep. The last ones are in {folder / 'checkpoint_last_epoch.pth'}; look at the data (NaN, empty "
                "channels)")
        if self.best_weights is not None:
            self.bare_network().load_state_dict(self.best_weights)
        self._save_before(self.current_epoch, "checkpoint_best.pth")
        super().on_train_end()  # checkpoint_final.pth, and checkpoint_latest.pth away
        if self.best_weights is not None:
            self.print_to_log_file(f"{folder / 'checkpoint_final.pth'} holds the weights of the best selection loss, "
                                   f"{self.early_stopping.best_loss:.4f}.")

    def perform_actual_validation(self, save_probabilities: bool = False) -> None:
        """Validate with the best weights; not again where a finished run was only continued."""
        fold = Path(self.output_folder)
        if not self.trained_here and not save_probabilities and self._validated() == self._final_sha256():
            self.print_to_log_file("The validation is there already; --val repeats it.")
            return
        if self.local_rank == 0:
            (fold / VALIDATED).unlink(missing_ok=True)
        super().perform_actual_validation(save_probabilities)
        if cases := self._scored_selection_cases():
            self.print_to_log_file(f"WARNING: the mean validation Dice above is optimistic: {len(cases)} of its cases "
                                   "also stopped the training and chose its weights.")
        if self.local_rank == 0 and (checkpoint := self._final_sha256()):
            write_json({"checkpoint_final.pth": checkpoint}, fold / VALIDATED)

    def _validated(self) -> str:
        """SHA-256 of the checkpoint whose validation is complete in the fold's folder."""
        path = Path(self.output_folder, VALIDATED)
        return read_json(path)["checkpoint_final.pth"] if path.is_file() else ""

    def _final_sha256(self) -> str | None:
        path = Path(self.output_folder, "checkpoint_final.pth")
        return sha256(path) if path.is_file() else None

    # ---- checkpoints --------------------------------------------------------------------------

    def _save_before(self, epoch: int, name: str = "checkpoint_latest.pth") -> None:
        """Checkpoint of the state before `epoch` (nnU-Net stores the current epoch plus one)."""
        current, self.current_epoch = self.current_epoch, epoch - 1
        self.save_checkpoint(str(Path(self.output_folder, name)))
        self.current_epoch = current

    def save_checkpoint(self, filename: str) -> None:
        """nnU-Net's checkpoint with the state of the selection; whole or not there."""
        if self.local_rank != 0:
            return
        if self.disable_checkpointing:
            self.print_to_log_file("No checkpoint written, checkpointing is disabled")
            return
        final = Path(filename).name in ("checkpoint_final.pth", "checkpoint_best.pth", "checkpoint_last_epoch.pth")
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
            "nnunet_tv": {
                "early_stopping": self.early_stopping.state_dict(),
                "trivial_epochs": self.trivial_epochs,
                "best_weights": None if final else self.best_weights,
            },
        }
        with atomic(filename) as temporary:
            torch.save(checkpoint, temporary)

    def load_checkpoint(self, filename_or_checkpoint: str) -> None:
        """Load nnU-Net's part and ours."""
        super().load_checkpoint(filename_or_checkpoint)
        checkpoint = torch.load(filename_or_checkpoint, map_location="cpu", weights_only=False)
        ours = checkpoint.get("nnunet_tv")
        self.stopped = bool(checkpoint.get("stopped", False))
        if ours is None:
            self.print_to_log_file("This checkpoint holds no selection state: early stopping begins anew.")
            return
        self.early_stopping.load_state_dict(ours["early_stopping"])
        self.trivial_epochs = ours["trivial_epochs"]
        self.best_weights = ours["best_weights"]
        if self.best_weights is None and self.early_stopping.best_loss is not None:
            self.best_weights = checkpoint["network_weights"]  # checkpoint_best.pth and _final.pth are the best


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")

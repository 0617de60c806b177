"""The recipe of the TV paper (arXiv 2510.06276, 4.2) as an nnU-Net trainer.

What differs from nnU-Net: AdamW with warm-up and cosine, an epoch that is one pass over the training
subjects, four patches of one subject per batch, early stopping on the selection set, the best weights
kept, and batches and weights that depend on the fold number alone.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import cycle
from pathlib import Path
from time import time
from typing import Any, ClassVar

import numpy as np
import torch
import torch.distributed as dist
from nnunetv2.utilities.default_n_proc_DA import get_allowed_n_proc_DA

from nnunet_tv.planning.plans import PATCHES_PER_BATCH, check_recipe, recipe_plans
from nnunet_tv.training.fold_cases import FoldCases, read_fold_cases
from nnunet_tv.training.patches import SubjectPatches, loader
from nnunet_tv.training.record.run_record import Seeds
from nnunet_tv.training.reference_maps import labels_of
from nnunet_tv.training.resumable_trainer import BEST, LAST_EPOCH, LATEST, ResumableTrainer
from nnunet_tv.training.schedule import EpochSchedule
from nnunet_tv.training.seeds import Stage, fold_number, seed_globals
from nnunet_tv.training.selection import TRIVIAL_EPOCHS, EarlyStopping, pool
from nnunet_tv.utils.errors import NnunetTVError

#: Epochs between two drawings of ``progress.png``, each of which takes a second.
PROGRESS_EVERY = 10


class RecipeTrainer(ResumableTrainer):
    """The paper's recipe on MS-DSA-Net, or on the network that the plan names.

    The fold number seeds the run. ``checkpoint_final.pth`` and ``checkpoint_best.pth`` hold the weights
    of the smallest selection loss, ``checkpoint_last_epoch.pth`` the last ones. Fold ``all`` has no
    selection set apart from its training cases, so it neither stops early nor selects. UnsupportedPlan for 2D or
    cascaded configurations, regions, an ignore label or several foreground classes.
    """

    default_learning_rate: ClassVar[float] = 1e-4  #: the schedule's peak
    default_epochs: ClassVar[int] = 300
    recipe: ClassVar[str] = "TV paper"

    def __init__(self, plans: dict, configuration: str, fold: int, dataset_json: dict,
                 device: torch.device = torch.device("cuda")):  # noqa: B008  nnU-Net's signature, read by name
        check_recipe(plans, configuration, dataset_json, type(self).__name__)
        plans, plan_note = recipe_plans(plans, configuration)
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.enable_deep_supervision = False  # the recipe's patches carry one target
        self.minimum_lr, self.weight_decay = self.initial_lr / 100, 1e-5
        self.save_every = 5
        self.early_stopping = EarlyStopping()
        self.selects = fold != "all"
        self.best_weights: dict[str, torch.Tensor] | None = None
        self.trivial_epochs = 0
        self.print_to_log_file(plan_note)

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

    @cached_property
    def cases(self) -> FoldCases:
        train, validation = self.do_split()
        return read_fold_cases(Path(self.preprocessed_dataset_folder_base, "splits_final.json"), self.fold,
                               train=train, validation=validation)

    def get_dataloaders(self):
        """Loaders of seeded batches, in order; sets the iterations per epoch.

        The selection batches are the same in every epoch: they are made in the first and kept.
        """
        cases, workers, pin = self.cases, get_allowed_n_proc_DA(), self.device.type == "cuda"
        cases.check(self.dataset_class.get_identifiers(self.preprocessed_dataset_folder))
        self.inference_allowed_mirroring_axes = (0, 1, 2)
        train, selection = self._patches(Stage.TRAIN, cases.train), self._patches(Stage.SELECTION, cases.selection)
        self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = len(train), len(selection)
        self.print_to_log_file(f"Training cases: {len(set(cases.train))}; selection cases (early stopping, best "
                               f"weights): {len(set(cases.selection))}; workers: {workers}")
        if scored := cases.scored_selection:
            self.print_to_log_file(f"WARNING: early stopping and the choice of weights use {len(scored)} of the cases "
                                   "that the validation of this fold scores, so its Dice will be optimistic. Score "
                                   "test cases, or give each fold of splits_final.json a `selection` of its own.")
        batches = loader(train, first_epoch=self.current_epoch, last_epoch=self.num_epochs, workers=workers, pin=pin)
        return iter(batches), cycle(loader(selection, first_epoch=0, last_epoch=1, workers=0, pin=pin))

    def _patches(self, stage: Stage, cases: Sequence[str]) -> SubjectPatches:
        return SubjectPatches(
            self.dataset_class(self.preprocessed_dataset_folder, list(cases)), stage=stage, fold=self.fold,
            patch_size=self.configuration_manager.patch_size, patch_numbers=self._patch_numbers(),
            transpose_forward=self.plans_manager.transpose_forward,
            normalization_schemes=self.configuration_manager.normalization_schemes,
            use_mask_for_norm=self.configuration_manager.use_mask_for_norm, finish=self.finishing_transform(),
        )

    def _patch_numbers(self) -> range:
        """Numbers of the patches that this rank makes; all four without DDP."""
        if not self.is_ddp:
            return range(self.batch_size)
        sizes = [0] * dist.get_world_size()
        dist.all_gather_object(sizes, self.batch_size)
        first = sum(sizes[:self.local_rank])
        return range(first, first + self.batch_size)

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
        """nnU-Net's step, and the number of voxels (for the warning of trivial output)."""
        result = super().validation_step(batch)
        return {**result, "voxels": np.array([labels_of(batch["target"]).numel()])}

    def on_validation_epoch_end(self, val_outputs: list[dict]) -> None:
        """Loss, sensitivity, precision and Dice over all selection patches (pooled)."""
        measures = pool(val_outputs, ddp=self.is_ddp)
        self.logger.log("mean_fg_dice", measures.dice, self.current_epoch)
        self.logger.log("dice_per_class_or_region", [measures.dice], self.current_epoch)
        self.logger.log("val_losses", measures.loss, self.current_epoch)
        self.print_to_log_file(f"Selection patches: {measures}")
        self._warn_if_trivial(measures.lesion_share)

    def _warn_if_trivial(self, share: float) -> None:
        self.trivial_epochs = self.trivial_epochs + 1 if share in (0.0, 1.0) else 0
        if self.trivial_epochs and self.trivial_epochs % TRIVIAL_EPOCHS == 0:
            self.print_to_log_file(
                f"WARNING: the output is all {'lesion' if share else 'background'} on the selection patches for "
                f"{self.trivial_epochs} epochs (the trivial solution of the TV paper, 4.7). If it stays so, lower the "
                "TV weight (nnUNetTrainerDiceTV_tv0p05) or check the data.")

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
        last = self.stopped or done == self.num_epochs
        if done % self.save_every == 0 and not last:
            self.save_checkpoint(str(Path(self.output_folder, LATEST)))
        if self.local_rank == 0 and (last or done % PROGRESS_EVERY == 0):
            self.logger.plot_progress_png(self.output_folder)
        self.current_epoch = done
        self.recorder.update()

    def _select(self, loss: float) -> None:
        if not np.isfinite(loss):
            self.print_to_log_file(f"WARNING: the selection loss is {loss}: this epoch cannot be chosen. If it stays "
                                   "so, check the data (NaN, empty channels) and the learning rate.")
        if self.early_stopping.update(loss):
            self.print_to_log_file(f"New best selection loss: {loss:.4f}")
            self.best_weights = {name: value.detach().to("cpu", copy=True)
                                 for name, value in self.bare_network().state_dict().items()}
            self.save_checkpoint(str(Path(self.output_folder, BEST)))
        self.stopped = self.early_stopping.should_stop(self.current_epoch + 1)
        if self.stopped:
            self.print_to_log_file(f"Stopped early: no better average selection loss for {self.early_stopping.waited} "
                                   "epochs.")

    def on_train_end(self) -> None:
        """Write the last weights, then the best ones, which stay loaded for the validation."""
        folder = Path(self.output_folder)
        self.save_before(self.current_epoch, LAST_EPOCH)
        if self.selects and self.best_weights is None:
            raise NnunetTVError(
                f"the selection loss was not finite in any of {self.current_epoch} epochs, so there are no weights to "
                f"keep. The last ones are in {folder / LAST_EPOCH}; check the data (NaN, empty channels)")
        if self.best_weights is not None:
            self.bare_network().load_state_dict(self.best_weights)
        self.save_before(self.current_epoch, BEST)
        super().on_train_end()  # checkpoint_final.pth, and checkpoint_latest.pth away
        if self.best_weights is not None:
            self.print_to_log_file(f"{folder / 'checkpoint_final.pth'} holds the weights of the best selection loss, "
                                   f"{self.early_stopping.best_loss:.4f}.")

    def after_validation(self) -> None:
        if scored := self.cases.scored_selection:
            self.print_to_log_file(f"WARNING: the mean validation Dice above is optimistic: {len(scored)} of its cases "
                                   "also stopped the training and chose its weights.")
        super().after_validation()

    def cases_by_role(self) -> dict[str, Sequence[str]]:
        return {"train": self.cases.train, "selection": self.cases.selection}

    def seeds(self) -> Seeds:
        """Every draw has a seed of its own, which :mod:`nnunet_tv.training.seeds` derives from the fold."""
        stages = ", ".join(f"{stage.name.lower()} {stage.value}" for stage in Stage)
        return Seeds(fold_number(self.fold),
                     f"numpy.random.default_rng([seed, stage, ...]) for each draw; stages: {stages}",
                     ("initial weights", "order of cases", "patches", "augmentation", "selection patches", "dropout"),
                     ())

    def best_epoch(self) -> int | None:
        best = self.early_stopping.best_loss
        return None if best is None else self.logger.get_value("val_losses", step=None).index(best)

    def own_state(self) -> dict[str, Any]:
        return {"early_stopping": self.early_stopping.state_dict(), "trivial_epochs": self.trivial_epochs,
                "best_weights": self.best_weights}

    def load_own_state(self, state: dict[str, Any] | None, weights: dict[str, torch.Tensor]) -> None:
        if state is None:
            self.print_to_log_file("This checkpoint holds no selection state: early stopping begins anew.")
            return
        self.early_stopping.load_state_dict(state["early_stopping"])
        self.trivial_epochs = state["trivial_epochs"]
        self.best_weights = state["best_weights"]
        if self.best_weights is None and self.early_stopping.best_loss is not None:
            self.best_weights = weights  # checkpoint_best.pth and checkpoint_final.pth hold the best

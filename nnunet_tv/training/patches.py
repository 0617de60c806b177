"""Batches of the recipe: four patches of one subject, made from a seed, delivered in order.

``torch.utils.data.DataLoader`` over an indexed data set keeps the order for any number of workers; nnU-Net's own
augmenter does not.
"""

import math
import signal
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, Dataset, default_collate

from nnunet_tv.training.augmentation import (
    Augmentation,
    anterior_posterior_axis,
    change_intensities,
    clear_outside,
    draw_augmentation,
    intensity_span,
)
from nnunet_tv.training.cutting import cut
from nnunet_tv.training.sampling import Centres, epoch_order, patch_start
from nnunet_tv.training.seeds import Stage, generator

#: Batches of the selection set per case; a batch is four patches, so eight patches a case.
SELECTION_BATCHES_PER_CASE = 2


class SubjectPatches(Dataset):
    """Batches by (epoch, number). Each batch is patches of one case.

    `source` is nnU-Net's data set of preprocessed cases. `stage` is ``TRAIN`` (an epoch is a permutation of the cases;
    augmented) or ``SELECTION`` (cases in order, two batches each, half of the patches on the lesion, the same every
    epoch). `fold` is part of every seed; `patch_numbers` are the subject's patches to make: all four, or a rank's
    share. `finish` is the last transform of every patch (maps of the reference). The others are the plan's.
    """

    def __init__(self, source: Any, *, stage: Stage, fold: int | str, patch_size: Sequence[int],
                 patch_numbers: Sequence[int], transpose_forward: Sequence[int],
                 normalization_schemes: Sequence[str], use_mask_for_norm: Sequence[bool] | None,
                 finish: BasicTransform | None = None):
        self.source, self.stage, self.fold = source, stage, fold
        self.patch_size, self.patch_numbers = tuple(patch_size), tuple(patch_numbers)
        self.transpose_forward = tuple(transpose_forward)
        self.cases = sorted(source.identifiers)
        self.span, self.use_mask_for_norm = intensity_span(normalization_schemes), use_mask_for_norm
        self.finish = finish or ComposeTransforms([])

    def __len__(self) -> int:
        """Batches per epoch."""
        return len(self.cases) * (1 if self.stage is Stage.TRAIN else SELECTION_BATCHES_PER_CASE)

    def __getitem__(self, key: tuple[int, int]) -> dict:
        """Batch `number` of `epoch`: ``data`` (B, C, *patch) float32, ``target`` (B, 1, *patch) int16, ``keys``."""
        epoch, number = key
        if self.stage is Stage.TRAIN:
            case = epoch_order(self.cases, self.fold, epoch)[number]
        else:
            epoch, case = 0, self.cases[number // SELECTION_BATCHES_PER_CASE]
        with torch.no_grad(), threadpool_limits(limits=1, user_api=None):
            patches = self._patches(case, epoch, number)
        # in a worker this writes into shared memory, which spares the hand-over a copy
        return {"data": default_collate([patch["image"] for patch in patches]),
                "target": default_collate([patch["segmentation"] for patch in patches]),
                "keys": [case] * len(patches)}

    def _patches(self, case: str, epoch: int, number: int) -> list[dict]:
        data, segmentation, _, properties = self.source.load_case(case)
        labels = np.asarray(segmentation[:])[0]
        if labels.size <= len(self.patch_numbers) * math.prod(self.patch_size):
            data = data[:]  # decompressed once, and not in parts for each patch
        centres = Centres(labels, case=case)
        axis = anterior_posterior_axis(properties, self.transpose_forward)
        return [self._patch(data, labels, centres, axis, generator(self.fold, self.stage, epoch, number, i), i)
                for i in self.patch_numbers]

    def _patch(self, data: Any, labels: np.ndarray, centres: Centres, axis: int, rng: np.random.Generator,
               i: int) -> dict:
        train = self.stage is Stage.TRAIN
        lesion = bool(rng.random() < 0.5) if train else i % 2 == 0
        start = patch_start(centres.draw(rng, lesion=lesion), labels.shape, self.patch_size)
        augmentation = draw_augmentation(rng, span=self.span) if train else Augmentation()
        image, target = cut(data, labels, start, self.patch_size, axis=axis, angle_rad=augmentation.angle_rad,
                            flipped=augmentation.flipped)
        change_intensities(image, augmentation)
        if train:
            clear_outside(image, target, self.use_mask_for_norm)
        np.maximum(target, 0, out=target)
        return self.finish(image=torch.from_numpy(image), segmentation=torch.from_numpy(target)[None])


def _ignore_interrupt(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which then ends the workers


def loader(patches: SubjectPatches, *, first_epoch: int, last_epoch: int, workers: int, pin: bool) -> DataLoader:
    """Loader of all epochs from `first_epoch` up to `last_epoch`, made ahead by `workers` processes."""
    return DataLoader(
        patches, batch_size=None, sampler=list(product(range(first_epoch, last_epoch), range(len(patches)))),
        num_workers=workers, pin_memory=pin, worker_init_fn=_ignore_interrupt if workers else None,
        prefetch_factor=2 if workers else None)

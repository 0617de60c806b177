"""Batches of the recipe: four patches of one subject, made from a seed, delivered in order.

``torch.utils.data.DataLoader`` over an indexed data set keeps the order whatever the number of workers;
nnU-Net's own augmenter does not. The classes here are pickled to workers, so they live in the installed
package and not among the trainers.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from acvl_utils.cropping_and_padding.bounding_boxes import crop_and_pad_nd
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from batchgeneratorsv2.transforms.utils.remove_label import RemoveLabelTansform
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, Dataset, Sampler

from nnunet_tv.training.augmentation import (
    anterior_posterior_axis,
    intensity_span,
    rotated_patch_size,
    training_transforms,
)
from nnunet_tv.training.sampling import draw_centre, epoch_order, patch_start
from nnunet_tv.training.seeds import Stage, generator, seeded

#: Batches of the selection set per case; a batch is four patches, so eight patches a case.
SELECTION_BATCHES_PER_CASE = 2


class SubjectPatches(Dataset):
    """Batches by (epoch, number). Each batch is patches of one case.

    Parameters
    ----------
    source : nnUNetBaseDataset
        nnU-Net's preprocessed cases.
    stage : Stage
        ``TRAIN`` (an epoch is a permutation of the cases; augmented) or ``SELECTION`` (cases in order,
        two batches each, half of the patches on the lesion, the same every epoch).
    fold : int or str
        Fold, part of every seed.
    patch_size : sequence of int
        Spatial size of a patch, in the plan's axis order.
    patch_numbers : sequence of int
        Which of the subject's patches to make: all four, or a rank's share of them.
    transpose_forward, normalization_schemes, use_mask_for_norm : sequence
        From the plan.
    finish : BasicTransform, optional
        Last transform of every patch (maps of the reference for the loss).
    """

    def __init__(self, source: Any, *, stage: Stage, fold: int | str, patch_size: Sequence[int],
                 patch_numbers: Sequence[int], transpose_forward: Sequence[int],
                 normalization_schemes: Sequence[str], use_mask_for_norm: Sequence[bool] | None,
                 finish: BasicTransform | None = None):
        self.source, self.stage, self.fold = source, stage, fold
        self.patch_size, self.patch_numbers = tuple(patch_size), tuple(patch_numbers)
        self.transpose_forward = tuple(transpose_forward)
        self.cases = sorted(source.identifiers)
        span = intensity_span(normalization_schemes)
        self.augment = [training_transforms(self.patch_size, axis, span=span, use_mask_for_norm=use_mask_for_norm)
                        for axis in range(3)]
        self.plain = RemoveLabelTansform(-1, 0)
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
            data, segmentation, _, properties = self.source.load_case(case)
            labels = np.asarray(segmentation[:])[0]
            patches = [self._patch(data, segmentation, labels, properties, case, epoch, number, i)
                       for i in self.patch_numbers]
        return {
            "data": torch.stack([patch["image"] for patch in patches]),
            "target": torch.stack([patch["segmentation"] for patch in patches]),
            "keys": [case] * len(patches),
        }

    def _patch(self, data, segmentation, labels, properties, case, epoch, number, i) -> dict:
        rng = generator(self.fold, self.stage, epoch, number, i)
        train = self.stage is Stage.TRAIN
        lesion = bool(rng.random() < 0.5) if train else i % 2 == 0
        centre = draw_centre(labels, lesion=lesion, case=case, rng=rng)
        start = patch_start(centre, labels.shape, self.patch_size)
        size = self.patch_size
        if train:
            axis = anterior_posterior_axis(properties, self.transpose_forward)
            size = rotated_patch_size(self.patch_size, axis)
        first = [s - (big - small) // 2 for s, big, small in zip(start, size, self.patch_size, strict=True)]
        box = [[f, f + n] for f, n in zip(first, size, strict=True)]
        patch = {
            "image": torch.from_numpy(crop_and_pad_nd(data, box, 0)).float(),
            "segmentation": torch.from_numpy(crop_and_pad_nd(segmentation, box, -1, cast_cropped_to=np.int16)),
        }
        if not train:
            return self.finish(**self.plain(**patch))
        with seeded(self.fold, self.stage, epoch, number, i):
            return self.finish(**self.augment[axis](**patch))


class EpochsInOrder(Sampler):
    """Keys (epoch, number) from `first` epoch to the last, without a break between epochs."""

    def __init__(self, batches: int, *, first: int, last: int):
        self.batches, self.first, self.last = batches, first, last

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Keys in order."""
        for epoch in range(self.first, self.last):
            for number in range(self.batches):
                yield epoch, number

    def __len__(self) -> int:
        """Number of keys."""
        return self.batches * max(0, self.last - self.first)


def _ignore_interrupt(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the main process, which then ends the workers


def loader(patches: SubjectPatches, *, first_epoch: int, last_epoch: int, workers: int, pin: bool) -> DataLoader:
    """Loader of all epochs from `first_epoch` up to `last_epoch`, made ahead by `workers` processes."""
    return DataLoader(
        patches, batch_size=None, sampler=EpochsInOrder(len(patches), first=first_epoch, last=last_epoch),
        num_workers=workers, pin_memory=pin, worker_init_fn=_ignore_interrupt if workers else None,
        prefetch_factor=2 if workers else None,
    )

"""Batches and arithmetic in numpy that several tests of losses share."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt


def as_logits(probability) -> torch.Tensor:
    """Logits (float64) whose softmax has `probability` (B, *spatial) in channel 1; 0 and 1 become ±60."""
    probability = torch.as_tensor(np.asarray(probability), dtype=torch.float64)
    logit = torch.logit(probability).clamp(-60, 60)
    return torch.stack([-logit / 2, logit / 2], 1)


def random_batch(shape=(3, 7, 6, 5), seed=3):
    """Probabilities and labels, shape (B, *spatial), as numpy arrays."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.02, 0.98, shape), (rng.random(shape) < 0.3).astype(float)


def call(loss, probability, reference):
    """Value of a loss for arrays (B, *spatial)."""
    return loss(as_logits(probability), torch.from_numpy(np.asarray(reference, float))[:, None]).item()


def numpy_squared_distance(mask, spacing):
    """Distance² to the nearest voxel of the other label, by SciPy; a mask (*spatial) with both labels."""
    mask = np.asarray(mask, bool)
    return distance_transform_edt(mask, spacing) ** 2 + distance_transform_edt(~mask, spacing) ** 2

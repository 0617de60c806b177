"""Batches, and arithmetic in NumPy that tests of losses compare with."""

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt


def as_logits(probability) -> torch.Tensor:
    """Logits (float64) whose softmax has `probability` (B, *spatial) in channel 1; 0 and 1 become ±60."""
    probability = torch.as_tensor(np.asarray(probability), dtype=torch.float64)
    logit = torch.logit(probability).clamp(-60, 60)
    return torch.stack([-logit / 2, logit / 2], 1)


def as_target(reference) -> torch.Tensor:
    """Labels (B, 1, *spatial), float64, of an array (B, *spatial)."""
    return torch.from_numpy(np.asarray(reference, float))[:, None]


def random_batch(shape=(3, 7, 6, 5), seed=3):
    """Probabilities and labels, shape (B, *spatial), as NumPy arrays."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0.02, 0.98, shape), (rng.random(shape) < 0.3).astype(float)


def random_logits(size, *, dtype=torch.float32, labels=torch.int64, device="cpu", patches=2, seed=0):
    """Logits (B, 2, *size) and labels (B, 1, *size)."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn((patches, 2, *size), generator=generator, dtype=torch.float64)
    target = torch.rand((patches, 1, *size), generator=generator) < 0.3
    return logits.to(device, dtype).requires_grad_(), target.to(device, labels)


def call(loss, probability, reference):
    """Value of a loss for arrays (B, *spatial)."""
    return loss(as_logits(probability), as_target(reference)).item()


def numpy_dice(p, g, axes=None, smooth=1e-5):
    return np.mean(1 - (2 * (p * g).sum(axes) + smooth) / (p.sum(axes) + g.sum(axes) + smooth))


def numpy_tversky(p, g, alpha=0.3, beta=0.7, axes=None, smooth=1e-5):
    overlap, extra, missed = (np.sum(x, axes) for x in (p * g, p * (1 - g), (1 - p) * g))
    return np.mean(1 - (overlap + smooth) / (overlap + alpha * extra + beta * missed + smooth))


def numpy_focal(p, g, gamma=2.0):
    right = np.where(g == 1, p, 1 - p)
    return np.mean(-((1 - right) ** gamma) * np.log(right))


def numpy_total_variation(p, weight=None):
    total = 0.0
    for axis in range(1, p.ndim):
        size = p.shape[axis]
        if size > 1:
            steps = np.abs(np.diff(p, axis=axis))
            if weight is not None:
                steps *= (np.take(weight, range(1, size), axis) + np.take(weight, range(size - 1), axis)) / 2
            total += steps.mean()
    return total


def numpy_squared_distance(mask, spacing):
    """Distance² to the nearest voxel of the other label, by SciPy; a mask (*spatial) with both labels."""
    mask = np.asarray(mask, bool)
    return distance_transform_edt(mask, spacing) ** 2 + distance_transform_edt(~mask, spacing) ** 2

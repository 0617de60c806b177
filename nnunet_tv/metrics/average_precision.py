"""Area under the precision-recall curve of a probability map."""

import numpy as np


def average_precision(probability: np.ndarray, reference: np.ndarray) -> float | None:
    """Sum over thresholds of (R_n - R_(n-1)) · P_n, with recall R and precision P of voxels.

    Every probability in the reference is a threshold; nothing is interpolated (as scikit-learn's
    ``average_precision_score``). `probability` and the mask `reference`, bool, have the shape (X, Y, Z); None is
    returned without a lesion.
    """
    inside = probability[reference]
    if not inside.size:
        return None
    thresholds, counts = np.unique(inside, return_counts=True)
    high = (probability >= thresholds[0]) & ~reference
    reached = np.searchsorted(thresholds, probability[high], side="right")  # thresholds up to each voxel's probability
    false = np.bincount(reached, minlength=len(thresholds) + 1)[1:]
    tp, fp = np.cumsum(counts[::-1]), np.cumsum(false[::-1])
    return float((counts[::-1] / len(inside) * (tp / (tp + fp))).sum())


def check_probability(probability: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`probability` as an array; ValueError unless it has the shape and its values are in 0..1."""
    probability = np.asarray(probability)
    if probability.shape != tuple(shape):
        raise ValueError(f"probability {probability.shape} and reference {tuple(shape)} differ in shape: bring them "
                         "onto one grid first")
    low, high = (float(probability.min()), float(probability.max())) if probability.size else (0.0, 0.0)
    if not (-1e-3 <= low and high <= 1 + 1e-3):  # NaN fails too
        raise ValueError(f"expected probabilities from 0 to 1, found {low:g} to {high:g}")
    return probability

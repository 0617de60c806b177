"""Mutual information of two scans at given points, independent of the backend that aligned them.

In nats (0 for independent images), from a joint histogram of 32 x 32 bins as in Mattes et al. (IEEE TMI 2003), without
their spline windows.
"""

from collections.abc import Sequence

import numpy as np

from nnunet_tv.imaging.volume import Volume


def limits(volume: Volume) -> tuple[float, float]:
    """Lowest and highest value of the histogram: percentiles 0.5 and 99.5 of the values that are not 0."""
    values = volume.data[volume.data != 0]
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values[:: max(1, values.size // 200_000)], (0.5, 99.5))
    return float(min(low, 0.0)), float(max(high, low + 1e-6))


def binned(values: np.ndarray, low_high: Sequence[float], bins: int = 32) -> np.ndarray:
    """Bin numbers 0 to `bins` - 1 of `values`; values outside the limits are in the outer bins."""
    low, high = low_high
    return np.clip((values - low) * (bins / (high - low)), 0, bins - 1).astype(np.intp)


def mutual_information(first: np.ndarray, second: np.ndarray, bins: int = 32) -> float:
    """Mutual information in nats of two arrays of bin numbers of equal shape."""
    counts = np.bincount((first * bins + second).ravel(), minlength=bins * bins).reshape(bins, bins)
    joint = counts / max(first.size, 1)
    product = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
    there = joint > 0
    return float((joint[there] * np.log(joint[there] / product[there])).sum())

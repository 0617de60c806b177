"""Components of a mask as lists of voxels: one labelling, no mask per component."""

from dataclasses import dataclass

import numpy as np

from nnunet_tv.imaging.clusters import label_clusters


@dataclass(frozen=True)
class Components:
    """The components of one mask, the largest first; of equal ones, the one that starts first."""

    mask: np.ndarray  #: the mask itself, shape (X, Y, Z), bool
    voxels: np.ndarray  #: indices of the mask's voxels in the array's order, shape (n, 3), int64
    numbers: np.ndarray  #: component of each voxel, from 0, shape (n,), int64
    sizes: np.ndarray  #: voxels of each component, shape (components,), int64

    def __len__(self):
        return len(self.sizes)

    def index(self) -> np.ndarray:
        """Position of each voxel in the flattened volume, rising, shape (n,)."""
        return np.ravel_multi_index(tuple(self.voxels.T), self.mask.shape)

    def means(self, values: np.ndarray) -> np.ndarray:
        """Mean of a value per voxel over each component, shape (components,), float64."""
        return np.bincount(self.numbers, values, minlength=len(self)) / self.sizes

    def largest(self, values: np.ndarray) -> np.ndarray:
        """Largest of a value per voxel over each component, shape (components,)."""
        result = np.full(len(self), -np.inf)
        np.maximum.at(result, self.numbers, values)
        return result

    def by_confidence(self, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Order of the components (see :func:`confidence_key`), and peak and mean probability of each in that order.

        `probability` has the shape of the mask; the results have the shape (components,).
        """
        values = probability[tuple(self.voxels.T)].astype(float)
        peaks, means = self.largest(values), self.means(values)
        keys = map(confidence_key, peaks.tolist(), means.tolist(), self.sizes.tolist())
        order = np.array([place for _, place in sorted(zip(keys, range(len(self)), strict=True))], int)
        return order, peaks[order], means[order]

    def centres(self) -> np.ndarray:
        """Centres of mass in voxels, shape (components, 3)."""
        return np.stack([self.means(self.voxels[:, axis]) for axis in range(3)], axis=1)


def confidence_key(peak: float | None, mean: float | None, volume: float) -> tuple[float, float, float]:
    """Sorting key of clusters: the one of highest confidence comes first.

    The confidence of a cluster is its peak probability, and the thresholds of FROC are thresholds on it. Clusters of
    equal confidence are ordered by mean probability, then by volume; without probabilities, by volume.
    """
    return -(peak or 0.0), -(mean or 0.0), -volume


def as_mask(array: np.ndarray, name: str) -> np.ndarray:
    """`array` as a mask, shape (X, Y, Z), bool; ValueError unless it is 3D and contains 0 and 1 only."""
    array = np.asarray(array)
    if array.ndim != 3:
        raise ValueError(f"expected a 3D {name}, found shape {array.shape}")
    if array.dtype == bool:
        return array
    if array.dtype == np.uint8 and array.size and array.max() <= 1:
        return array.view(bool)
    mask = array == 1
    if not np.array_equal(mask, array != 0):
        values = np.unique(array)
        shown = ", ".join(f"{value:g}" for value in values[:6]) + (", …" if values.size > 6 else "")
        raise ValueError(f"expected a {name} of 0 and 1, found {shown}")
    return mask


def find_components(mask: np.ndarray, *, connectivity: int = 26) -> Components:
    """Components of a mask, shape (X, Y, Z), bool; ValueError for another connectivity than 6, 18 or 26."""
    # In the order of memory, which for NIfTI is mostly X fastest: several times faster.
    transposed = mask.flags.f_contiguous and not mask.flags.c_contiguous
    memory = mask.T if transposed else mask
    where = np.unravel_index(np.flatnonzero(memory), memory.shape)
    voxels = np.stack(where[::-1] if transposed else where, axis=1)
    low, high = (voxels.min(axis=0), voxels.max(axis=0) + 1) if len(voxels) else (np.zeros(3, int), np.zeros(3, int))
    box = tuple(slice(*side) for side in zip(low.tolist(), high.tolist(), strict=True))
    labels, n = label_clusters(mask[box], connectivity=connectivity)
    if transposed:
        voxels = voxels[np.argsort(np.ravel_multi_index(tuple(voxels.T), mask.shape))]
    numbers = labels[tuple((voxels - low).T)].astype(np.int64) - 1
    sizes = np.bincount(numbers, minlength=n)
    # The order of labels is not specified: size and first voxel decide.
    first = np.full(n, len(numbers))
    np.minimum.at(first, numbers, np.arange(len(numbers)))
    order = np.lexsort((first, -sizes))
    return Components(mask, voxels, np.argsort(order)[numbers], sizes[order])

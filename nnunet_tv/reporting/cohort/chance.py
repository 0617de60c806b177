"""In how many subjects chance marks the same voxel: an exact limit, without resampling."""

from collections.abc import Sequence

import numpy as np

#: Largest probability that chance alone reaches the limit anywhere in a map.
LEVEL = 0.05


def at_least(probabilities: Sequence[float]) -> np.ndarray:
    """Probability that at least k of n independent events occur, for k = 0 to n + 1; shape (n + 2,).

    The Poisson binomial distribution, by convolution. Upper tails are summed from the smallest term, so that those of
    1e-12 are as exact as those of 0.5 (``1 - cdf`` of scipy.stats.poisson_binom is not).

    Examples
    --------
    >>> at_least([0.5, 0.5]).tolist()
    [1.0, 0.75, 0.25, 0.0]
    """
    exactly = np.ones(1)
    for p in probabilities:
        exactly = np.convolve(exactly, (1 - p, p))
    return np.append(np.cumsum(exactly[::-1])[::-1], 0.0)


def count_limit(probabilities: Sequence[float], *, searched_voxels: int) -> int | None:
    """Smallest number of subjects in whom one voxel is marked more often than chance allows, at least 2.

    `probabilities` are those of a voxel to be marked by chance in each subject, wherever it is, independently of other
    subjects. The number of subjects that mark a voxel then has the Poisson binomial distribution. The limit is the
    smallest k with `searched_voxels` · P(at least k) <= 0.05. By the union bound (Bonferroni), the probability that any
    voxel reaches it is at most 0.05, however the voxels of one subject depend on each other, so that clusters may have
    any shape and size.

    Returns None if even a voxel that every subject marks is not beyond chance.

    Examples
    --------
    >>> count_limit([0.001] * 10, searched_voxels=1_800_000)
    4
    """
    tails = at_least(probabilities)[:-1]
    beyond = np.flatnonzero(searched_voxels * tails <= LEVEL)
    return max(2, int(beyond[0])) if len(beyond) and len(probabilities) >= 2 else None

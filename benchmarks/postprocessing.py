"""The cluster filter on a mask of 182×218×182 with 30 clusters, against plain SciPy; and on 1,000 random masks.

  python benchmarks/postprocessing.py --json postprocessing.json

The peer is opening, ``binary_fill_holes(structure=ones((5, 5, 5)))``, ``label`` and a loop over the labels with a mask
of the whole volume each, all SciPy, on the same arrays.
"""

import numpy as np
from scipy import ndimage
from side_by_side import TIMES, alternate, parser, summary, table, write

from nnunet_tv.postprocessing import STANDARD, remove_small_clusters

SHAPE = (182, 218, 182)


def plain(segmentation: np.ndarray) -> np.ndarray:
    """The four steps as SciPy has them."""
    mask = ndimage.binary_opening(segmentation != 0)
    mask = ndimage.binary_fill_holes(mask, structure=np.ones((5, 5, 5)))
    labels, n = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    result = np.zeros_like(segmentation)
    for label in range(1, n + 1):
        cluster = labels == label
        if cluster.sum() >= STANDARD.min_voxels:
            result[cluster] = 1
    return result


def clusters(seed: int, *, n: int = 30) -> np.ndarray:
    """Balls of 1 to 8 voxels' radius anywhere in the volume; every third is a shell around a hole."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, np.uint8)
    for number in range(n):
        radius = rng.uniform(1, 8)
        centre = [rng.uniform(10, side - 10) for side in SHAPE]
        box = tuple(slice(int(c) - 9, int(c) + 10) for c in centre)
        grid = np.stack(np.meshgrid(*(np.arange(side.start, side.stop) for side in box), indexing="ij"), -1)
        distance = np.linalg.norm(grid - centre, axis=-1)
        hole = radius / 3 if number % 3 == 0 else -1.0
        mask[box] |= ((distance <= radius) & (distance > hole)).astype(np.uint8)
    return mask


def random_mask(rng: np.random.Generator) -> np.ndarray:
    """Small, of any density, smooth or not; or thin shells a few voxels apart: where shortcuts would show."""
    if rng.random() < 0.5:
        return _shells(rng)
    shape = rng.integers(5, 28, 3)
    field = rng.standard_normal(shape)
    if rng.random() < 0.7:
        field = ndimage.gaussian_filter(field, rng.uniform(0.5, 2))
    return (field > np.quantile(field, rng.uniform(0.2, 0.95))).astype(np.uint8)


def _shells(rng: np.random.Generator) -> np.ndarray:
    shape = rng.integers(15, 50, 3)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
    mask = np.zeros(shape, bool)
    for _ in range(rng.integers(1, 8)):
        distance = np.linalg.norm((grid - rng.uniform(0, shape)) / rng.uniform(0.6, 1.4, 3), axis=-1)
        outer = rng.uniform(1, 12)
        mask |= (distance <= outer) & (distance > outer - rng.uniform(0.8, 5))
    return (mask & (rng.random(shape) > rng.choice([0, 0.02]))).astype(np.uint8)


def main() -> None:
    """Run and print."""
    arguments = parser(__doc__, repeats=5)
    arguments.add_argument("--masks", type=int, default=1000, help="random masks to compare")
    arguments.add_argument("--seed", type=int, default=0)
    options = arguments.parse_args()
    rng = np.random.default_rng(options.seed)
    different = 0
    for _ in range(options.masks):
        mask = random_mask(rng)
        different += not np.array_equal(remove_small_clusters(mask), plain(mask))
    print(f"{options.masks} random masks: {different} differ")
    mask = clusters(options.seed)
    if not np.array_equal(remove_small_clusters(mask), plain(mask)):
        raise SystemExit("the results differ on the large mask: no timing")
    rows = summary(alternate({"ours": lambda: remove_small_clusters(mask), "plain SciPy": lambda: plain(mask)},
                             repeats=options.repeats), ours="ours")
    print(table(rows, {"name": "filter", **TIMES}))
    write(options.json, {"benchmark": "postprocessing", "settings": vars(options), "different": different,
                         "masks": options.masks, "rows": rows})


if __name__ == "__main__":
    main()

"""Every random draw of the recipe has a named seed, so that a run can be interrupted and repeated."""

import random
from enum import IntEnum

import numpy as np
import torch

#: Stands for fold ``all`` in seeds; larger than any fold that a split holds.
FOLD_ALL = 1_000_003


class Stage(IntEnum):
    """Purpose of a random draw; part of its seed."""

    WEIGHTS = 0
    ORDER = 1
    TRAIN = 2
    SELECTION = 3
    NETWORK = 4


def fold_number(fold: int | str) -> int:
    """Integer for a fold in seeds; ``all`` has a fixed one."""
    return FOLD_ALL if fold == "all" else int(fold)


def generator(fold: int | str, stage: Stage, *key: int) -> np.random.Generator:
    """NumPy generator for one draw: equal arguments give equal numbers on every machine."""
    return np.random.default_rng([fold_number(fold), int(stage), *key])


def seed_globals(fold: int | str, stage: Stage, *key: int) -> None:
    """Seed the global generators of Python, NumPy and torch (CPU and CUDA) for one draw."""
    seeds = generator(fold, stage, *key).integers(0, 2**32, size=3, dtype=np.uint64)
    random.seed(int(seeds[0]))
    np.random.seed(int(seeds[1]))  # noqa: NPY002  libraries draw from the global generator
    torch.manual_seed(int(seeds[2]))

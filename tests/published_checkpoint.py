"""The published checkpoint's layout at 64³ with the weights and the input of the golden output."""

import csv
import zlib
from pathlib import Path

import numpy as np
import pytest

PUBLISHED = Path(__file__).parent / "data" / "ms_dsa_net"


def published_layout() -> dict[str, tuple[tuple[int, ...], bool]]:
    """Names of the published checkpoint at 64³: shape, and whether the tensor is trained."""
    with (PUBLISHED / "checkpoint_keys_64.tsv").open(newline="") as file:
        return {row["name"]: (() if row["shape"] == "scalar" else tuple(map(int, row["shape"].split("x"))),
                              row["trainable"] == "1")
                for row in csv.DictReader(file, delimiter="\t")}


def published_tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Value that the golden output was computed with: a wave whose phase comes from the tensor's name."""
    wave = np.sin(0.7 * np.arange(int(np.prod(shape)), dtype=np.float64) + zlib.crc32(name.encode()) % 1000)
    wave = wave.reshape(shape)
    part = name.split(".")[-1]
    if part == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if part == "running_var":
        wave = 1 + wave**2 / 2
    elif part in ("temperature", "temperature2", "gamma") or (part == "weight" and len(shape) == 1):
        wave = (0.5 if part == "gamma" else 1) + wave / 10
    else:
        wave = wave * (0.05 if part == "EF" else 0.1)
    return wave.astype(np.float32)


@pytest.fixture(scope="session")
def _published_weights() -> dict:
    import torch

    return {name: torch.from_numpy(published_tensor(name, shape)) for name, (shape, _) in published_layout().items()}


@pytest.fixture
def published_weights(_published_weights) -> dict:
    """State dict in the published layout at 64³, filled as for the golden output; the dict is the test's own."""
    return dict(_published_weights)


@pytest.fixture(scope="session")
def published_image() -> np.ndarray:
    """Golden input, shape (1, 2, 64, 64, 64), float32; no symmetry along or between axes."""
    x, y, z = np.ogrid[:64, :64, :64]
    channels = [np.sin(0.11 * x + 0.07 * y + 0.05 * z + c) + 0.5 * np.cos(0.31 * x - 0.23 * y + 0.17 * z)
                for c in range(2)]
    return np.stack(channels)[None].astype(np.float32)

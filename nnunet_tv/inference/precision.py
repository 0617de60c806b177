"""bfloat16 on processors that have instructions for it, and the check that it changes no segmentation.

On such a processor convolutions take about a third of the time. bfloat16 keeps 8 bits of a number, so every case is
checked where the network is surest of a lesion: that patch is predicted in float32 too, and if more than
:data:`TOLERATED_VOXELS` differ the whole case is done again in float32.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

log = logging.getLogger(__name__)
#: Choices of ``--precision``.
PRECISIONS = ("auto", "float32", "bfloat16")
#: Voxels of a patch in which the two segmentations may differ.
TOLERATED_VOXELS = 10
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")  # x86, and 64-bit Arm


@lru_cache(maxsize=1)
def has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor says that it computes in bfloat16; False where it does not say (not Linux)."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return any(name in flags for name in _INSTRUCTIONS)


def wants_bfloat16(precision: str, device: str) -> bool:
    """Whether to try it: on the CPU, if asked for, or with ``auto`` where there are instructions.

    Raises
    ------
    ValueError
        An unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    return device == "cpu" and (precision == "bfloat16" or (precision == "auto" and has_bfloat16()))


def surest_patch(data: Tensor, logits: Tensor, patch_size: Sequence[int]) -> Tensor:
    """The patch of a preprocessed image around the voxel with the highest lesion logit, zero-padded where it ends.

    Parameters
    ----------
    data : Tensor, shape (C, X, Y, Z)
        Preprocessed image.
    logits : Tensor, shape (2, X, Y, Z)
        What was predicted from it.
    patch_size : sequence of 3 int
        Size of the network's input.

    Returns
    -------
    Tensor, shape (1, C, *patch_size)
    """
    margin = logits[1].float() - logits[0].float()
    centre = torch.unravel_index(margin.argmax(), margin.shape)
    result = data.new_zeros(1, data.shape[0], *patch_size)
    source, target = [slice(None)], [0, slice(None)]
    for middle, side, whole in zip(centre, patch_size, data.shape[1:], strict=True):
        start = min(max(int(middle) - side // 2, 0), max(whole - side, 0))
        length = min(side, whole)
        source.append(slice(start, start + length))
        target.append(slice(0, length))
    result[tuple(target)] = data[tuple(source)]
    return result


def differing_voxels(network: Callable[[Tensor], Tensor], patch: Tensor) -> int:
    """Voxels of a patch that the network segments otherwise in bfloat16 than in float32."""
    with torch.inference_mode():
        exact = network(patch).argmax(1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(patch).argmax(1)
    return int((exact != rough).sum())

"""bfloat16 on processors with instructions for it, with a check against float32.

It cuts the time of convolutions to about a third. bfloat16 keeps 8 bits of a number, so the patch of each case in which
the network is surest of a lesion is predicted in float32 too; if more than :data:`TOLERATED_VOXELS` differ, the whole
case is repeated in float32.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

#: Choices of ``--precision``.
PRECISIONS = ("auto", "float32", "bfloat16")
#: Voxels of a patch in which the two segmentations may differ.
TOLERATED_VOXELS = 10
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")  # x86, and 64-bit Arm


def has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor reports bfloat16 instructions; False where it reports nothing (not Linux)."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith(("flags", "Features"))), [])
    return any(name in flags for name in _INSTRUCTIONS)


def use_bfloat16(precision: str, device: str) -> bool:
    """Whether to try bfloat16: on the CPU, on request, or with ``auto`` if there are instructions."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    return device == "cpu" and (precision == "bfloat16" or (precision == "auto" and has_bfloat16()))


def surest_patch(data: Tensor, logits: Tensor, patch_size: Sequence[int]) -> Tensor:
    """The patch (1, C, *patch_size) of a preprocessed image around the voxel with the highest lesion logit.

    `data` has the shape (C, X, Y, Z) and `logits` (2, X, Y, Z); the patch is padded with zeros where the image ends.
    """
    margin = logits[1].float() - logits[0].float()
    centre = torch.unravel_index(margin.argmax(), margin.shape)
    starts = [min(max(int(middle) - side // 2, 0), max(whole - side, 0))
              for middle, side, whole in zip(centre, patch_size, margin.shape, strict=True)]
    part = data[(slice(None), *(slice(start, start + side) for start, side in zip(starts, patch_size, strict=True)))]
    padding = [side - length for side, length in zip(patch_size, part.shape[1:], strict=True)]
    return torch.nn.functional.pad(part, [0, padding[2], 0, padding[1], 0, padding[0]])[None]


def differing_voxels(network: Callable[[Tensor], Tensor], patch: Tensor) -> int:
    """Number of voxels of a patch that the network segments differently in bfloat16 and in float32."""
    with torch.inference_mode():
        exact = network(patch).argmax(1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = network(patch).argmax(1)
    return int((exact != rough).sum())

"""Forward and backward of the Hausdorff loss: ours with the workers' map, ours without it, and MONAI's.

  python benchmarks/hausdorff.py
  python benchmarks/hausdorff.py --device cuda --patch 128 --batch 4 --json hausdorff.json

All get the same logits and labels (1 mm voxels, so that MONAI's voxels are our mm) and their values are compared
before anything is timed. `map` is what a data loader's worker does per batch, off the training step. Rounds are
alternated; the table has medians. MONAI: `pip install 'nnunet-tv[monai]'`.
"""

import argparse
from collections.abc import Callable
from typing import Any

import torch
from side_by_side import TIMES, alternate, parser, summary, table, write

from nnunet_tv.losses import HausdorffDTLoss
from nnunet_tv.losses.grid import VoxelGrid
from nnunet_tv.training.reference_maps import AppendReferenceMaps

OURS = "ours, map from the workers"


def batch(patch: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits with blobs of false positives and a hazy lesion; labels with one lesion in every patch."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(size, 1, *[patch] * 3, generator=generator)
    logit = 30 * torch.nn.functional.avg_pool3d(noise, 7, 1, 3) - 5
    labels = torch.zeros_like(logit)
    low, high = patch // 3, patch // 3 + patch // 6
    labels[:, :, low:high, low:high, low:high] = 1
    logit += 8 * labels.roll(2, 2)
    return torch.cat([-logit / 2, logit / 2], 1), labels


def step(loss: Callable, logits: torch.Tensor, target: torch.Tensor) -> Callable[[], float]:
    """A function that does forward and backward and returns the loss."""
    def run() -> float:
        logits.grad = None
        value = loss(logits, target)
        value.backward()
        return value.detach()
    return run


def contestants(options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """Steps by name; each has been run once and gives the same loss."""
    from monai.losses import HausdorffDTLoss as MonaiLoss

    logits, labels = batch(options.patch, options.batch)
    ours = HausdorffDTLoss(spacing_mm=(1.0, 1.0, 1.0))
    append = AppendReferenceMaps(ours.reference_maps(), VoxelGrid((1.0, 1.0, 1.0)))
    with_maps = torch.stack([append(segmentation=patch)["segmentation"] for patch in labels])
    logits, on_device, with_maps = (value.to(options.device) for value in (logits, labels, with_maps))
    logits.requires_grad_()
    steps = {
        OURS: step(ours, logits, with_maps),
        "ours, no map": step(ours, logits, on_device),
        "MONAI": step(MonaiLoss(softmax=True, to_onehot_y=True), logits, on_device),
    }
    expected = steps["MONAI"]()
    for run in steps.values():
        torch.testing.assert_close(run(), expected, rtol=1e-4, atol=0)
    return {**steps, "map": lambda: [append(segmentation=patch)["segmentation"] for patch in labels]}


def main(argv: list[str] | None = None) -> int:
    """Print the table and the ratio, write the JSON."""
    arguments = parser(__doc__, repeats=5, device=True)
    arguments.add_argument("--patch", type=int, default=128, help="side of a patch in voxels")
    arguments.add_argument("--batch", type=int, default=1, help="patches of a batch")
    arguments.add_argument("--threads", type=int, default=1)
    options = arguments.parse_args(argv)
    torch.set_num_threads(options.threads)
    wait = torch.cuda.synchronize if options.device == "cuda" else lambda: None
    rows = summary(alternate(contestants(options), repeats=options.repeats, synchronise=wait), ours=OURS)
    print(table(rows, {"name": "loss", **TIMES}))
    ratio = next(row["times_ours"] for row in rows if row["name"] == "MONAI")
    print(f"\nMONAI's step takes {ratio:.1f} times as long as ours.")
    write(options.json, {"settings": vars(options), "rows": rows, "monai_over_ours": ratio})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

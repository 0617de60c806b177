"""One case through nnU-Net's sliding window: MS-DSA-Net as we run it against the plain network, under one predictor.

  python benchmarks/inference.py --device cuda
  python benchmarks/inference.py --device cpu --shape 96 96 96 --patch 64 --json inference.json

The defaults are the case of the goal: 182×218×182, patches of 128³, step 0.5, 8 mirrors, which takes hours on a CPU;
give a smaller --shape and --patch there. Both have the same weights (random: untrained). On the CPU ours computes as
``nnunet-tv-predict`` does (bfloat16 where the processor has it), the plain network in float32 as nnU-Net does. The
share of voxels that differ is printed: random weights put many voxels near 0.5, a trained network few.
"""

from __future__ import annotations

import argparse
import contextlib
import io

import torch
from plain_peers import EinsumAttention, replace_attention
from side_by_side import alternate, summary, table, write
from torch import nn

from nnunet_tv.architectures import MSDSANet
from nnunet_tv.inference.precision import has_bfloat16


def predictor_of(network: nn.Module, patch: int, options: argparse.Namespace):
    """nnU-Net's predictor around a network, without a model folder."""
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    class Configuration:
        patch_size = (patch,) * 3

    class Labels:
        num_segmentation_heads = 2

    predictor = nnUNetPredictor(tile_step_size=0.5, use_mirroring=not options.no_mirrors,
                                device=torch.device(options.device), allow_tqdm=False,
                                perform_everything_on_device=options.device == "cuda")
    predictor.network, predictor.configuration_manager, predictor.label_manager = network, Configuration(), Labels()
    predictor.allowed_mirroring_axes = (0, 1, 2)
    return predictor


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--shape", type=int, nargs=3, default=(182, 218, 182))
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--no-mirrors", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json")
    options = parser.parse_args()
    image = torch.randn(2, *options.shape, generator=torch.Generator().manual_seed(0))
    contestants, results = {}, {}
    for name in ("ours", "ours, float32", "plain"):
        torch.manual_seed(0)
        network: nn.Module = MSDSANet(2, 2, input_size=[options.patch] * 3)
        if name == "plain":
            network = replace_attention(network, EinsumAttention)
        predictor = predictor_of(network.eval().to(options.device), options.patch, options)
        half = name == "ours" and options.device == "cpu" and has_bfloat16()

        def run(predictor=predictor, half=half, name=name):
            with contextlib.redirect_stdout(io.StringIO()), torch.autocast("cpu", torch.bfloat16, enabled=half):
                results[name] = predictor.predict_sliding_window_return_logits(image)

        if name != "ours, float32" or options.device == "cpu":
            contestants[name] = run
    wait = torch.cuda.synchronize if options.device == "cuda" else (lambda: None)
    rows = summary(alternate(contestants, repeats=options.repeats, warm_up=1, synchronise=wait), ours="ours")
    reference = results["plain"].argmax(0)
    for row in rows:
        row["differ"] = float((results[row["name"]].argmax(0) != reference).float().mean())
    print(f"bfloat16 instructions: {has_bfloat16()}")
    print(table(rows, {"name": "case", "median_s": "median s", "min_s": "min", "max_s": "max",
                       "times_ours": "times ours", "differ": "share of voxels unlike plain"}))
    write(options.json, {"benchmark": "inference", "settings": vars(options), "bfloat16": has_bfloat16(), "rows": rows})


if __name__ == "__main__":
    main()

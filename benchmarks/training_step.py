"""One training step of MS-DSA-Net with Dice + TV: ours, the plain way, and nnU-Net's own network for scale.

  python benchmarks/training_step.py --device cpu --patch 64 --batch 1
  python benchmarks/training_step.py --device cuda --patch 128 --batch 4 --amp --json step.json

All have the same weights at the start, the same batch, AdamW, and gradients clipped at 12 as nnU-Net does. `plain`
is the same mathematics with the N × P attention map kept and MONAI-style losses; `no attention` is the bound of
what attention could gain. Rows say whether they are compiled; convolutions are channels-last only where the row says
so (a trial for GPUs: the trainers do not use it). Peak memory
is measured for each by itself, after the first step.
"""

from __future__ import annotations

import argparse
import gc
from collections.abc import Callable
from typing import Any

import torch
from plain_peers import EinsumAttention, NoAttention, PlainDiceTV, replace_attention
from side_by_side import alternate, summary, table, write
from torch import nn

from nnunet_tv.architectures import MSDSANet
from nnunet_tv.losses import DiceTVLoss


def contestant(kind: str, patch: int) -> tuple[nn.Module, nn.Module, bool]:
    """Network, loss, and whether convolutions are channels-last."""
    torch.manual_seed(0)
    if kind == "nnU-Net PlainConvUNet":
        return _plain_conv_unet(), PlainDiceTV(), False
    network: nn.Module = MSDSANet(2, 2, input_size=[patch] * 3)
    if kind == "plain":
        return replace_attention(network, EinsumAttention), PlainDiceTV(), False
    if kind == "no attention":
        network = replace_attention(network, lambda _: NoAttention())
    return network, DiceTVLoss(), kind == "ours, channels-last"


def _plain_conv_unet() -> nn.Module:
    """What nnU-Net plans for 1 mm brains at 128³."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    return PlainConvUNet(2, 6, (32, 64, 128, 256, 320, 320), nn.Conv3d, 3, [1, 2, 2, 2, 2, 2], 2, 2, 2, conv_bias=True,
                         norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU,
                         nonlin_kwargs={"inplace": True})


def make_step(kind: str, *, compiled: bool, options: argparse.Namespace) -> Callable[[], Any]:
    """A function that does one step and returns the loss."""
    network, loss, channels_last = contestant(kind, options.patch)
    network = network.to(options.device).train()
    if channels_last:
        network = network.to(memory_format=torch.channels_last_3d)
    generator = torch.Generator().manual_seed(1)
    shape = [options.patch] * 3
    image = torch.randn(options.batch, 2, *shape, generator=generator).to(options.device)
    target = torch.zeros(options.batch, 1, *shape)
    target[:, :, 10:22, 12:20, 14:30] = 1
    target = target.to(options.device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=1e-5)
    scaler = torch.amp.GradScaler(options.device, enabled=options.amp and options.device == "cuda")
    forward = torch.compile(network) if compiled else network
    kind_of_half = torch.float16 if options.device == "cuda" else torch.bfloat16

    def step() -> torch.Tensor:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(options.device, dtype=kind_of_half, enabled=options.amp):
            value = loss(forward(image), target)
        scaler.scale(value).backward()
        scaler.unscale_(optimiser)
        nn.utils.clip_grad_norm_(network.parameters(), 12)
        scaler.step(optimiser)
        scaler.update()
        return value.detach()

    return step


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--amp", action="store_true", help="float16 on CUDA, bfloat16 on the CPU")
    parser.add_argument("--no-compile", action="store_true", help="eager rows only")
    parser.add_argument("--kinds", nargs="+", default=["ours", "ours, channels-last", "plain", "no attention",
                                                       "nnU-Net PlainConvUNet"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    cuda = options.device == "cuda"
    wait = torch.cuda.synchronize if cuda else (lambda: None)
    steps, memory = {}, {}
    for kind in options.kinds:
        for compiled in ((False,) if options.no_compile else (True, False)):
            name = f"{kind}, {'compiled' if compiled else 'eager'}"
            try:
                step = make_step(kind, compiled=compiled, options=options)
            except ImportError as error:
                print(f"left out: {name} ({error})")
                continue
            gc.collect()
            step()
            if cuda:
                wait()
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
                held = torch.cuda.memory_allocated()
                value = step()
                wait()
                # the others' weights and optimiser states are held beside it
                own = sum(p.numel() * p.element_size() for p in _parameters(step)) * 4
                memory[name] = (torch.cuda.max_memory_allocated() - held + own) / 2**30
            else:
                value = step()
            print(f"{name}: loss {float(value):.6f}" + (f", {memory[name]:.2f} GiB" if cuda else ""), flush=True)
            steps[name] = step
    ours = next(iter(steps))
    rows = summary(alternate(steps, repeats=options.repeats, synchronise=wait), ours=ours)
    for row in rows:
        row["peak_gib"] = memory.get(row["name"])
    print(table(rows, {"name": "step", "median_s": "median s", "min_s": "min", "max_s": "max",
                       "times_ours": f"times `{ours}`", "peak_gib": "peak GiB"}))
    write(options.json, {"benchmark": "training_step", "settings": vars(options), "rows": rows})


def _parameters(step: Callable[[], Any]) -> list[torch.Tensor]:
    """Parameters of the network that a step closes over: weights, gradient, and AdamW's two states."""
    network = next(cell.cell_contents for cell in step.__closure__ or () if isinstance(cell.cell_contents, nn.Module)
                   and any(True for _ in cell.cell_contents.parameters()))
    return list(network.parameters())


if __name__ == "__main__":
    main()

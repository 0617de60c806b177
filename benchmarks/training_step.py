"""One training step of MS-DSA-Net with Dice + TV: ours, the plain network, and nnU-Net's own network for scale.

  python benchmarks/training_step.py --device cpu --patch 64 --batch 4
  python benchmarks/training_step.py --device cuda --patch 128 --batch 4 --amp --json step.json

All have the same weights at the start, the same batch, AdamW, and gradients clipped at 12 as nnU-Net does. `plain`
is the same mathematics with the N × P attention map kept and MONAI-style losses; `no attention` is the bound of
what attention could gain. Each runs in a process of its own, since memory belongs to a process: on the CPU `ours`
keeps freed memory, as the trainers do (nnunet_tv/utils/host_memory.py), and the rows that end with
"memory kept" or "given back" show the effect of that alone. Rows state whether they are compiled, and whether they are
channels-last (a trial: the trainers do not use it). Peak memory is from the second step on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from plain_peers import EinsumAttention, NoAttention, PlainDiceTV, replace_attention
from processes import alternate_processes
from side_by_side import TIMES, parser, summary, table, write
from torch import nn

from nnunet_tv.architectures.ms_dsa_net import MSDSANet
from nnunet_tv.losses import DiceTVLoss
from nnunet_tv.utils.host_memory import keep_freed_memory

UNET = "nnU-Net PlainConvUNet"


@dataclass(frozen=True)
class Contestant:
    """A network with its loss, and how it is run."""

    network: str
    compiled: bool = False
    channels_last: bool = False
    keeps_memory: bool = False

    def name(self, device: str) -> str:
        """For the table."""
        parts = [self.network, "compiled" if self.compiled else "eager"]
        if self.channels_last:
            parts.append("channels-last")
        if device == "cpu":
            parts.append("memory kept" if self.keeps_memory else "memory given back")
        return ", ".join(parts)

    def build(self, patch: int) -> tuple[nn.Module, nn.Module]:
        """Network and loss."""
        torch.manual_seed(0)
        if self.network == UNET:
            return _plain_conv_unet(), PlainDiceTV()
        network: nn.Module = MSDSANet(2, 2, input_size=[patch] * 3)
        if self.network == "plain":
            return replace_attention(network, EinsumAttention), PlainDiceTV()
        if self.network == "no attention":
            network = replace_attention(network, lambda _: NoAttention())
        return network, DiceTVLoss()


def _plain_conv_unet() -> nn.Module:
    """Plan of nnU-Net for 1 mm brains at 128³."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    return PlainConvUNet(2, 6, (32, 64, 128, 256, 320, 320), nn.Conv3d, 3, [1, 2, 2, 2, 2, 2], 2, 2, 2, conv_bias=True,
                         norm_op=nn.InstanceNorm3d, norm_op_kwargs={"eps": 1e-5, "affine": True}, nonlin=nn.LeakyReLU,
                         nonlin_kwargs={"inplace": True})


def contestants(*, device: str, compiled: bool) -> list[Contestant]:
    """Ours as the trainers run it comes first: the others are measured against it."""
    if device == "cuda":
        kinds = [Contestant(network, channels_last=last) for network in ("ours", "plain") for last in (False, True)]
        kinds += [Contestant("no attention"), Contestant(UNET)]
        ways = (True, False) if compiled else (False,)
        return [Contestant(kind.network, way, kind.channels_last) for way in ways for kind in kinds]
    kinds = [Contestant("ours", keeps_memory=True), Contestant("plain"), Contestant("plain", keeps_memory=True),
             Contestant("ours"), Contestant("no attention", keeps_memory=True), Contestant("no attention"),
             Contestant("ours", channels_last=True, keeps_memory=True), Contestant(UNET)]
    return kinds + ([Contestant("ours", compiled=True, keeps_memory=True)] if compiled else [])


def make_step(contestant: Contestant, *, device: str, patch: int, batch: int, amp: bool) -> Callable[[], Any]:
    """A function that does one step and returns the loss."""
    network, loss = contestant.build(patch)
    network = network.to(device).train()
    if contestant.channels_last:
        network = network.to(memory_format=torch.channels_last_3d)
    generator = torch.Generator().manual_seed(1)
    shape = [patch] * 3
    image = torch.randn(batch, 2, *shape, generator=generator).to(device)
    target = torch.zeros(batch, 1, *shape)
    target[:, :, 10:22, 12:20, 14:30] = 1
    target = target.to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=1e-5)
    scaler = torch.amp.GradScaler(device, enabled=amp and device == "cuda")
    forward = torch.compile(network) if contestant.compiled else network
    kind_of_half = torch.float16 if device == "cuda" else torch.bfloat16
    if contestant.keeps_memory:
        print(keep_freed_memory(), flush=True)

    def step() -> float | torch.Tensor:
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast(device, dtype=kind_of_half, enabled=amp):
            value = loss(forward(image), target)
        scaler.scale(value).backward()
        scaler.unscale_(optimiser)
        nn.utils.clip_grad_norm_(network.parameters(), 12)
        scaler.step(optimiser)
        scaler.update()
        return float(value.detach()) if device == "cpu" else value.detach()

    return step


def main() -> None:
    """Run and print."""
    arguments = parser(__doc__, repeats=5, device=True)
    arguments.add_argument("--patch", type=int, default=64)
    arguments.add_argument("--batch", type=int, default=4)
    arguments.add_argument("--amp", action="store_true", help="float16 on CUDA, bfloat16 on the CPU")
    arguments.add_argument("--no-compile", action="store_true", help="eager rows only")
    arguments.add_argument("--networks", nargs="+", choices=("ours", "plain", "no attention", UNET),
                           help="these only (default: all)")
    options = arguments.parse_args()
    device = options.device
    chosen = [one for one in contestants(device=device, compiled=not options.no_compile)
              if not options.networks or one.network in options.networks]
    makers = {one.name(device): partial(make_step, one, device=device, patch=options.patch, batch=options.batch,
                                        amp=options.amp) for one in chosen}
    turns = alternate_processes(makers, repeats=options.repeats, device=device, calls=5 if device == "cuda" else 1)
    if not turns:
        raise SystemExit("no contestant is left")
    ours = next(iter(turns))
    rows = summary({name: turn.seconds for name, turn in turns.items()}, ours=ours)
    for row in rows:
        turn = turns[row["name"]]
        row.update(peak_gib=turn.peak_gib, last_loss=float(turn.result))
    print(table(rows, {"name": "step", **TIMES, "times_ours": f"times `{ours}`", "peak_gib": "peak GiB",
                       "last_loss": "last loss"}))
    write(options.json, {"benchmark": "training_step", "settings": vars(options), "rows": rows})


if __name__ == "__main__":
    main()

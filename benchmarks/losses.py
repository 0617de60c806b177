"""Dice + TV, value and gradient, on 4×2×128³ logits: ours against its plain way and MONAI's DiceLoss with sliced TV.

  python benchmarks/losses.py --json losses.json
  python benchmarks/losses.py --device cuda --repeats 50 --compiled

Memory is the peak beyond the logits, the labels and the gradient that is asked for, in copies of the logits in
float32; on the CPU that of a process of its own.

On CUDA the table also has each time over the floor: the bytes that any such loss must move (logits and labels read
forward and again backward, the gradient written) over the bandwidth of a large copy in the same run. Steps are timed in
bursts, since a single one is over before Python has launched it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from monai.losses import DiceLoss as MonaiDice
from processes import peak_bytes, size_bytes, start_peak
from side_by_side import alternate, summary, table, write
from torch import Tensor

from nnunet_tv.losses import DiceTVLoss, fused_gpu
from nnunet_tv.losses.compound import WeightedSum

#: Steps between two looks at the clock on CUDA, and bytes of the copy that tells the bandwidth.
BURST, COPY_BYTES = 20, 1 << 29


def monai_and_slices() -> Callable[[Tensor, Tensor], Tensor]:
    """MONAI's Dice with our settings, and 0.1 of the TV of its softmax."""
    dice = MonaiDice(include_background=False, to_onehot_y=True, softmax=True, batch=True, smooth_nr=1e-5,
                     smooth_dr=1e-5)

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        p = torch.softmax(logits, 1)[:, 1]
        tv = sum((p.narrow(axis, 1, p.shape[axis] - 1) - p.narrow(axis, 0, p.shape[axis] - 1)).abs().mean()
                 for axis in (1, 2, 3))
        return dice(logits, target) + 0.1 * tv

    return loss


def plain_way() -> Callable[[Tensor, Tensor], Tensor]:
    """Our loss without the fused arithmetic."""
    return partial(WeightedSum.forward, DiceTVLoss())


LOSSES: dict[str, Callable[[], Callable[[Tensor, Tensor], Tensor]]] = {
    "ours": DiceTVLoss, "ours, the plain way": plain_way, "MONAI Dice + sliced TV": monai_and_slices}


def batch(side: int, device: str) -> tuple[Tensor, Tensor]:
    """Logits and labels."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(4, 2, side, side, side, generator=generator)
    target = torch.zeros(4, 1, side, side, side)
    target[:, :, side // 4: side // 2, side // 3: side // 2, side // 3: side // 2] = 1
    return logits.to(device).requires_grad_(), target.to(device)


def step(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient."""
    value = loss(logits, target)
    return value, torch.autograd.grad(value, logits)[0]


def peak_copies(name: str, side: int) -> float:
    """Peak memory of one step beyond its inputs and its result, in copies of the logits; this process only once."""
    logits, target = batch(side, "cpu")
    loss = LOSSES[name]()
    small_logits, small_target = batch(8, "cpu")
    step(loss, small_logits, small_target)
    start_peak()
    before = size_bytes()
    step(loss, logits, target)
    own = logits.numel() * 4
    return (peak_bytes() - before - own) / own


def cuda_peak_copies(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> float:
    """The same on CUDA, after a step that compiles what there is to compile."""
    own = logits.numel() * 4
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step(loss, logits, target)
    return (torch.cuda.max_memory_allocated() - before - own) / own


def burst(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> None:
    """Steps one after the other, without waiting for any."""
    for _ in range(BURST):
        step(loss, logits, target)


def on_cuda(losses: dict[str, Callable[[Tensor, Tensor], Tensor]], logits: Tensor, target: Tensor,
            repeats: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Rows of the table, and the floor with what it is made of."""
    source = torch.empty(COPY_BYTES, dtype=torch.uint8, device="cuda").random_()
    copy = torch.empty_like(source)
    contestants = {name: partial(burst, loss, logits, target) for name, loss in losses.items()}
    seconds = alternate({**contestants, "copy": lambda: [copy.copy_(source) for _ in range(BURST)]}, repeats=repeats,
                        synchronise=torch.cuda.synchronize)
    seconds = {name: [time / BURST for time in times] for name, times in seconds.items()}
    bandwidth = 2 * COPY_BYTES / statistics.median(seconds.pop("copy"))
    moved = 3 * logits.numel() * logits.element_size() + 2 * target.numel() * target.element_size()
    rows = summary(seconds, ours="ours")
    for row in rows:
        row["times_floor"] = row["median_s"] / (moved / bandwidth)
        row["peak_copies"] = cuda_peak_copies(losses[row["name"]], logits, target)
    return rows, {"bytes": moved, "copy_bytes_per_s": bandwidth, "floor_s": moved / bandwidth}


def on_cpu(losses: dict[str, Callable[[Tensor, Tensor], Tensor]], logits: Tensor, target: Tensor, side: int,
           repeats: int) -> list[dict[str, Any]]:
    """Rows of the table."""
    rows = summary(alternate({name: partial(step, loss, logits, target) for name, loss in losses.items()},
                             repeats=repeats), ours="ours")
    for row in rows:
        if row["name"] in LOSSES:
            done = subprocess.run([sys.executable, __file__, "--peak", row["name"], "--side", str(side)],
                                  check=True, capture_output=True, text=True)
            row["peak_copies"] = json.loads(done.stdout)
    return rows


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--compiled", action="store_true", help="the plain way under torch.compile as well")
    parser.add_argument("--json")
    parser.add_argument("--peak", choices=LOSSES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(json.dumps(peak_copies(options.peak, options.side)))
        return
    logits, target = batch(options.side, options.device)
    losses = {name: make() for name, make in LOSSES.items()}
    if options.compiled:
        losses["ours, the plain way, compiled"] = torch.compile(plain_way())
    ours, gradient = step(losses["ours"], logits, target)
    for loss in losses.values():
        value, other = step(loss, logits, target)
        torch.testing.assert_close(ours, value, rtol=1e-4, atol=1e-5)
        same = torch.isclose(gradient, other, rtol=1e-2, atol=1e-4 * float(other.abs().max()))
        assert same.float().mean() > 1 - 1e-6, "gradients differ where neighbours do not differ in the last bit alone"
        del other, same
    del gradient
    floor, fused = {}, fused_gpu.applies(logits, target)
    if options.device == "cuda":
        rows, floor = on_cuda(losses, logits, target, options.repeats)
    else:
        rows = on_cpu(losses, logits, target, options.side, options.repeats)
    print(table(rows, {"name": "loss", "median_s": "median s", "min_s": "min", "max_s": "max",
                       "times_ours": "times ours", "times_floor": "times the floor",
                       "peak_copies": "peak, copies of the logits"}))
    if floor:
        print(f"floor: {floor['bytes'] / 1e6:.0f} MB at {floor['copy_bytes_per_s'] / 1e9:.0f} GB/s are "
              f"{1e3 * floor['floor_s']:.3f} ms")
    write(options.json, {"benchmark": "losses", "settings": vars(options), "fused": fused, "floor": floor,
                         "rows": rows})


if __name__ == "__main__":
    main()

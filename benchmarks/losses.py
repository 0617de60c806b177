"""Dice + TV, value and gradient, on 4×2×128³ logits: our kernels, the reference and plain_peers.PlainDiceTV.

  python benchmarks/losses.py --device cuda --repeats 50 --compiled --json losses.json

The kernels run on CUDA only; there each time is also given over the floor: the bytes that any such loss must move
(logits and labels read forward and again backward, the gradient written) over the bandwidth of a large copy in the same
run. Steps are timed in bursts, since a single one is over before Python has launched it. Memory is the peak beyond the
logits, the labels and the gradient, in copies of the logits in float32.
"""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from plain_peers import PlainDiceTV
from side_by_side import TIMES, alternate, parser, summary, table, write
from torch import Tensor

from nnunet_tv.losses import DiceTVLoss, fused_gpu
from nnunet_tv.losses.compound import WeightedSum

#: Steps in a burst on CUDA, and bytes of the copy that measures the bandwidth.
BURST, COPY_BYTES = 20, 1 << 29


def reference() -> Callable[[Tensor, Tensor], Tensor]:
    """Our loss without the kernels."""
    return partial(WeightedSum.forward, DiceTVLoss())


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


def peak_copies(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> float:
    """Peak memory on CUDA of one step beyond its inputs and its result, in copies of the logits."""
    own = logits.numel() * 4
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step(loss, logits, target)
    return (torch.cuda.max_memory_allocated() - before - own) / own


def burst(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> None:
    """Launch steps without waiting for them."""
    for _ in range(BURST):
        step(loss, logits, target)


def on_cuda(losses: dict[str, Callable[[Tensor, Tensor], Tensor]], logits: Tensor, target: Tensor,
            repeats: int) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Rows of the table; bytes, bandwidth and seconds of the floor."""
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
        row["peak_copies"] = peak_copies(losses[row["name"]], logits, target)
    return rows, {"bytes": moved, "copy_bytes_per_s": bandwidth, "floor_s": moved / bandwidth}


def main() -> None:
    """Run and print."""
    arguments = parser(__doc__, repeats=7, device=True)
    arguments.add_argument("--side", type=int, default=128)
    arguments.add_argument("--compiled", action="store_true", help="also the reference under torch.compile")
    options = arguments.parse_args()
    logits, target = batch(options.side, options.device)
    losses = {"ours": DiceTVLoss(), "ours without kernels": reference(), "plain Dice + sliced TV": PlainDiceTV()}
    if options.compiled:
        losses["ours without kernels, compiled"] = torch.compile(reference())
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
        rows = summary(alternate({name: partial(step, loss, logits, target) for name, loss in losses.items()},
                                 repeats=options.repeats), ours="ours")
    print(table(rows, {"name": "loss", **TIMES, "times_floor": "times the floor",
                       "peak_copies": "peak, copies of the logits"}))
    if floor:
        print(f"floor: {floor['bytes'] / 1e6:.0f} MB at {floor['copy_bytes_per_s'] / 1e9:.0f} GB/s are "
              f"{1e3 * floor['floor_s']:.3f} ms")
    write(options.json, {"benchmark": "losses", "settings": vars(options), "fused": fused, "floor": floor,
                         "rows": rows})


if __name__ == "__main__":
    main()

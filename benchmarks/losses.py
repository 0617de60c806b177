"""Dice + TV, value and gradient, on 4×2×128³ logits: ours against MONAI's DiceLoss with a TV of slices.

  python benchmarks/losses.py --json losses.json

Memory is the peak of a process of its own, beyond the logits, the labels and the gradient that is asked for; in
copies of the logits in float32.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from monai.losses import DiceLoss as MonaiDice
from side_by_side import alternate, summary, table, write
from torch import Tensor

from nnunet_tv.losses import DiceTVLoss


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


LOSSES: dict[str, Callable[[], Callable[[Tensor, Tensor], Tensor]]] = {
    "ours": DiceTVLoss, "MONAI Dice + sliced TV": monai_and_slices}


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
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the high-water mark starts anew (proc(5))
    before = _status("VmRSS")
    step(loss, logits, target)
    own = logits.numel() * 4
    return (_status("VmHWM") - before - own) / own


def _status(name: str) -> int:
    """Bytes of a line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json")
    parser.add_argument("--peak", choices=LOSSES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        print(json.dumps(peak_copies(options.peak, options.side)))
        return
    logits, target = batch(options.side, options.device)
    losses = {name: make() for name, make in LOSSES.items()}
    results = {name: step(loss, logits, target) for name, loss in losses.items()}
    (ours, gradient), (theirs, their_gradient) = results.values()
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradient, their_gradient, rtol=1e-2, atol=1e-4 * float(their_gradient.abs().max()))
    del results, gradient, their_gradient
    wait = torch.cuda.synchronize if options.device == "cuda" else (lambda: None)
    rows = summary(alternate({name: lambda loss=loss: step(loss, logits, target) for name, loss in losses.items()},
                             repeats=options.repeats, synchronise=wait), ours="ours")
    for row in rows:
        if options.device == "cpu":
            done = subprocess.run([sys.executable, __file__, "--peak", row["name"], "--side", str(options.side)],
                                  check=True, capture_output=True, text=True)
            row["peak_copies"] = json.loads(done.stdout)
    print(table(rows, {"name": "loss", "median_s": "median s", "min_s": "min", "max_s": "max",
                       "times_ours": "times ours", "peak_copies": "peak, copies of the logits"}))
    write(options.json, {"benchmark": "losses", "settings": vars(options), "rows": rows})


if __name__ == "__main__":
    main()

"""How time and memory grow: with the patch in training, with the number of cases in convert and report.

``python benchmarks/growth.py patch --sides 64 96 128 --json patch.json``: one training step (MS-DSA-Net, Dice + TV,
float32, batch 1) per side, each in a process of its own.

``python benchmarks/growth.py cases --numbers 10 100 1000 --json cases.json``: the commands themselves on made-up cases
of 24³ voxels, two processes; memory is that of the main process, and of its largest worker. What a real volume adds
per case is in the benchmarks of scoring and of the preparation.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from side_by_side import table, write

from nnunet_tv.volume import Volume, write_volume

_STEP = """
import json, resource, time, torch
from pathlib import Path
from nnunet_tv.architectures import MSDSANet
from nnunet_tv.losses import DiceTVLoss
side = {side}
network, loss = MSDSANet(2, 2, input_size=[side] * 3).to(memory_format=torch.channels_last_3d), DiceTVLoss()
optimiser = torch.optim.AdamW(network.parameters())
image, target = torch.randn(1, 2, side, side, side), torch.zeros(1, 1, side, side, side)
target[..., 10:20, 10:20, 10:20] = 1
seconds = []
for _ in range({repeats} + 1):
    start = time.perf_counter()
    optimiser.zero_grad(); loss(network(image), target).backward(); optimiser.step()
    seconds.append(time.perf_counter() - start)
status = Path("/proc/self/status").read_text().splitlines()
peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
print(json.dumps([sorted(seconds[1:])[len(seconds[1:]) // 2], peak / 2**20]))
"""


def patches(sides: list[int], repeats: int) -> list[dict]:
    """A row per side."""
    rows = []
    for side in sides:
        code = _STEP.format(side=side, repeats=repeats)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode:
            told = done.stderr.strip()[-120:] or f"ended with {done.returncode}"
            rows.append({"side": side, "median_s": None, "peak_gib": None, "note": told})
        else:
            seconds, peak = json.loads(done.stdout.splitlines()[-1])
            rows.append({"side": side, "median_s": seconds, "peak_gib": peak})
        print(rows[-1], flush=True)
    return rows


def make_cases(folder: Path, number: int) -> None:
    """A table for ``nnunet-tv-convert pairs``, its files, and predictions of the test cases."""
    rng = np.random.default_rng(0)
    lines = ["case\tT1w\tFLAIR\tlabel\tsplit"]
    for index in range(number):
        case, mask = f"c{index:05d}", np.zeros((24, 24, 24), np.uint8)
        start = rng.integers(3, 12, 3)
        mask[tuple(slice(first, first + 6) for first in start)] = 1
        for name in ("T1w", "FLAIR"):
            scan = Volume(rng.random((24, 24, 24)).astype(np.float32), np.eye(4))
            write_volume(scan, folder / f"{case}_{name}.nii.gz")
        write_volume(Volume(mask, np.eye(4)), folder / "labels" / f"{case}.nii.gz")
        write_volume(Volume(np.roll(mask, 2, 0), np.eye(4)), folder / "predictions" / f"{case}.nii.gz")
        split = ("train", "train", "selection", "test")[index % 4]
        lines.append(f"{case}\t{case}_T1w.nii.gz\t{case}_FLAIR.nii.gz\tlabels/{case}.nii.gz\t{split}")
    (folder / "table.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def measured(command: list[str]) -> dict[str, float]:
    """Seconds and memory of a command; the first number of memory is the main process, the second any below it."""
    code = ("import json, resource, runpy, sys, time\nstart = time.perf_counter()\n"
            "from importlib import import_module\n"
            "status = import_module(sys.argv[1]).main(sys.argv[2:])\n"
            "used = [resource.getrusage(who).ru_maxrss / 2**20 for who in (resource.RUSAGE_SELF, "
            "resource.RUSAGE_CHILDREN)]\n"
            "print(json.dumps([status, time.perf_counter() - start, *used]), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    status, seconds, main, child = json.loads(done.stderr.splitlines()[-1])
    if status:
        raise SystemExit(f"{' '.join(command)} ended with {status}: {done.stderr[-500:]}")
    return {"seconds": seconds, "main_gib": main, "worker_gib": child}


def cases(numbers: list[int]) -> list[dict]:
    """Rows for convert, convert again (all up to date), and report."""
    rows = []
    for number in numbers:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_cases(folder / "in", number)
            convert = ["nnunet_tv.cli.convert", "pairs", "-i", str(folder / "in" / "table.tsv"), "-o",
                       str(folder / "raw"), "--register", "none", "-np", "2"]
            report = ["nnunet_tv.cli.report", "--ref", str(folder / "in" / "labels"), "--pred",
                      f"ours={folder / 'in' / 'predictions'}", "-o", str(folder / "report"), "-np", "2"]
            for what, command in (("convert", convert), ("convert again", convert), ("report", report)):
                rows.append({"command": what, "cases": number, **measured(command)})
                print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    one = kinds.add_parser("patch")
    one.add_argument("--sides", type=int, nargs="+", default=[64, 96, 128])
    one.add_argument("--repeats", type=int, default=2)
    two = kinds.add_parser("cases")
    two.add_argument("--numbers", type=int, nargs="+", default=[10, 100, 1000])
    for sub in (one, two):
        sub.add_argument("--json")
    options = parser.parse_args()
    os.environ.setdefault("MPLBACKEND", "agg")
    if options.kind == "patch":
        rows = patches(options.sides, options.repeats)
        print(table(rows, {"side": "patch side", "median_s": "s a step", "peak_gib": "peak GiB"}))
    else:
        rows = cases(options.numbers)
        print(table(rows, {"command": "command", "cases": "cases", "seconds": "s", "main_gib": "main GiB",
                           "worker_gib": "largest worker GiB"}))
    write(options.json, {"benchmark": f"growth, {options.kind}", "settings": vars(options), "rows": rows})


if __name__ == "__main__":
    main()

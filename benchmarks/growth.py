"""Growth of time and memory: with the patch in training, with the number of cases in convert and report.

``python benchmarks/growth.py patch --sides 64 96 128 --json patch.json``: one training step (MS-DSA-Net, Dice + TV,
float32, CPU, batch 1) per side, each in a process of its own, with freed memory kept as the trainers do where there is
room, and given back.

``python benchmarks/growth.py cases --numbers 10 100 1000 --json cases.json``: the commands themselves on made-up cases
of 24³ voxels (``--side`` gives larger ones), two processes; memory is that of the main process, and of its largest
worker.
"""

import argparse
import os
import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from processes import alternate_processes, measured
from side_by_side import table, write
from training_step import Contestant, make_step

from nnunet_tv.imaging.volume import Volume, write_volume


def patches(sides: list[int], repeats: int) -> list[dict]:
    """Two rows per side; a step that fails is named and left out."""
    rows = []
    for side in sides:
        for keeps in (True, False):
            make = partial(make_step, Contestant("ours", keeps_memory=keeps), device="cpu", patch=side, batch=1,
                           amp=False)
            for turn in alternate_processes({f"{side}³": make}, repeats=repeats).values():
                rows.append({"side": side, "memory": "kept" if keeps else "given back",
                             "median_s": statistics.median(turn.seconds), "peak_gib": turn.peak_gib})
                print(rows[-1], flush=True)
    return rows


def make_cases(folder: Path, number: int, side: int) -> None:
    """A table for ``nnunet-tv-convert pairs``, its files, and predictions of all cases."""
    rng = np.random.default_rng(0)
    lines = ["case\tT1w\tFLAIR\tlabel\tsplit"]
    for index in range(number):
        case, mask = f"c{index:05d}", np.zeros((side,) * 3, np.uint8)
        start = rng.integers(3, side // 2, 3)
        mask[tuple(slice(first, first + 6) for first in start)] = 1
        for name in ("T1w", "FLAIR"):
            scan = Volume(rng.random((side,) * 3, np.float32), np.eye(4))
            write_volume(scan, folder / f"{case}_{name}.nii.gz")
        write_volume(Volume(mask, np.eye(4)), folder / "labels" / f"{case}.nii.gz")
        write_volume(Volume(np.roll(mask, 2, 0), np.eye(4)), folder / "predictions" / f"{case}.nii.gz")
        split = ("train", "train", "selection", "test")[index % 4]
        lines.append(f"{case}\t{case}_T1w.nii.gz\t{case}_FLAIR.nii.gz\tlabels/{case}.nii.gz\t{split}")
    (folder / "table.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def cases(numbers: list[int], side: int) -> list[dict]:
    """Rows for convert, convert again (all up to date), and report."""
    rows = []
    for number in numbers:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_cases(folder / "in", number, side)
            convert = ["nnunet_tv.cli.convert", "pairs", "-i", folder / "in" / "table.tsv", "-o", folder / "raw",
                       "--space", "none", "-np", 2]
            report = ["nnunet_tv.cli.report", "--ref", folder / "in" / "labels", "--pred",
                      f"ours={folder / 'in' / 'predictions'}", "-o", folder / "report", "-np", 2]
            for what, command in (("convert", convert), ("convert again", convert), ("report", report)):
                rows.append({"command": what, "cases": number, **measured(*command)})
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
    two.add_argument("--side", type=int, default=24)
    for sub in (one, two):
        sub.add_argument("--json")
    options = parser.parse_args()
    os.environ.setdefault("MPLBACKEND", "agg")
    if options.kind == "patch":
        rows = patches(options.sides, options.repeats)
        print(table(rows, {"side": "patch side", "memory": "memory", "median_s": "s a step", "peak_gib": "peak GiB"}))
    else:
        rows = cases(options.numbers, options.side)
        print(table(rows, {"command": "command", "cases": "cases", "seconds": "s", "main_gib": "main GiB",
                           "worker_gib": "largest worker GiB"}))
    write(options.json, {"benchmark": f"growth, {options.kind}", "settings": vars(options), "rows": rows})


if __name__ == "__main__":
    main()

"""What a batch of the recipe costs the workers, part by part, and whether they keep a GPU busy.

  python benchmarks/data_loading.py
  python benchmarks/data_loading.py --workers 2 --step 0.07 --scale-to 12 --trace trace.json --json data_loading.json

Cases of real size (two channels z-scored inside the brain, about half of the volume) are written with nnU-Net's own
data set class as its preprocessor writes them. Then

1. one process makes batches, and the parts' CPU seconds are counted;
2. the trainers' DataLoader makes batches as fast as it can: batches a second of each worker, and the CPU seconds that
   the training process takes to receive one, copy it into memory that it keeps, and let it go;
3. it feeds a stand-in for the GPU that is busy for a step's time per batch and takes no core (it sleeps). The trace
   says of every batch when it was made, waited for and computed; open it at https://ui.perfetto.dev. The idle share is
   the waiting in waiting and computing together, after a warm-up.

`--scale-to 12`: the step is that of 12 workers and is stretched by 12 / `--workers`, so that fewer cores can stand for
more. This leaves out what workers share: the bandwidth of memory and disk (here the cases are in the disk's cache)
and the training process, whose own seconds for a batch (2.) have to be below the step as it is, not stretched.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
from scipy.ndimage import gaussian_filter
from side_by_side import table, write

from nnunet_tv.training import cutting
from nnunet_tv.training import patches as patches_module
from nnunet_tv.training.patches import SubjectPatches, loader
from nnunet_tv.training.seeds import Stage

#: Functions that a batch goes through, in the module that calls them; the rest of a batch is its own row.
PARTS = {(patches_module, "Centres"): "centres", (patches_module, "cut"): "crop, flip",
         (cutting, "rotate_into"): "rotation", (patches_module, "change_intensities"): "shift, noise",
         (patches_module, "clear_outside"): "mask", (patches_module, "default_collate"): "stack"}
PROPERTIES = {"sitk_stuff": {"direction": (1, 0, 0, 0, 1, 0, 0, 0, 1)}}


class TracedPatches(SubjectPatches):
    """Batches that say which process made them, and when."""

    def __getitem__(self, key: tuple[int, int]) -> dict:
        """The batch and its ``made``: process, start, end (s of the machine's clock)."""
        start = time.perf_counter()
        batch = super().__getitem__(key)
        return {**batch, "made": [os.getpid(), start, time.perf_counter()]}


def write_cases(folder: Path, *, number: int, shape: tuple[int, ...], patch_size: tuple[int, ...]) -> None:
    """Cases of an ellipsoid brain with smooth and rough structure, zero outside, and a small lesion."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij", sparse=True)
    brain = sum((axis / 0.97) ** 2 for axis in axes) < 1
    for i in range(number):
        rng = np.random.default_rng(i)
        data = np.zeros((2, *shape), np.float32)
        for channel in data:
            values = 20 * gaussian_filter(rng.standard_normal(shape, np.float32), 3)
            values += 0.3 * rng.standard_normal(shape, np.float32)
            channel[brain] = ((values - values[brain].mean()) / values[brain].std())[brain]
        segmentation = np.where(brain, 0, -1).astype(np.int16)[None]
        segmentation[(0, *(slice(n // 3, n // 3 + n // 12) for n in shape))] = 1
        layout = [comp_blosc2_params(values.shape, patch_size, values.itemsize) for values in (data, segmentation)]
        nnUNetDatasetBlosc2.save_case(
            data, segmentation, PROPERTIES, str(folder / f"case_{i}"), chunks=layout[0][1], blocks=layout[0][0],
            chunks_seg=layout[1][1], blocks_seg=layout[1][0])


def recipe_patches(folder: Path, patch_size: tuple[int, ...], stage: Stage) -> TracedPatches:
    """The recipe's batches of the cases in a folder."""
    return TracedPatches(
        nnUNetDatasetBlosc2(str(folder)), stage=stage, fold=0, patch_size=patch_size, patch_numbers=range(4),
        transpose_forward=[0, 1, 2], normalization_schemes=["ZScoreNormalization"] * 2, use_mask_for_norm=[True] * 2)


class Stopwatch:
    """CPU seconds by part, without those of the parts called inside."""

    def __init__(self):
        self.seconds: dict[str, float] = defaultdict(float)
        self._parts: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what runs inside as `name`."""
        self._count()
        self._parts.append(name)
        try:
            yield
        finally:
            self._count()
            self._parts.pop()

    def _count(self) -> None:
        now = time.process_time()
        if self._parts:
            self.seconds[self._parts[-1]] += now - self._since
        self._since = now

    def timed(self, name: str, function: Callable) -> Callable:
        """`function`, counted as `name`."""
        def call(*values: Any, **named: Any) -> Any:
            with self.part(name):
                return function(*values, **named)
        return call


class TimedArray:
    """A compressed array whose reading is counted."""

    def __init__(self, array: Any, watch: Stopwatch):
        self.array, self.watch, self.shape = array, watch, array.shape

    def __getitem__(self, key: Any) -> np.ndarray:
        with self.watch.part("read"):
            return self.array[key]


def cost_of_parts(patches: SubjectPatches, batches: int) -> dict[str, list[float]]:
    """CPU seconds of every part, and of all of them, for each batch."""
    watch, rows = Stopwatch(), []
    load = patches.source.load_case

    def timed_case(case: str) -> tuple:
        with watch.part("open"):
            data, segmentation, previous, properties = load(case)
        return TimedArray(data, watch), TimedArray(segmentation, watch), previous, properties

    with ExitStack() as replaced:
        replaced.enter_context(patch.object(patches.source, "load_case", timed_case))
        for (module, name), part in PARTS.items():
            replaced.enter_context(patch.object(module, name, watch.timed(part, getattr(module, name))))
        for i in range(batches + 1):
            watch.seconds.clear()
            with watch.part("rest"):
                patches[divmod(i, len(patches))]
            rows.append({**watch.seconds, "batch": sum(watch.seconds.values())})
    names = list(dict.fromkeys(name for row in rows for name in row))
    return {name: [row.get(name, 0.0) for row in rows[1:]] for name in names}  # the first warms up


def hand_over_cost(patches: SubjectPatches, workers: int, batches: int) -> dict[str, float]:
    """Batches as fast as they come: a second and worker, CPU seconds of all workers and of this process for each."""
    resting = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, start_cpu, made, held = time.perf_counter(), time.process_time(), 0, None
    for made, batch in enumerate(_epochs(patches, workers, batches), 1):  # noqa: B007  the count is used after it
        held = torch.empty_like(batch["data"]) if held is None else held
        held.copy_(batch["data"])  # as into pinned memory, which is kept
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    workers_cpu = ended.ru_utime + ended.ru_stime - resting.ru_utime - resting.ru_stime
    return {"batches": made, "batches_per_s_and_worker": made / seconds / workers,
            "workers_cpu_s_per_batch": workers_cpu / made, "training_process_cpu_s_per_batch": cpu / made}


def _epochs(patches: SubjectPatches, workers: int, batches: int, *, pin: bool = False) -> Iterator[dict]:
    """The trainers' loader over as many whole epochs as hold `batches`."""
    return iter(loader(patches, first_epoch=0, last_epoch=math.ceil(batches / len(patches)), workers=workers, pin=pin))


def run_trace(patches: SubjectPatches, *, workers: int, step_s: float, batches: int, warm_up: int,
              device: str) -> list[dict[str, Any]]:
    """For each batch after the warm-up: when it was made and by whom, waited for, and computed (s)."""
    rows = []
    batch_source = _epochs(patches, workers, warm_up + batches, pin=device == "cuda")
    for _ in range(warm_up + batches):
        asked = time.perf_counter()
        batch = next(batch_source)
        given = time.perf_counter()
        for name in ("data", "target"):
            batch[name].to(device)
        case, made = batch["keys"][0], batch["made"]
        del batch  # a trainer lets go of it at the end of its step
        time.sleep(max(0.0, step_s - (time.perf_counter() - given)))
        rows.append({"case": case, "made": made, "waited": [asked, given], "computed": [given, time.perf_counter()]})
    return rows[warm_up:]


def idle_share(rows: list[dict[str, Any]]) -> float:
    """Waiting in waiting and computing together."""
    waited, computed = (sum(row[name][1] - row[name][0] for row in rows) for name in ("waited", "computed"))
    return waited / (waited + computed)


def trace_events(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows in Chrome's trace-event format: microseconds since the first wait, a line for each process."""
    zero = rows[0]["waited"][0]
    main = os.getpid()
    lines = {main: "training process", **{row["made"][0]: "worker" for row in rows}}
    events: list[dict[str, Any]] = [{"name": "process_name", "ph": "M", "pid": pid, "args": {"name": name}}
                                    for pid, name in lines.items()]
    for row in rows:
        for name, pid, (start, end) in (("make", row["made"][0], row["made"][1:]), ("wait", main, row["waited"]),
                                        ("compute", main, row["computed"])):
            events.append({"name": name, "ph": "X", "pid": pid, "tid": pid, "ts": (start - zero) * 1e6,
                           "dur": (end - start) * 1e6, "args": {"case": row["case"]}})
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def main(argv: list[str] | None = None) -> int:
    """Print the tables, write the trace and the JSON."""
    options = _options(argv)
    torch.set_num_threads(1)
    patch_size = (options.patch,) * 3
    with tempfile.TemporaryDirectory() as folder:
        write_cases(Path(folder), number=options.cases, shape=tuple(options.shape), patch_size=patch_size)
        patches = recipe_patches(Path(folder), patch_size, Stage[options.stage.upper()])
        parts = cost_of_parts(patches, options.batches)
        cost = hand_over_cost(patches, options.workers, options.batches)
        step_s = options.step * (options.scale_to or options.workers) / options.workers
        rows = run_trace(patches, workers=options.workers, step_s=step_s, batches=options.batches,
                         warm_up=options.warm_up, device=options.device)
    summary = [{"part": name, "median_s": statistics.median(seconds), "mean_s": statistics.mean(seconds)}
               for name, seconds in parts.items()]
    print(table(sorted(summary, key=lambda row: row["mean_s"]),
                {"part": "part", "median_s": "median CPU s a batch", "mean_s": "mean"}))
    print(f"\n{cost['batches_per_s_and_worker']:.2f} batches a second of each of {options.workers} workers; "
          f"CPU s for a batch: {cost['workers_cpu_s_per_batch']:.3f} of a worker, hand-over included, "
          f"{cost['training_process_cpu_s_per_batch']:.3f} of the training process")
    share = idle_share(rows)
    print(f"step {step_s:.3f} s, {options.workers} workers, {len(rows)} batches after {options.warm_up}: "
          f"idle {share:.1%}")
    if options.trace:
        Path(options.trace).write_text(json.dumps(trace_events(rows)) + "\n", encoding="utf-8")
    write(options.json, {"benchmark": "data_loading", "settings": vars(options), "parts": summary, "workers": cost,
                         "step_s": step_s, "idle_share": share})
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=4)
    parser.add_argument("--shape", type=int, nargs=3, default=[182, 218, 182])
    parser.add_argument("--patch", type=int, default=128, help="side of a patch in voxels")
    parser.add_argument("--stage", choices=("train", "selection"), default="train")
    parser.add_argument("--workers", type=int, default=min(12, os.cpu_count() or 1))
    parser.add_argument("--step", type=float, default=0.07, help="seconds that the GPU takes for a batch")
    parser.add_argument("--scale-to", type=int, help="workers that the step is meant for; stretches it for fewer")
    parser.add_argument("--batches", type=int, default=40, help="batches that count, in each of the three")
    parser.add_argument("--warm-up", type=int, default=10, help="batches of the trace that do not count")
    parser.add_argument("--device", default="cpu", help="cuda: pin batches and copy them to the GPU within the step")
    parser.add_argument("--trace", help="write the trace here (Chrome's trace-event JSON)")
    parser.add_argument("--json", help="write costs, machine and versions here")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())

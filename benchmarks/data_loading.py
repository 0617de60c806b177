"""Cost of a batch of the recipe in the workers, and whether they keep a GPU busy.

  python benchmarks/data_loading.py
  python benchmarks/data_loading.py --workers 2 --step 0.07 --scale-to 12 --json data_loading.json

Cases of real size (two channels z-scored inside the brain, about half of the volume) are written with nnU-Net's own
data set class as its preprocessor writes them. Then

1. one process makes batches: CPU seconds of each;
2. the trainers' DataLoader makes batches as fast as it can: batches a second of each worker, and CPU seconds of the
   training process to receive one, copy it into memory that it keeps, and free it;
3. it feeds a stand-in for the GPU that sleeps for a step's time per batch. The idle share is the waiting as a share of
   waiting and computing, after a warm-up.

`--scale-to 12`: the step is that of 12 workers and is stretched by 12 / `--workers`, so that fewer cores can stand for
more. This leaves out what workers share: the bandwidth of memory and disk (here the cases are in the disk's cache)
and the training process, whose own seconds for a batch (2.) have to be below the step itself, not stretched.
"""

import argparse
import math
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
from scipy.ndimage import gaussian_filter
from side_by_side import parser, write

from nnunet_tv.training.patches import SubjectPatches, loader
from nnunet_tv.training.seeds import Stage

PROPERTIES = {"sitk_stuff": {"direction": (1, 0, 0, 0, 1, 0, 0, 0, 1)}}


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


def recipe_patches(folder: Path, patch_size: tuple[int, ...], stage: Stage) -> SubjectPatches:
    """The recipe's batches of the cases in a folder."""
    return SubjectPatches(
        nnUNetDatasetBlosc2(str(folder)), stage=stage, fold=0, patch_size=patch_size, patch_numbers=range(4),
        transpose_forward=[0, 1, 2], normalization_schemes=["ZScoreNormalization"] * 2, use_mask_for_norm=[True] * 2)


def cost_alone(patches: SubjectPatches, batches: int) -> float:
    """CPU seconds of a batch made in this process; the first is not counted."""
    patches[divmod(0, len(patches))]
    start = time.process_time()
    for i in range(1, batches + 1):
        patches[divmod(i, len(patches))]
    return (time.process_time() - start) / batches


def hand_over_cost(patches: SubjectPatches, workers: int, batches: int) -> dict[str, float]:
    """Batches a second of each worker, and CPU seconds per batch of all workers and of this process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, start_cpu, made, held = time.perf_counter(), time.process_time(), 0, None
    for made, batch in enumerate(_epochs(patches, workers, batches), 1):  # noqa: B007  the count is used after it
        held = torch.empty_like(batch["data"]) if held is None else held
        held.copy_(batch["data"])  # as into pinned memory, which is kept
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    workers_cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"batches": made, "batches_per_s_and_worker": made / seconds / workers,
            "workers_cpu_s_per_batch": workers_cpu / made, "training_process_cpu_s_per_batch": cpu / made}


def _epochs(patches: SubjectPatches, workers: int, batches: int, *, pin: bool = False) -> Iterator[dict]:
    """The trainers' loader over as many whole epochs as hold `batches`."""
    return iter(loader(patches, first_epoch=0, last_epoch=math.ceil(batches / len(patches)), workers=workers, pin=pin))


def idle_share(patches: SubjectPatches, *, workers: int, step_s: float, batches: int, warm_up: int,
               device: str) -> float:
    """Share of the time that a step of `step_s` seconds per batch waits for its batches."""
    waited = computed = 0.0
    source = _epochs(patches, workers, warm_up + batches, pin=device == "cuda")
    for number in range(warm_up + batches):
        start = time.perf_counter()
        batch = next(source)
        received = time.perf_counter()
        for name in ("data", "target"):
            batch[name].to(device)
        del batch  # a trainer frees it at the end of its step
        time.sleep(max(0.0, step_s - (time.perf_counter() - received)))
        if number >= warm_up:
            waited += received - start
            computed += time.perf_counter() - received
    return waited / (waited + computed)


def main(argv: list[str] | None = None) -> int:
    """Print the figures, write the JSON."""
    options = _options(argv)
    torch.set_num_threads(1)
    patch_size = (options.patch,) * 3
    with tempfile.TemporaryDirectory() as folder:
        write_cases(Path(folder), number=options.cases, shape=tuple(options.shape), patch_size=patch_size)
        patches = recipe_patches(Path(folder), patch_size, Stage[options.stage.upper()])
        alone = cost_alone(patches, options.batches)
        cost = hand_over_cost(patches, options.workers, options.batches)
        step_s = options.step * (options.scale_to or options.workers) / options.workers
        share = idle_share(patches, workers=options.workers, step_s=step_s, batches=options.batches,
                           warm_up=options.warm_up, device=options.device)
    print(f"a batch: {alone:.3f} CPU s; {cost['batches_per_s_and_worker']:.2f} a second of each of {options.workers} "
          f"workers, with {cost['workers_cpu_s_per_batch']:.3f} CPU s of a worker, hand-over included, and "
          f"{cost['training_process_cpu_s_per_batch']:.3f} of the training process")
    print(f"step {step_s:.3f} s, {options.workers} workers, {options.batches} batches after {options.warm_up}: "
          f"idle {share:.1%}")
    write(options.json, {"benchmark": "data_loading", "settings": vars(options), "batch_cpu_s": alone,
                         "workers": cost, "step_s": step_s, "idle_share": share})
    return 0


def _options(argv: list[str] | None) -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=int, default=4)
    arguments.add_argument("--shape", type=int, nargs=3, default=[182, 218, 182])
    arguments.add_argument("--patch", type=int, default=128, help="side of a patch in voxels")
    arguments.add_argument("--stage", choices=("train", "selection"), default="train")
    arguments.add_argument("--workers", type=int, default=min(12, os.cpu_count() or 1))
    arguments.add_argument("--step", type=float, default=0.07, help="seconds of the GPU for a batch")
    arguments.add_argument("--scale-to", type=int, help="workers that the step is meant for; stretches it for fewer")
    arguments.add_argument("--batches", type=int, default=40, help="batches that count, in each of the three")
    arguments.add_argument("--warm-up", type=int, default=10, help="first batches of the third that do not count")
    arguments.add_argument("--device", default="cpu", help="cuda: pin batches and copy them to the GPU within the step")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())

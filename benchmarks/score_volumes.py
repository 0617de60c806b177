"""Scoring of a study against a plain loop with SciPy; both must give the same numbers.

  python benchmarks/score_volumes.py --json score.json      (14 cases, 10 runs, 3 groups, raw and filtered: 840 volumes)
  python benchmarks/score_volumes.py --cases 3 --runs 2 --groups 1

The study is synthetic: heads of 182×218×182 voxels at 1 mm, one lesion each, predictions of a part of the lesion and
of about 22 false clusters (the paper's figure for Dice loss), filtered twins with about 4 (made by a size limit, so
that making the study takes minutes and not hours), all written as ``.nii.gz``. The plain loop reads a prediction with
nibabel, labels prediction and reference with scipy and compares each component with the other mask by a mask of the
full volume, in one process. It is timed on a sample of the volumes, one call at a time and alternating with ours;
its time for all of them is the mean of the sample times their number, which the result states. Ours is timed on all
volumes, with the given number of processes, start of the workers and hashing of every file included.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean

import nibabel as nib
import numpy as np
from scipy import ndimage
from side_by_side import parser, write

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.scoring.folders import score_folders
from nnunet_tv.scoring.rows import FILTERED, RAW
from nnunet_tv.scoring.runs import Run

SHAPE = (182, 218, 182)
STRUCTURE = ndimage.generate_binary_structure(3, 3)


def ellipsoid(centre, radii):
    """Slices and mask of an ellipsoid inside the volume."""
    box = tuple(slice(int(c - r), int(c + r) + 1) for c, r in zip(centre, radii, strict=True))
    grid = np.ogrid[box]
    return box, sum(((axis - c) / r) ** 2 for axis, c, r in zip(grid, centre, radii, strict=True)) <= 1


def add(mask, centre, radii):
    """Set an ellipsoid to one."""
    box, inside = ellipsoid(centre, radii)
    mask[box] |= inside


def make_study(root: Path, *, cases: int, runs: int, groups: int, seed: int) -> list[Run]:
    """Write the study's files; the runs to score."""
    random = np.random.default_rng(seed)
    made = [Run(f"loss{group}", run, root / f"loss{group}_{run}", root / f"loss{group}_{run}_filtered")
            for group in range(groups) for run in range(runs)]
    low, high = np.array([30, 30, 30]), np.array(SHAPE) - 30
    for case in range(cases):
        centre, radii = random.uniform(low, high), random.uniform(4, 14, 3)
        reference = np.zeros(SHAPE, np.uint8)
        add(reference, centre, radii)
        write_volume(Volume(reference, np.eye(4)), root / "ref" / f"case{case:02d}.nii.gz")
        for run in made:
            raw = np.zeros(SHAPE, np.uint8)
            if random.random() < 0.8:
                add(raw, centre + random.normal(0, 3, 3), radii * random.uniform(0.5, 1.1, 3))
            for _ in range(random.poisson(22)):
                add(raw, random.uniform(low, high), random.gamma(2, 1.2, 3) + 0.5)
            labels, _ = ndimage.label(raw, STRUCTURE)
            sizes = np.bincount(labels.ravel())
            sizes[0] = 0
            for folder, mask in ((run.raw, raw), (run.filtered, (sizes >= 300)[labels].astype(np.uint8))):
                write_volume(Volume(mask, np.eye(4)), folder / f"case{case:02d}.nii.gz")
        print(f"made case {case + 1} of {cases}", file=sys.stderr)
    return made


def plain(prediction_path: Path, reference_path: Path) -> tuple:
    """Counts of one prediction, by the plain loop."""
    prediction = np.asarray(nib.load(prediction_path).dataobj) > 0
    reference = np.asarray(nib.load(reference_path).dataobj) > 0
    tp = int((prediction & reference).sum())
    fp, fn = int((prediction & ~reference).sum()), int((~prediction & reference).sum())
    found = []
    for mask, other in ((prediction, reference), (reference, prediction)):
        labels, n = ndimage.label(mask, STRUCTURE)
        found += [n, sum(bool((other & (labels == number)).any()) for number in range(1, n + 1))]
    dice = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0
    return tp, fp, fn, dice, found[0], found[0] - found[1], found[2], found[3]


def counts(score) -> tuple:
    """The same counts of one of our scores."""
    return (score.tp, score.fp, score.fn, score.dice, score.n_clusters, score.n_false_clusters, score.n_lesions,
            score.n_lesions_hit)


def main(argv: list[str] | None = None) -> int:
    """Make the study, time both, print and write the result; 1 if any number differs."""
    arguments = parser(__doc__, repeats=3)
    for name, default in (("cases", 14), ("runs", 10), ("groups", 3), ("sample", 40), ("seed", 0)):
        arguments.add_argument(f"--{name}", type=int, default=default, help="default: %(default)s")
    arguments.add_argument("-np", dest="processes", type=int, default=2, help="worker processes (default: %(default)s)")
    options = arguments.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        runs = make_study(root, cases=options.cases, runs=options.runs, groups=options.groups, seed=options.seed)
        result = compare(root, runs, options)
    write(options.json, result)
    print(f"{result['volumes']} volumes of {'×'.join(map(str, SHAPE))}: ours {result['ours_s']:.1f} s on "
          f"{options.processes} processes; plain loop {result['plain_s']:.0f} s on one, "
          f"from {result['plain_sampled']} of them; ratio {result['ratio']:.1f}; "
          f"numbers {'equal' if result['equal'] else 'DIFFER'}")
    return 0 if result["equal"] else 1


def compare(root: Path, runs: list[Run], options: argparse.Namespace) -> dict:
    """Alternate ours on everything and the plain loop on a part of the sample; the result as plain data."""
    cases = sorted(path.name.removesuffix(".nii.gz") for path in (root / "ref").iterdir())
    every = [(run, stage, case) for run in runs for stage in (RAW, FILTERED) for case in cases]
    order = np.random.default_rng(options.seed).permutation(len(every))[:options.sample]
    ours_s, plain_s, checked, equal = [], [], 0, True
    for part in np.array_split(order, options.repeats):
        start = time.perf_counter()
        scores = score_folders(root / "ref", runs, processes=options.processes)
        ours_s.append(time.perf_counter() - start)
        found = {(row.group, row.run, row.stage, row.case): counts(row.score) for row in scores.rows}
        for index in part:
            run, stage, case = every[index]
            start = time.perf_counter()
            expected = plain(run.file(stage, case), root / "ref" / f"{case}.nii.gz")
            plain_s.append(time.perf_counter() - start)
            equal &= expected == found[run.group, run.run, stage, case]
            checked += 1
    return {
        "volumes": len(every), "shape": SHAPE, "processes": options.processes,
        "ours_s": fmean(ours_s), "ours_each_s": ours_s,
        "plain_s": fmean(plain_s) * len(every), "plain_per_volume_s": fmean(plain_s), "plain_sampled": checked,
        "plain_note": "time of the sample scaled to all volumes" if checked < len(every) else "all volumes timed",
        "ratio": fmean(plain_s) * len(every) / fmean(ours_s), "equal": equal,
        "command": sys.argv,
    }


if __name__ == "__main__":
    raise SystemExit(main())

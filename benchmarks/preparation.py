"""Measure nnunet-tv-prepare on phantoms whose transforms are known.

  python benchmarks/preparation.py --seeds 5 6 --json measured.json
  python benchmarks/preparation.py --scenarios thick neck --seeds 3

Every case is prepared by the command itself, in a process of its own, so that seconds and memory are what a user
sees. The table gives, per case:

- FLAIR to T1w, and T1w to MNI152 against the best affine map: mean / largest error over the brain, mm;
- Dice of the brain mask;
- the lesion on the template's grid: Dice with what the true transform (bends included) gives, how much that is
  below what the best affine map gives, and the distance of centroids to the latter, mm;
- the lesion back on the FLAIR's grid against the one that was drawn: Dice and distance of centroids, mm;
- seconds of CPU time (user + system) over two, a stand-in for seconds on two cores; peak memory;
- flags, of which there should be none.
"""

from __future__ import annotations

import argparse
import csv
import json
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from preparation_phantoms import SCENARIOS, Case, make_case
from scipy import ndimage

from nnunet_tv.brain.methods import dice
from nnunet_tv.imaging.geometry import apply, voxel_points
from nnunet_tv.imaging.resample import resample_mask
from nnunet_tv.imaging.volume import Volume, read_volume, write_volume
from nnunet_tv.inference.native import mask_to_native
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.registration.template import template_grid
from nnunet_tv.utils.files import atomic

#: Bars of the table's columns: largest or, where it is a Dice, smallest value allowed.
BARS = {
    "flair_mean_mm": 0.3, "flair_max_mm": 0.5, "mni_mean_mm": 1.0, "mni_max_mm": 2.5, "brain_dice": 0.975,
    "lesion_dice_loss": 0.12, "lesion_mm": 1.5, "native_dice": 0.95, "native_mm": 0.25, "seconds": 60.0,
    "memory_gb": 1.5, "flags": 0,
}
_AT_LEAST = ("brain_dice", "native_dice")
#: The command, which then tells its CPU seconds and its peak memory in kB (ru_maxrss would count the parent's).
_COMMAND = f"""
import resource, sys
from nnunet_tv.cli.prepare import main
sys.path.append({str(Path(__file__).parent)!r})
from processes import peak_bytes
status = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(used.ru_utime + used.ru_stime, peak_bytes() // 1024)
sys.exit(status)
"""


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; exit status 1 if a bar is missed."""
    options = _parser().parse_args(argv)
    rows = []
    for seed in options.seeds:
        for key in options.scenarios:
            row = {"scenario": SCENARIOS[key].name, "seed": seed, **measure(key, seed, options)}
            rows.append(row)
            print(f"{key} {seed}: {json.dumps(row)}", file=sys.stderr, flush=True)
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(table(rows))
    bad = [row for row in rows if misses(row)]
    print(f"\n{len(rows)} cases, {len(bad)} beyond a bar (in bold), {sum(bool(row['flags']) for row in rows)} flagged")
    return 1 if bad else 0


def _parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--seeds", type=int, nargs="+", default=[101])
    result.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    result.add_argument("--registration", default="simpleitk", help="backend (default: %(default)s)")
    result.add_argument("--brain", default="template", help="brain mask (default: %(default)s)")
    result.add_argument("--json", type=Path, help="also write the rows here, after every case")
    result.add_argument("--cases", type=Path, help="keep phantoms in this folder, and take them from there")
    result.add_argument("--keep", type=Path, help="keep scans and results below this folder")
    return result


def measure(key: str, seed: int, options: argparse.Namespace) -> dict:
    """Make a case, prepare it, compare."""
    case = _case(key, seed, options.cases)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name, scan in (("T1w", case.t1), ("FLAIR", case.flair)):
            write_volume(scan, root / "in" / "sub-x" / f"sub-x_{name}.nii.gz")
        cost = _prepare(root, options)
        row = {**_compare(case, root / "out"), **cost}
        if options.keep:
            write_volume(case.roi, root / "roi.nii.gz")
            shutil.copytree(root, options.keep / f"{key}-{seed}", dirs_exist_ok=True)
    return row


def _case(key: str, seed: int, folder: Path | None) -> Case:
    """The phantom; kept in and taken from `folder`, as making one takes longer than preparing it."""
    path = None if folder is None else folder / f"{key}-{seed}.pickle"
    if path is not None and path.exists():
        return pickle.loads(path.read_bytes())
    case = make_case(SCENARIOS[key], seed)
    if path is not None:
        with atomic(path) as temporary:
            temporary.write_bytes(pickle.dumps(case))
    return case


def _prepare(root: Path, options: argparse.Namespace) -> dict[str, float]:
    """Run the command; what it cost."""
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, "-i", root / "in", "-o", root / "out", "-np", "1",
         "--registration", options.registration, "--brain", options.brain], stdout=subprocess.PIPE, text=True,
        check=False)
    if done.returncode:
        raise SystemExit(f"nnunet-tv-prepare ended with exit status {done.returncode}")
    cpu_seconds, peak_kb = done.stdout.split()[-2:]
    return {"seconds": float(cpu_seconds) / 2, "memory_gb": float(peak_kb) * 1024 / 1e9}


def _compare(case: Case, out: Path) -> dict:
    record = Provenance.read(out / "sub-x.prep.json")
    points, best, grid = case.brain_points(), case.best_affine(), template_grid()
    to_flair = np.linalg.inv(case.flair_to_t1)
    flair = _gaps(np.array(record.flair_to_t1), case.flair_to_t1, apply(to_flair, points))
    mni = _gaps(np.array(record.t1_to_template), best, points)
    images = [read_volume(out / f"sub-x_{index:04d}.nii.gz", case="x").data for index in (0, 1)]
    found_brain = ndimage.binary_fill_holes((images[0] != 0) | (images[1] != 0))
    found = resample_mask(case.roi, grid, world=np.linalg.inv(record.to_grid("FLAIR")))
    by_best = resample_mask(case.roi, grid, world=np.linalg.inv(best @ case.flair_to_t1))
    true = _true_lesion(case, by_best)
    native = mask_to_native(found, record, "FLAIR")
    with (out / "preparation.tsv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file, delimiter="\t"))
    return {
        "flair_mean_mm": flair.mean(), "flair_max_mm": flair.max(), "mni_mean_mm": mni.mean(), "mni_max_mm": mni.max(),
        "brain_dice": dice(found_brain, _true_brain(case, np.array(record.t1_to_template))),
        "lesion_dice": dice(found.data, true), "lesion_dice_loss": dice(by_best.data, true) - dice(found.data, true),
        "lesion_mm": _centroid_gap(found, by_best), "native_dice": dice(native.data, case.roi.data),
        "native_mm": _centroid_gap(native, case.roi), "status": row["status"], "flags": record.flags,
        "metrics": record.details["metrics"],
    }


def _gaps(found: np.ndarray, true: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    return np.linalg.norm(apply(found, points_mm) - apply(true, points_mm), axis=-1)


def _centroid_gap(first: Volume, second: Volume) -> float:
    return float(np.linalg.norm(voxel_points(first).mean(axis=0) - voxel_points(second).mean(axis=0)))


def _true_brain(case: Case, t1_to_mni: np.ndarray) -> np.ndarray:
    """The head's brain on the template's grid, as the registration that was found brings it there."""
    grid = template_grid()
    matrix = np.linalg.inv(t1_to_mni) @ grid.affine
    result = np.zeros(grid.shape, bool)
    for z in range(grid.shape[2]):
        indices = np.stack(np.meshgrid(*map(np.arange, grid.shape[:2]), [z], indexing="ij"), -1).astype(np.float32)
        there = case.to_template(apply(matrix, indices).astype(np.float32))
        voxels = apply(np.linalg.inv(case.brain.affine), there)
        result[:, :, z : z + 1] = ndimage.map_coordinates(
            case.brain.data, np.moveaxis(voxels, -1, 0), order=1, output=np.float32) > 0.5
    return result


def _true_lesion(case: Case, near: Volume) -> np.ndarray:
    """The lesion on the template's grid as the true transform, bends included, brings it there."""
    where = ndimage.binary_dilation(near.data, iterations=12)
    indices = np.argwhere(where)
    there = apply(np.linalg.inv(case.flair_to_t1), case.to_scanner(apply(near.affine, indices.astype(float))))
    voxels = apply(np.linalg.inv(case.roi.affine), there)
    result = np.zeros(near.shape, np.uint8)
    result[tuple(indices.T)] = ndimage.map_coordinates(
        case.roi.data, voxels.T, order=1, output=np.float32) >= 0.5
    return result


def misses(row: dict) -> set[str]:
    """Columns of a row beyond their bar."""
    values = {name: len(row[name]) if name == "flags" else row[name] for name in BARS}
    return {name for name, bar in BARS.items() if (values[name] < bar if name in _AT_LEAST else values[name] > bar)}


def table(rows: list[dict]) -> str:
    """Markdown; what is beyond a bar is bold."""
    lines = ["| case | seed | FLAIR to T1w, mm | T1w to MNI, mm | brain Dice | lesion Dice (loss) | lesion, mm "
             "| native Dice | native, mm | s | GB | flags |",
             "|---|---|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        bad = misses(row)

        def cell(name, digits, row=row, bad=bad):
            text = f"{row[name]:.{digits}f}"
            return f"**{text}**" if name in bad else text

        lines.append("| " + " | ".join([
            row["scenario"], str(row["seed"]), f"{cell('flair_mean_mm', 2)} / {cell('flair_max_mm', 2)}",
            f"{cell('mni_mean_mm', 2)} / {cell('mni_max_mm', 2)}", cell("brain_dice", 4),
            f"{row['lesion_dice']:.2f} ({cell('lesion_dice_loss', 2)})", cell("lesion_mm", 2),
            cell("native_dice", 3), cell("native_mm", 2), cell("seconds", 0), cell("memory_gb", 2),
            "; ".join(row["flags"]) or "none"]) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())

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

import argparse
import csv
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from preparation_phantoms import SCENARIOS, Case, make_case
from processes import GIB, measured
from scipy import ndimage
from side_by_side import parser, table, write

from nnunet_tv.brain.brain_mask import dice
from nnunet_tv.imaging.affine import Affine, transform
from nnunet_tv.imaging.resample import resample_mask
from nnunet_tv.imaging.volume import Volume, read_volume, write_volume
from nnunet_tv.inference.native import mask_to_native
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.registration.template import TEMPLATE_GRID

#: Bars of the table's columns: largest or, where it is a Dice, smallest value allowed.
BARS = {
    "flair_mean_mm": 0.3, "flair_max_mm": 0.5, "mni_mean_mm": 1.0, "mni_max_mm": 2.5, "brain_dice": 0.975,
    "lesion_dice_loss": 0.12, "lesion_mm": 1.5, "native_dice": 0.95, "native_mm": 0.25, "seconds": 60.0,
    "memory_gb": 1.5, "flags": 0,
}
_AT_LEAST = ("brain_dice", "native_dice")


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; exit status 1 if a bar is missed."""
    arguments = parser(__doc__)
    arguments.add_argument("--seeds", type=int, nargs="+", default=[101])
    arguments.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=list(SCENARIOS))
    arguments.add_argument("--registration", default="simpleitk", help="backend (default: %(default)s)")
    arguments.add_argument("--brain", default="template", help="brain mask (default: %(default)s)")
    arguments.add_argument("--keep", type=Path, help="keep scans and results below this folder")
    options = arguments.parse_args(argv)
    rows = []
    for seed in options.seeds:
        for key in options.scenarios:
            row = {"scenario": SCENARIOS[key].name, "seed": seed, **measure(key, seed, options)}
            rows.append(row)
            print(f"{key} {seed}: {json.dumps(row)}", file=sys.stderr, flush=True)
            write(options.json, {"rows": rows})
    print(markdown(rows))
    bad = [row for row in rows if misses(row)]
    print(f"\n{len(rows)} cases, {len(bad)} beyond a bar (in bold), {sum(bool(row['flags']) for row in rows)} flagged")
    return 1 if bad else 0


def measure(key: str, seed: int, options: argparse.Namespace) -> dict:
    """Make a case, prepare it, compare with the truth."""
    case = make_case(SCENARIOS[key], seed)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name, scan in (("T1w", case.t1), ("FLAIR", case.flair)):
            write_volume(scan, root / "in" / "sub-x" / f"sub-x_{name}.nii.gz")
        cost = measured("nnunet_tv.cli.prepare", "-i", root / "in", "-o", root / "out", "-np", 1,
                        "--registration-backend", options.registration, "--brain", options.brain)
        row = {**_compare(case, root / "out"), "seconds": cost["cpu_seconds"] / 2,
               "memory_gb": cost["main_gib"] * GIB / 1e9}
        if options.keep:
            write_volume(case.roi, root / "roi.nii.gz")
            shutil.copytree(root, options.keep / f"{key}-{seed}", dirs_exist_ok=True)
    return row


def _compare(case: Case, out: Path) -> dict:
    record = Provenance.read(out / "sub-x.prep.json")
    points, best = case.brain_points(), case.best_affine()
    to_flair = np.linalg.inv(case.flair_to_t1)
    flair = _gaps(record.flair_to_t1.matrix, case.flair_to_t1, transform(to_flair, points))
    mni = _gaps(record.t1_to_template.matrix, best, points)
    images = [read_volume(out / f"sub-x_{index:04d}.nii.gz", case="x").data for index in (0, 1)]
    found_brain = ndimage.binary_fill_holes((images[0] != 0) | (images[1] != 0))
    found = resample_mask(case.roi, TEMPLATE_GRID, world=record.to_grid("FLAIR").inverse())
    by_best = resample_mask(case.roi, TEMPLATE_GRID, world=Affine(best @ case.flair_to_t1, "flair", "mni").inverse())
    true = _true_lesion(case, by_best)
    native = mask_to_native(found, record, "FLAIR")
    with (out / "preparation.tsv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file, delimiter="\t"))
    return {
        "flair_mean_mm": flair.mean(), "flair_max_mm": flair.max(), "mni_mean_mm": mni.mean(), "mni_max_mm": mni.max(),
        "brain_dice": dice(found_brain, _true_brain(case, record.t1_to_template.matrix)),
        "lesion_dice": dice(found.data, true), "lesion_dice_loss": dice(by_best.data, true) - dice(found.data, true),
        "lesion_mm": _centroid_gap(found, by_best), "native_dice": dice(native.data, case.roi.data),
        "native_mm": _centroid_gap(native, case.roi), "status": row["status"], "flags": record.flags,
        "metrics": record.details["metrics"],
    }


def _gaps(found: np.ndarray, true: np.ndarray, points_mm: np.ndarray) -> np.ndarray:
    return np.linalg.norm(transform(found, points_mm) - transform(true, points_mm), axis=-1)


def _centroid_gap(first: Volume, second: Volume) -> float:
    centres = [one.grid.to_mm(np.argwhere(one.data)).mean(axis=0) for one in (first, second)]
    return float(np.linalg.norm(centres[0] - centres[1]))


def _true_brain(case: Case, t1_to_mni: np.ndarray) -> np.ndarray:
    """The head's brain on the template's grid, as the registration that was found brings it there."""
    grid = TEMPLATE_GRID
    matrix = np.linalg.inv(t1_to_mni) @ grid.affine
    result = np.zeros(grid.shape, bool)
    for z in range(grid.shape[2]):
        indices = np.stack(np.meshgrid(*map(np.arange, grid.shape[:2]), [z], indexing="ij"), -1).astype(np.float32)
        there = case.to_template(transform(matrix, indices).astype(np.float32))
        voxels = case.brain.grid.to_indices(there)
        result[:, :, z : z + 1] = ndimage.map_coordinates(
            case.brain.data, np.moveaxis(voxels, -1, 0), order=1, output=np.float32) > 0.5
    return result


def _true_lesion(case: Case, near: Volume) -> np.ndarray:
    """The lesion on the template's grid as the true transform, bends included, brings it there."""
    where = ndimage.binary_dilation(near.data, iterations=12)
    indices = np.argwhere(where)
    there = transform(np.linalg.inv(case.flair_to_t1), case.to_scanner(near.grid.to_mm(indices.astype(float))))
    voxels = case.roi.grid.to_indices(there)
    result = np.zeros(near.shape, np.uint8)
    result[tuple(indices.T)] = ndimage.map_coordinates(
        case.roi.data, voxels.T, order=1, output=np.float32) >= 0.5
    return result


def misses(row: dict) -> set[str]:
    """Columns of a row beyond their bar."""
    values = {name: len(row[name]) if name == "flags" else row[name] for name in BARS}
    return {name for name, bar in BARS.items() if (values[name] < bar if name in _AT_LEAST else values[name] > bar)}


def markdown(rows: list[dict]) -> str:
    """The table; values beyond their bar are bold."""
    cells = []
    for row in rows:
        bad = misses(row)

        def cell(name: str, digits: int, row: dict = row, bad: set = bad) -> str:
            return f"**{row[name]:.{digits}f}**" if name in bad else f"{row[name]:.{digits}f}"

        cells.append({
            "case": row["scenario"], "seed": row["seed"],
            "FLAIR to T1w, mm": f"{cell('flair_mean_mm', 2)} / {cell('flair_max_mm', 2)}",
            "T1w to MNI, mm": f"{cell('mni_mean_mm', 2)} / {cell('mni_max_mm', 2)}",
            "brain Dice": cell("brain_dice", 4),
            "lesion Dice (loss)": f"{row['lesion_dice']:.2f} ({cell('lesion_dice_loss', 2)})",
            "lesion, mm": cell("lesion_mm", 2), "native Dice": cell("native_dice", 3),
            "native, mm": cell("native_mm", 2), "s": cell("seconds", 0), "GB": cell("memory_gb", 2),
            "flags": "; ".join(row["flags"]) or "none"})
    return table(cells, {title: title for title in cells[0]})


if __name__ == "__main__":
    raise SystemExit(main())

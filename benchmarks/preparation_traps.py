"""Faulty input of nnunet-tv-prepare: is it flagged, refused, or accepted as good?

  python benchmarks/preparation_traps.py --seed 21

Makes two persons' scans (see preparation_phantoms.py), spoils them in known ways, one folder per trap, prepares all of
them with one command, and prints their rows of preparation.tsv and their places in qc.html. Exit status 1 if a trap is
accepted as good, or a good case is flagged.
"""

import argparse
import csv
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from preparation_phantoms import SCENARIOS, Case, make_case
from scipy.spatial.transform import Rotation

from nnunet_tv.imaging.volume import Volume, write_volume

#: Required status; that of all other traps is "flagged".
EXPECTED = {"good": "prepared", "good_localiser": "prepared", "t1_alone": "failed", "two_t1": "failed",
            "equal_files": "failed"}


def main(argv: list[str] | None = None) -> int:
    """Run the traps; exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--mm", type=float, default=1.3, help="voxel size (default: %(default)s)")
    parser.add_argument("-np", "--processes", default="2")
    parser.add_argument("--keep", type=Path, help="keep scans and results below this folder")
    parser.add_argument("--only", nargs="+", default=[], help="these traps only")
    options = parser.parse_args(argv)
    scenario = replace(SCENARIOS["own"], t1_mm=options.mm, flair_mm=(options.mm,) * 3, flair_axes="LPS")
    one, other = (make_case(scenario, seed) for seed in (options.seed, options.seed + 1))
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for name, files in traps(one, other).items():
            if not options.only or name in options.only:
                for file, scan in files.items():
                    write_volume(scan, root / "in" / name / f"{file}.nii.gz")
        subprocess.run([sys.executable, "-m", "nnunet_tv.cli.prepare", "-i", root / "in", "-o", root / "out", "-np",
                        options.processes], stdout=subprocess.DEVNULL, check=False)
        with (root / "out" / "preparation.tsv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        page = (root / "out" / "qc.html").read_text(encoding="utf-8")
        if options.keep:
            shutil.copytree(root, options.keep, dirs_exist_ok=True)
    places = [match.strip() for match in re.findall(r"<h2>(\w+)", page) if match != "Numbers"]
    wrong = 0
    print("| trap | status | expected | place in qc.html | message |\n|---|---|---|---|---|")
    for row in rows:
        expected = EXPECTED.get(row["case"], "flagged")
        wrong += row["status"] != expected
        message = row["notes"] if row["status"] == "failed" else row["flags"]
        mark = "" if row["status"] == expected else "**"
        cells = (row["case"], f"{mark}{row['status']}{mark}", expected, places.index(row["case"]) + 1, message)
        print(f"| {' | '.join(map(str, cells))} |")
    print(f"\n{len(rows)} cases, {wrong} not as expected")
    return 1 if wrong else 0


def traps(one: Case, other: Case) -> dict[str, dict[str, Volume]]:
    """Files by name for every trap."""
    t1, flair = one.t1, one.flair
    rng = np.random.default_rng(0)
    cases = {"good": (t1, flair), "other_flair": (t1, other.flair), "t1_twice": (t1, _exported_again(t1)),
             "flair_twice": (_exported_again(flair), flair), "equal_files": (t1, t1), "swapped": (flair, t1),
             "water": (_water(t1, rng), _water(flair, rng)),
             "noise_t1": (_noise(t1, rng), flair), "noise_flair": (t1, _noise(flair, rng)),
             "double_size": tuple(Volume(scan.data, np.diag([2.0, 2, 2, 1]) @ scan.affine) for scan in (t1, flair)),
             "upside_down": (_turned(t1, 0, 180), _turned(flair, 0, 180))}
    for axis, name in enumerate("xyz"):
        cases[f"both_turned_{name}"] = (_turned(t1, axis), _turned(flair, axis))
        cases[f"flair_turned_{name}"] = (t1, _turned(flair, axis))
        cases[f"t1_turned_{name}"] = (_turned(t1, axis, -90), flair)
    files = {name: {"T1w": first, "FLAIR": second} for name, (first, second) in cases.items()}
    files["t1_alone"] = {"T1w": t1}
    files["two_t1"] = {"T1_a": t1, "T1_b": _exported_again(t1), "FLAIR": flair}
    files["good_localiser"] = {"T1w": t1, "FLAIR": flair, "localizer": _localiser(t1)}
    return files


def _turned(scan: Volume, axis: int, degrees: float = 90.0) -> Volume:
    """The same voxels under a header that is turned about an axis through the middle of the scan."""
    centre = scan.affine[:3] @ [*((np.array(scan.shape) - 1) / 2), 1]
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec(np.deg2rad(degrees) * np.eye(3)[axis]).as_matrix()
    turn[:3, 3] = centre - turn[:3, :3] @ centre
    return Volume(scan.data, turn @ scan.affine)


def _exported_again(scan: Volume) -> Volume:
    """The same picture in other bytes: another scale, and axes stored the other way round."""
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = scan.shape[0] - 1
    return Volume((scan.data[::-1] * 0.37).astype(np.float32), scan.affine @ flip)


def _noise(scan: Volume, rng: np.random.Generator) -> Volume:
    return Volume((800 * np.abs(rng.standard_normal(scan.shape))).astype(np.int16), scan.affine)


def _water(scan: Volume, rng: np.random.Generator) -> Volume:
    """A bottle of water, as scanned for quality assurance, of the size of a head."""
    centre = scan.grid.to_mm((np.array(scan.shape) - 1) / 2)
    inside = np.linalg.norm(scan.grid.points() - centre, axis=-1) < 75
    return Volume((500 * inside + 10 * np.abs(rng.standard_normal(scan.shape))).astype(np.int16), scan.affine)


def _localiser(scan: Volume) -> Volume:
    step = max(1, scan.shape[2] // 3)
    affine = scan.affine.copy()
    affine[:3, 2] *= step
    return Volume(np.ascontiguousarray(scan.data[:, :, ::step][:, :, :3]), affine)


if __name__ == "__main__":
    raise SystemExit(main())

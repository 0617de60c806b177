"""Measure nnunet-tv-prepare on real scans whose registrations were found by others.

  python benchmarks/real_scans.py lesjak2017 --json measured.json

Every folder of DIR with T1W.nii.gz and FLAIR.nii.gz is a session, named PATIENT_STUDY; each is prepared by the command
itself, in a process of its own. The references, any of which may be absent (its columns are then "-"):

- PATIENT_STUDY/T1W_to_FLAIR.txt: ITK affine that maps points of the FLAIR to points of the T1w;
- PATIENT_STUDY/FLAIR_to_common.txt: ITK affine that maps points of the patient's common space to those of the FLAIR;
- PATIENT_brainmask_common.nii.gz: brain mask in the common space;
- mni_to_t1_PATIENT_STUDY.npy: 4 x 4, MNI152 mm to T1w mm, RAS. For a session without one it is carried over from
  another study of the patient by the affine maps above.

The table gives, per session:

- FLAIR to T1w, against the reference: median / largest error over the brain, mm;
- T1w to MNI152, against the reference: median / 95th percentile / largest error over the template's brain, mm of the
  T1w;
- the same between two studies of one patient, without a reference of MNI152: our map of the patient's first study,
  carried over by the affine maps, against that of this one: median / 95th percentile, mm;
- Dice of the brain mask with the reference's, within the T1w's field of view; the brain's volume;
- by how much the outline of the brain alone would move the registration; ml of the brain that T1w / FLAIR do not show;
- seconds of CPU time (user + system) over two, a stand-in for seconds on two cores; peak memory; flags.

Exit status 1 if a session misses a goal without a flag, or cannot be prepared.
"""

import argparse
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from processes import GIB, measured
from scipy import ndimage
from side_by_side import parser, table, write

from nnunet_tv.brain.brain_mask import dice
from nnunet_tv.brain.registry import BRAIN_METHODS, NONE, WITHOUT_TEMPLATE
from nnunet_tv.imaging.affine import FLAIR, MNI, T1, Affine, displacement_mm
from nnunet_tv.imaging.resample import resample_mask
from nnunet_tv.imaging.volume import Volume, read_mask, read_volume
from nnunet_tv.preparation.provenance import ENDING, Provenance
from nnunet_tv.registration.template import load_template

#: Largest median and 95th percentile of the error of T1w to MNI152, mm.
GOALS = {"mni_median_mm": 2.0, "mni_95_mm": 5.0}
COMMON = "common"
_SCANS = ("T1W.nii.gz", "FLAIR.nii.gz")


@dataclass(frozen=True)
class Reference:
    """What is known of a session; None where it is not."""

    flair_to_t1: Affine | None = None
    flair_to_common: Affine | None = None
    mni_to_t1: Affine | None = None
    brain: Volume | None = None  #: in the common space

    @property
    def t1_to_common(self) -> Affine | None:
        """From the T1w to the space that the patient's studies share."""
        if self.flair_to_t1 is None or self.flair_to_common is None:
            return None
        return self.flair_to_common @ self.flair_to_t1.inverse()


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; exit status."""
    arguments = parser(__doc__)
    arguments.add_argument("folder", type=Path, metavar="DIR", help="folder of sessions")
    arguments.add_argument("--registration", default="simpleitk", help="backend (default: %(default)s)")
    arguments.add_argument("--brain", default=WITHOUT_TEMPLATE, choices=BRAIN_METHODS,
                           help="brain mask (default: %(default)s)")
    options = arguments.parse_args(argv)
    references = read_references(options.folder)
    rows: list[dict] = []
    found: dict[str, Affine] = {}
    for name, reference in references.items():
        row, found_here = measure(options.folder / name, reference, options)
        first = next((other for other in found if patient_of(other) == patient_of(name)), None)
        if found_here is not None:
            found[name] = found_here
            if first is not None:
                row |= study_agreement(found[first], references[first], found_here, reference)
        rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
        write(options.json, {"rows": rows})
    print(markdown(rows))
    beyond = [row for row in rows if misses(row)]
    print(f"\n{len(rows)} sessions, {sum('mni_median_mm' in row for row in rows)} with a reference of MNI152, "
          f"{sum(bool(row['flags']) for row in rows)} flagged, {len(beyond)} beyond a goal (in bold; median at most "
          f"{GOALS['mni_median_mm']:g} mm, 95 % at most {GOALS['mni_95_mm']:g} mm), "
          f"{sum(not row['flags'] for row in beyond)} of them without a flag, "
          f"{sum('failed' in row for row in rows)} not prepared")
    return 1 if any(not row["flags"] for row in beyond) or any("failed" in row for row in rows) else 0


def read_references(folder: Path) -> dict[str, Reference]:
    """References by session, in the order of their names; `SystemExit` for a folder without sessions."""
    names = sorted(path.name for path in folder.glob("*") if all((path / scan).is_file() for scan in _SCANS))
    if not names:
        raise SystemExit(f"{folder}: expected folders PATIENT_STUDY with {' and '.join(_SCANS)}, found none")
    references = {name: _read_reference(folder, name) for name in names}
    return {name: _with_mni(name, references) for name in names}


def patient_of(session: str) -> str:
    """``patient01`` of ``patient01_study2``."""
    return session.rpartition("_")[0] or session


def _read_reference(folder: Path, name: str) -> Reference:
    brain, matrix = folder / f"{patient_of(name)}_brainmask_common.nii.gz", folder / f"mni_to_t1_{name}.npy"
    to_flair = read_itk(folder / name / "FLAIR_to_common.txt", COMMON, FLAIR)
    return Reference(
        read_itk(folder / name / "T1W_to_FLAIR.txt", FLAIR, T1), None if to_flair is None else to_flair.inverse(),
        Affine(np.load(matrix), MNI, T1) if matrix.is_file() else None,
        read_mask(brain, case=name) if brain.is_file() else None)


def read_itk(path: Path, source: str, target: str) -> Affine | None:
    """Map from `source` to `target`, which an ITK file holds in LPS; None without a file.

    Of any affine type, such as elastix's MatrixOffsetTransformBase, which :meth:`Affine.read_itk` does not read.
    """
    if not path.is_file():
        return None
    itk = sitk.ReadTransform(str(path))
    columns = [np.array(itk.TransformPoint(point)) for point in (*np.eye(3).tolist(), [0.0] * 3)]
    matrix = np.eye(4)
    matrix[:3] = np.stack([*(column - columns[3] for column in columns[:3]), columns[3]], axis=1)
    to_lps = np.diag([-1.0, -1, 1, 1])
    return Affine(to_lps @ matrix @ to_lps, source, target)


def _with_mni(name: str, references: dict[str, Reference]) -> Reference:
    """The reference with its own map of MNI152, else that of the patient's first study that has one."""
    one = references[name]
    if one.mni_to_t1 is not None:
        return one
    for other, reference in references.items():
        if patient_of(other) == patient_of(name) and reference.mni_to_t1 is not None:
            carried = between_studies(reference, one)
            if carried is not None:
                return Reference(one.flair_to_t1, one.flair_to_common, carried @ reference.mni_to_t1, one.brain)
    return one


def between_studies(first: Reference, second: Reference) -> Affine | None:
    """From the T1w of one study of a patient to that of another; None if a map is missing."""
    if first.t1_to_common is None or second.t1_to_common is None:
        return None
    return second.t1_to_common.inverse() @ first.t1_to_common


def measure(session: Path, reference: Reference, options: argparse.Namespace) -> tuple[dict, Affine | None]:
    """Prepare a session, compare with the reference; its row, and the map from MNI152 to the T1w that was found."""
    row: dict = {"session": session.name, "flags": []}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        scans = root / "in" / session.name
        scans.mkdir(parents=True)
        for scan in _SCANS:
            shutil.copy(session / scan, scans)
        try:
            cost = measured("nnunet_tv.cli.prepare", "-i", root / "in", "-o", root / "out", "-np", 1,
                            "--registration-backend", options.registration, "--brain", options.brain)
        except SystemExit as error:
            return row | {"failed": str(error)}, None
        path, = (root / "out").glob(f"*{ENDING}")
        record = Provenance.read(path)
        row |= compare(record, _found_brain(record, root / "out"), reference)
    return (row | {"flags": record.flags, "seconds": cost["cpu_seconds"] / 2,
                   "memory_gb": cost["main_gib"] * GIB / 1e9}, record.t1_to_template.inverse())


def _found_brain(record: Provenance, out: Path) -> Volume | None:
    """The brain mask that was used, on the grid of the results: images are 0 outside of it."""
    if record.brain_method == NONE:
        return None
    images = [read_volume(out / f"{record.case}_{index:04d}.nii.gz", case=record.case) for index in (0, 1)]
    inside = ndimage.binary_fill_holes((images[0].data != 0) | (images[1].data != 0))
    return Volume(inside.astype(np.uint8), images[0].affine)


def compare(record: Provenance, brain: Volume | None, reference: Reference) -> dict[str, float]:
    """Errors of a prepared session against its reference, and the numbers that the command recorded."""
    mni_to_t1 = record.t1_to_template.inverse()
    points = template_points()
    row: dict[str, float] = {}
    if reference.flair_to_t1 is not None:
        on_t1 = (reference.mni_to_t1 or mni_to_t1).apply(points)
        gaps = displacement_mm(record.flair_to_t1.matrix, reference.flair_to_t1.matrix,
                               reference.flair_to_t1.inverse().apply(on_t1))
        row |= {"flair_median_mm": float(np.median(gaps)), "flair_max_mm": float(gaps.max())}
    if reference.mni_to_t1 is not None:
        gaps = displacement_mm(mni_to_t1.matrix, reference.mni_to_t1.matrix, points)
        row |= {"mni_median_mm": float(np.median(gaps)), "mni_95_mm": float(np.percentile(gaps, 95)),
                "mni_max_mm": float(gaps.max())}
    if brain is not None and reference.brain is not None and reference.t1_to_common is not None:
        t1 = record.sources["T1w"]
        seen = resample_mask(Volume(np.ones(t1.shape, np.uint8), t1.affine), brain.grid, world=mni_to_t1).data > 0
        true = resample_mask(reference.brain, brain.grid, world=reference.t1_to_common @ mni_to_t1)
        row["brain_dice"] = dice(brain.data[seen], true.data[seen])
    metrics = record.metrics
    names = {"volume_ml": "brain volume_ml", "outline_mm": "t1_to_template outline_mm",
             "t1_missing_ml": "coverage T1w_missing_ml", "flair_missing_ml": "coverage FLAIR_missing_ml"}
    return row | {name: metrics[key] for name, key in names.items() if key in metrics}


def study_agreement(
    first_found: Affine, first: Reference, second_found: Affine, second: Reference
) -> dict[str, float]:
    """Distance of two studies' maps from MNI152, both found, in mm of the second T1w; empty if a map is missing."""
    carried = between_studies(first, second)
    if carried is None:
        return {}
    gaps = displacement_mm((carried @ first_found).matrix, second_found.matrix, template_points())
    return {"studies_median_mm": float(np.median(gaps)), "studies_95_mm": float(np.percentile(gaps, 95))}


def template_points() -> np.ndarray:
    """Points throughout the template's brain, MNI mm, shape (N, 3)."""
    brain = load_template().brain
    return brain.grid.to_mm(np.argwhere(brain.data[::6, ::6, ::6]) * 6.0)


def misses(row: dict) -> set[str]:
    """Columns of a row beyond their goal."""
    return {name for name, goal in GOALS.items() if row.get(name, 0.0) > goal}


def markdown(rows: list[dict]) -> str:
    """The table; values beyond their goal are bold."""
    cells = []
    for row in rows:
        bad = misses(row)

        def cell(names: str, digits: int, row: dict = row, bad: set = bad) -> str | None:
            texts = ["-" if name not in row else f"**{row[name]:.{digits}f}**" if name in bad
                     else f"{row[name]:.{digits}f}" for name in names.split()]
            return None if set(texts) == {"-"} else " / ".join(texts)

        cells.append({
            "session": row["session"], "FLAIR to T1w, mm": cell("flair_median_mm flair_max_mm", 2),
            "T1w to MNI, mm": cell("mni_median_mm mni_95_mm mni_max_mm", 1),
            "two studies, mm": cell("studies_median_mm studies_95_mm", 1), "brain Dice": cell("brain_dice", 3),
            "ml": cell("volume_ml", 0), "outline, mm": cell("outline_mm", 1),
            "missing ml": cell("t1_missing_ml flair_missing_ml", 0), "s": cell("seconds", 0),
            "GB": cell("memory_gb", 2),
            "flags": f"not prepared: {row['failed']}" if "failed" in row else "; ".join(row["flags"]) or "none"})
    return table(cells, {title: title for title in cells[0]})


if __name__ == "__main__":
    raise SystemExit(main())

"""The complete real file list of ds004199 with tiny volumes of our own in it."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
from native_cases import turned

from nnunet_tv.imaging.grid import Grid

LIST = Path(__file__).parents[1] / "data" / "ds004199"
#: Eight patients and two controls.
SMALL = (1, 3, 6, 18, 27, 48, 74, 140, 2, 5)
#: Poses that scanners and converters leave behind, met in turn.
POSES = ("RAS", "LPS", "LAS", "PSR", "oblique")
#: All scans are of the same 24 mm box, somewhere in the scanner.
CENTRE = np.array([5.0, -8.0, 3.0])
#: The lesion and a bright marker, in scanner mm; nothing about them is symmetric.
LESION, MARKER = CENTRE + np.array([4, 3, -2]), CENTRE + np.array([-5, 2, 4])
LESION_RADIUS_MM = 4.0


def pose_grid(pose: str, spacing: tuple[float, float, float], shape: tuple[int, int, int]) -> Grid:
    """Grid centred on CENTRE, with the axes of `pose`."""
    if pose == "oblique":
        axes = turned((12, 9, 17))[:3, :3]
    else:
        directions = nib.orientations.axcodes2ornt(pose)
        axes = np.zeros((3, 3))
        axes[directions[:, 0].astype(int), range(3)] = directions[:, 1]
    axes = axes * spacing
    return Grid(shape, nib.affines.from_matvec(axes, CENTRE - axes @ ((np.array(shape) - 1) / 2)))


def _points(grid: Grid) -> np.ndarray:
    return grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))


def background(points: np.ndarray) -> np.ndarray:
    """Values without the marker: a different slope along each axis."""
    return (points - CENTRE) @ (1.0, 2.0, 3.0) + 200


def scan_values(grid: Grid) -> np.ndarray:
    """The smooth background and the bright marker."""
    points = _points(grid)
    marker = np.linalg.norm(points - MARKER, axis=-1) < 2.5
    return (background(points) + 800 * marker).astype(np.float32)


def lesion_values(grid: Grid, *, radius_mm: float = LESION_RADIUS_MM) -> np.ndarray:
    """1 in the lesion's ball, else 0."""
    return (np.linalg.norm(_points(grid) - LESION, axis=-1) < radius_mm).astype(np.uint8)


def save(path: Path, data: np.ndarray, grid: Grid) -> None:
    """Write a NIfTI file with scanner coordinates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, grid.affine)
    image.set_sform(grid.affine, 1)
    image.set_qform(grid.affine, 1)
    nib.save(image, path)


def _grid(name: str, number: int) -> Grid:
    if "_T1w" in name:
        spacing, shape = (2.0, 2.0, 2.0), (12, 12, 12)
    elif "4mm" in name or "3mm" in name or "traacpc" in name:
        spacing, shape = (1.5, 1.5, 4.0), (16, 16, 6)  # 2D, thick slices
    elif "32ch10_FLAIR_roi" in name and number == 48:
        spacing, shape = (1.5, 1.5, 1.5), (17, 17, 17)  # the mask of another acquisition's name: another grid
    else:
        spacing, shape = (1.7, 1.7, 1.7), (14, 14, 14)
    return pose_grid(POSES[(number + ("_FLAIR" in name)) % len(POSES)], spacing, shape)


def file_of(root: Path, subject: str, kind: str) -> Path:
    """A subject's T1w, FLAIR or mask (roi)."""
    return next((root / subject / "anat").glob(f"*_{kind}.nii.gz"))


def write(root: Path, numbers: Iterable[int] = range(1, 171)) -> Path:
    """Write the subjects `numbers` with their rows in participants.tsv."""
    subjects = {f"sub-{number:05d}" for number in numbers}
    for line in (LIST / "files.txt").read_text(encoding="utf-8").split():
        path, subject = root / line, line.split("/")[0]
        if subject in subjects and line.endswith(".nii.gz"):
            grid = _grid(path.name, int(subject[4:]))
            save(path, lesion_values(grid) if "_roi" in path.name else scan_values(grid), grid)
        elif subject in subjects or "/" not in line:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}", encoding="utf-8")
    shutil.copy(LIST / "dataset_description.json", root)
    header, *rows = (LIST / "participants.tsv").read_bytes().split(b"\r\n")
    chosen = [row for row in rows if row.split(b"\t")[0].decode() in subjects]
    (root / "participants.tsv").write_bytes(b"\r\n".join([header, *chosen]) + b"\r\n")
    return root

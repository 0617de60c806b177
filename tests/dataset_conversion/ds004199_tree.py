"""The complete real file list of ds004199 with tiny volumes of our own in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

LIST = Path(__file__).parents[1] / "data" / "ds004199"
#: Poses that scanners and converters leave behind, met in turn.
POSES = ("RAS", "LPS", "LAS", "PSR", "oblique")
#: All scans are of the same 24 mm box, somewhere in the scanner.
CENTRE = np.array([5.0, -8.0, 3.0])
#: The lesion and a bright marker, in scanner mm; nothing about them is symmetric.
LESION, MARKER = CENTRE + np.array([4, 3, -2]), CENTRE + np.array([-5, 2, 4])
LESION_RADIUS_MM = 4.0


def pose_affine(pose: str, spacing: tuple[float, float, float], shape: tuple[int, int, int]) -> np.ndarray:
    """Affine of a grid centred on CENTRE, with the axes of `pose`."""
    if pose == "oblique":
        axes = Rotation.from_euler("xyz", (12, -9, 17), degrees=True).as_matrix()
    else:
        axes = np.zeros((3, 3))
        for column, letter in enumerate(pose):
            row = "LR PA IS".replace(" ", "").index(letter)
            axes[row // 2, column] = 1 if row % 2 else -1
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing
    affine[:3, 3] = CENTRE - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


def centres(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Scanner coordinates of all voxel centres, shape (X, Y, Z, 3)."""
    indices = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    return indices @ affine[:3, :3].T + affine[:3, 3]


def scan_values(points: np.ndarray) -> np.ndarray:
    """A smooth background with a different slope along each axis, and the bright marker."""
    slope = (points - CENTRE) @ (1.0, 2.0, 3.0) + 200
    return (slope + 800 * (np.linalg.norm(points - MARKER, axis=-1) < 2.5)).astype(np.float32)


def lesion_values(points: np.ndarray) -> np.ndarray:
    """1 in the lesion's ball, else 0."""
    return (np.linalg.norm(points - LESION, axis=-1) < LESION_RADIUS_MM).astype(np.uint8)


def save(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Write a NIfTI file with scanner coordinates."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nib.save(image, path)


def _grid(name: str, number: int) -> tuple[np.ndarray, tuple[int, int, int]]:
    if "_T1w" in name:
        spacing, shape = (2.0, 2.0, 2.0), (12, 12, 12)
    elif "4mm" in name or "3mm" in name or "traacpc" in name:
        spacing, shape = (1.5, 1.5, 4.0), (16, 16, 6)  # 2D, thick slices
    elif "32ch10_FLAIR_roi" in name and number == 48:
        spacing, shape = (1.5, 1.5, 1.5), (17, 17, 17)  # the mask of another acquisition's name: another grid
    else:
        spacing, shape = (1.7, 1.7, 1.7), (14, 14, 14)
    pose = POSES[(number + ("_FLAIR" in name)) % len(POSES)]
    return pose_affine(pose, spacing, shape), shape


def build(root: Path, keep=lambda subject: True) -> Path:
    """Write the tree (subjects for which `keep` is true) to `root`."""
    for line in (LIST / "files.txt").read_text(encoding="utf-8").split():
        path = root / line
        subject = path.parts[len(root.parts)] if "/" in line else ""
        if subject and not keep(subject):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if not line.endswith(".nii.gz"):
            path.write_text("{}", encoding="utf-8")
            continue
        affine, shape = _grid(path.name, int(subject[4:]))
        points = centres(affine, shape)
        save(path, lesion_values(points) if "_roi" in path.name else scan_values(points), affine)
    (root / "participants.tsv").write_bytes((LIST / "participants.tsv").read_bytes())
    return root


@pytest.fixture(scope="session")
def whole_tree(tmp_path_factory) -> Path:
    """The complete list with tiny volumes; not to be changed."""
    return build(tmp_path_factory.mktemp("bids") / "ds004199")


@pytest.fixture
def tree(whole_tree, tmp_path) -> Path:
    """Eight patients and two controls of it, with their rows in participants.tsv; a test may damage it."""
    subjects = [*(f"sub-{number:05d}" for number in (1, 3, 6, 18, 27, 48, 74, 140, 2, 5))]
    root = tmp_path / "ds004199"
    root.mkdir()
    lines = (whole_tree / "participants.tsv").read_bytes().split(b"\r\n")
    chosen = [line for line in lines if line.split(b"\t")[0].decode() in subjects]
    (root / "participants.tsv").write_bytes(b"\r\n".join([lines[0], *chosen]) + b"\r\n")
    for subject in subjects:
        shutil.copytree(whole_tree / subject, root / subject)
    return root

"""What the tests of all converters look at: the table, the files, and a run that is killed."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import ds004199_tree
import numpy as np
import SimpleITK as sitk

FOLDERS = ("imagesTr", "labelsTr", "imagesTs", "labelsTs")


def table(folder: Path, name: str = "conversion.tsv") -> dict[str, dict[str, str]]:
    """Rows of a conversion table by case."""
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return {row["case"]: row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def snapshot(root: Path) -> dict[str, bytes]:
    """All files but the lock, by path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*"))
            if path.is_file() and path.name != "lock"}


def failures(folder: Path) -> dict[str, str]:
    """Notes of the cases that failed."""
    return {case: row["notes"] for case, row in table(folder).items() if row["status"] == "failed"}


def kill_after(labels: int, folder: Path, *arguments: object) -> list[Path]:
    """Start a conversion into `folder`, kill it after so many labels; what it left where nnU-Net reads."""
    run = subprocess.Popen([sys.executable, "-m", "nnunet_tv.cli.convert", *map(str, arguments)],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("labelsTr/*"))) < labels and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert run.returncode == -signal.SIGKILL, "the run ended before it could be killed"
    return [path for name in FOLDERS for path in (folder / name).iterdir()]


def physical(image: sitk.Image) -> np.ndarray:
    """Scanner coordinates (RAS+) of all voxels as SimpleITK places them, shape (Z, Y, X, 3)."""
    size = image.GetSize()
    indices = np.stack(np.meshgrid(*(np.arange(n) for n in size[::-1]), indexing="ij"), axis=-1)[..., ::-1]
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    return (indices @ axes.T + image.GetOrigin()) * (-1, -1, 1)


def check_places(folder: Path, case: str, channels: tuple[str, ...]) -> None:
    """Marker (in each of `channels`) and lesion of the trees' phantom are where they were in the scanner."""
    for channel in channels:
        path = next(folder.glob(f"images*/{case}_{channel}.nii.gz"))
        image = sitk.ReadImage(str(path))
        values, places = sitk.GetArrayFromImage(image), physical(image)
        background = (places - ds004199_tree.CENTRE) @ (1.0, 2.0, 3.0) + 200
        bright = np.where(values - background > 400)
        assert np.linalg.norm(places[bright].mean(axis=0) - ds004199_tree.MARKER) < 1, path
    label = sitk.ReadImage(str(next(folder.glob(f"labels*/{case}.nii.gz"))))
    lesion = physical(label)[sitk.GetArrayFromImage(label) > 0]
    assert np.linalg.norm(lesion.mean(axis=0) - ds004199_tree.LESION) < 1
    ball = 4 / 3 * np.pi * ds004199_tree.LESION_RADIUS_MM**3
    assert abs(len(lesion) * np.prod(label.GetSpacing()) / ball - 1) < 0.25

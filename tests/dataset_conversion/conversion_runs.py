"""What the tests of all converters share: a run of the command, its table, damaged files, and a run that is killed."""

import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import bonbid_tree
import ds004199_tree
import mets_tree
import nibabel as nib
import numpy as np
import output_folders
import SimpleITK as sitk
from metaimage_files import write_metaimage

from nnunet_tv.cli.convert import main
from nnunet_tv.imaging.volume import read_volume
from nnunet_tv.utils.files import read_json

FOLDERS = ("imagesTr", "labelsTr", "imagesTs", "labelsTs")


@dataclass(frozen=True)
class Converter:
    """A data set's command; called, it converts a tree into a raw root and returns the exit status."""

    data_set: str
    folder: str
    tree: ModuleType  #: writes the input
    channels: tuple[str, ...] = ("0000", "0001")  #: those that show the marker
    options: tuple[str, ...] = ()

    def arguments(self, tree: Path, out: Path) -> list[str]:
        return [self.data_set, "-i", str(tree), "-o", str(out), *self.options]

    def __call__(self, tree: Path, out: Path, *options: str) -> int:
        return main([*self.arguments(tree, out), "-np", "1", *options])


# the scans of the trees are too small to be registered; preparation has tests of its own
DS004199 = Converter("ds004199", "DatasetFCD", ds004199_tree, options=("--space", "none"))
BONBID = Converter("bonbid-hie", "DatasetBONBID", bonbid_tree, ("0000",))
METS = Converter("brain-mets-lung", "DatasetBrainMets", mets_tree)
PAIRS = Converter("pairs", "DatasetPairs", mets_tree)


def table(folder: Path, name: str = "conversion.tsv") -> dict[str, dict[str, str]]:
    """Rows of a conversion table by case."""
    return output_folders.table(folder / name)


def count(folder: Path, *names: str) -> list[int]:
    """Number of files in each of the folders."""
    return [len(list((folder / name).iterdir())) for name in names]


def failures(folder: Path) -> dict[str, str]:
    """Notes of the cases that failed."""
    return {case: row["notes"] for case, row in table(folder).items() if row["status"] == "failed"}


def check_failed(folder: Path, case: str, message: str, error: str, *, named: Path) -> None:
    """Only `case` has failed, with a message about `named` in the table and in `error`; nothing of it is left."""
    failed = failures(folder)
    assert list(failed) == [case]
    for text in (failed[case], error):
        assert re.search(message, text) and str(named) in text
    assert "1 case failed" in error and f"  {case}: " in error
    assert not list(folder.glob(f"*/{case}*")) and case not in (folder / "splits_final.json").read_text()
    assert read_json(folder / "dataset.json")["numTraining"] == count(folder, "labelsTr")[0]


#: The command with a pause before each file is moved into place, so that it cannot end before it is killed.
_SLOWED = """
import os, sys, time
def slowed(move):
    return lambda *places, **options: (time.sleep(0.02), move(*places, **options))[1]
os.replace, os.rename = slowed(os.replace), slowed(os.rename)
from nnunet_tv.cli.convert import main
sys.exit(main())
"""


def kill_after(labels: int, folder: Path, arguments: list[str], *, processes: int = 1) -> list[Path]:
    """Start a conversion into `folder`, kill it after so many labels; the files that it left for nnU-Net.

    Its workers end too.
    """
    run = subprocess.Popen([sys.executable, "-c", _SLOWED, *arguments, "-np", str(processes)],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while len(list(folder.glob("labelsTr/*"))) < labels and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.001)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert run.returncode == -signal.SIGKILL, "the run ended before it could be killed"
    while (left := _session(run.pid)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
    return [path for name in FOLDERS for path in (folder / name).iterdir()]


def _session(leader: int) -> list[str]:
    """Live processes of the session that `leader` started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, *numbers = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if state != "Z" and int(numbers[2]) == leader:
            found.append(path.parent.name)
    return found


def damage(path: Path, kind: str) -> None:
    """Damage an image file."""
    if kind == "missing":
        path.unlink()
    elif kind == "dangling":
        path.unlink()
        path.symlink_to("../../.git/annex/objects/x/y/MD5E-s1--z.nii.gz/MD5E-s1--z.nii.gz")
    elif kind == "pointer":
        path.write_text("/annex/objects/MD5E-s1--z.nii.gz\n")
    elif kind == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    elif kind == "both endings":
        nib.save(nib.load(path), path.with_name(path.name.removesuffix(".gz")))
    else:
        volume = read_volume(path, case="x")
        data = volume.data[:, :, :-1] if kind == "cropped" else volume.data
        distance = {"cropped": 0.0, "rounded": 0.02, "shifted": 1.0, "elsewhere": 400.0}[kind]
        affine = nib.affines.from_matvec(np.eye(3), [distance] * 3) @ volume.affine
        if path.suffix == ".mha":
            write_metaimage(data, affine, path)
        else:
            nib.save(nib.Nifti1Image(data, affine), path)


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
        bright = np.where(values - ds004199_tree.background(places) > 400)
        assert np.linalg.norm(places[bright].mean(axis=0) - ds004199_tree.MARKER) < 1, path
    label = sitk.ReadImage(str(next(folder.glob(f"labels*/{case}.nii.gz"))))
    lesion = physical(label)[sitk.GetArrayFromImage(label) > 0]
    assert np.linalg.norm(lesion.mean(axis=0) - ds004199_tree.LESION) < 1
    ball = 4 / 3 * np.pi * ds004199_tree.LESION_RADIUS_MM**3
    assert abs(len(lesion) * np.prod(label.GetSpacing()) / ball - 1) < 0.25

"""Small seeded data sets in nnU-Net's raw format, and fixtures on them (imported by conftest)."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

os.environ["nnUNet_def_n_proc"] = "1"  # nnU-Net reads it once, when it is first imported

import numpy as np
import pytest

from nnunet_tv.imaging.volume import Volume, write_volume

FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


def small_brain(rng: np.random.Generator, *, lesion: bool = True, side: int = 40):
    """T1w, FLAIR and lesion mask of a ball-shaped brain, shape (side,)*3; a FLAIR-bright cube is the lesion."""
    grid = np.indices((side,) * 3) - (side - 1) / 2
    brain = (grid**2).sum(0) < (0.45 * side) ** 2
    t1, flair = (brain * (100 + 10 * rng.standard_normal((side,) * 3)) for _ in range(2))
    mask = np.zeros((side,) * 3, np.uint8)
    if lesion:
        cube = tuple(slice(c, c + side // 6) for c in rng.integers(side // 4, side // 2, 3))
        mask[cube] = 1
        flair[cube] += 80
    return t1.astype(np.float32), flair.astype(np.float32), mask


def write_raw_dataset(folder: Path, *, cases: int = 4, selection: int = 1, folds: int = 2, side: int = 40,
                      seed: int = 0) -> None:
    """A raw data set of `cases` patients; the last `selection` cases are val and selection of every fold."""
    rng = np.random.default_rng(seed)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    names = [f"sub-{i:05d}" for i in range(1, cases + 1)]
    for name in names:
        t1, flair, mask = small_brain(rng, side=side)
        write_volume(Volume(t1, affine), folder / "imagesTr" / f"{name}_0000.nii.gz")
        write_volume(Volume(flair, affine), folder / "imagesTr" / f"{name}_0001.nii.gz")
        write_volume(Volume(mask, affine), folder / "labelsTr" / f"{name}.nii.gz")
    dataset = {"name": folder.name, "channel_names": {"0": "T1w", "1": "FLAIR"}, "labels": {"background": 0, "FCD": 1},
               "numTraining": cases, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(dataset))
    train, val = names[:-selection], names[-selection:]
    (folder / "splits_final.json").write_text(json.dumps([{"train": train, "val": val, "selection": val}] * folds))


def set_folders(patch: pytest.MonkeyPatch, root: Path) -> None:
    """Point nnU-Net's three variables into `root`; one worker each."""
    for variable in FOLDERS:
        (root / variable).mkdir(exist_ok=True)
        patch.setenv(variable, str(root / variable))
    patch.setenv("nnUNet_n_proc_DA", "1")


def sample_few_voxels(patch: pytest.MonkeyPatch) -> None:
    """Let nnU-Net's fingerprint draw ten thousand voxels instead of a hundred million, whatever the images' size."""
    from nnunetv2.experiment_planning.dataset_fingerprint.fingerprint_extractor import DatasetFingerprintExtractor

    real = DatasetFingerprintExtractor.__init__

    def fewer(self, *args, **kwargs):
        real(self, *args, **kwargs)
        self.num_foreground_voxels_for_intensitystats = 1e4

    patch.setattr(DatasetFingerprintExtractor, "__init__", fewer)


@pytest.fixture
def nnunet_folders(tmp_path, monkeypatch):
    """Empty folders for nnU-Net's three variables."""
    set_folders(monkeypatch, tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def _planned(tmp_path_factory):
    from nnunet_tv.planning.dataset import plan_dataset

    root = tmp_path_factory.mktemp("planned")
    with pytest.MonkeyPatch.context() as patch:
        set_folders(patch, root)
        sample_few_voxels(patch)
        write_raw_dataset(root / "nnUNet_raw" / "DatasetFCD")
        plan_dataset("DatasetFCD", patch_size=(64, 64, 64), processes=1)
    return root


@pytest.fixture
def planned(_planned, nnunet_folders, monkeypatch):
    """A planned and preprocessed data set, DatasetFCD, with MSDSANetPlans.json at 64³; the test's own copy."""
    sample_few_voxels(monkeypatch)
    for variable in FOLDERS[:2]:
        shutil.copytree(_planned / variable, nnunet_folders / variable, dirs_exist_ok=True)
    return nnunet_folders

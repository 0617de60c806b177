"""Small seeded data sets in nnU-Net's raw format, and fixtures on them (imported by conftest)."""

import json
import os
import shutil
from pathlib import Path

os.environ["nnUNet_def_n_proc"] = "1"  # nnU-Net reads it once, when it is first imported

import numpy as np
import pytest

from nnunet_tv.imaging.volume import Volume, write_volume

FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


def write_raw_dataset(folder: Path, *, cases: int = 4) -> None:
    """A raw data set of `cases` patients, the last of whom is val and selection of both folds.

    T1w and FLAIR of a ball-shaped brain, with a FLAIR-bright cube as the lesion; 40³ voxels of 2 mm.
    """
    rng = np.random.default_rng(0)
    shape = (40, 40, 40)
    brain = ((np.indices(shape) - 19.5) ** 2).sum(0) < 18**2
    names = [f"sub-{i:05d}" for i in range(1, cases + 1)]
    for name in names:
        t1, flair = (brain * (100 + 10 * rng.standard_normal(shape)) for _ in range(2))
        mask = np.zeros(shape, np.uint8)
        mask[tuple(slice(c, c + 6) for c in rng.integers(10, 20, 3))] = 1
        for data, path in ((t1, f"imagesTr/{name}_0000"), (flair + 80 * mask, f"imagesTr/{name}_0001")):
            write_volume(Volume(data.astype(np.float32), np.diag([2.0, 2, 2, 1])), folder / f"{path}.nii.gz")
        write_volume(Volume(mask, np.diag([2.0, 2, 2, 1])), folder / "labelsTr" / f"{name}.nii.gz")
    dataset = {"name": folder.name, "channel_names": {"0": "T1w", "1": "FLAIR"}, "labels": {"background": 0, "FCD": 1},
               "numTraining": cases, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(dataset))
    fold = {"train": names[:-1], "val": names[-1:], "selection": names[-1:]}
    (folder / "splits_final.json").write_text(json.dumps([fold, fold]))


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

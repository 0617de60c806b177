"""All names of BONBID-HIE (85 and 4; those of the training part are of our own choice) with tiny volumes in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from ds004199_tree import POSES, centres, lesion_values, pose_affine, scan_values
from metaimage_files import write_metaimage

TRAIN, VALIDATION = "BONBID2023_Train", "BONBID2023_Val"
VALIDATION_NUMBERS = (1, 2, 302, 436)
TRAINING_NUMBERS = tuple(number for number in range(4, 500) if number not in VALIDATION_NUMBERS)[:340:4]
SPACING_MM, SHAPE = (2.0, 2.0, 2.0), (12, 12, 12)


def name(number: int) -> str:
    """Identifier of a newborn's first visit."""
    return f"MGHNICU_{number:03d}-VISIT_01"


def files(part: Path, case: str) -> dict[str, Path]:
    """Paths of a case as published."""
    return {"ADC": part / "1ADC_ss" / f"{case}-ADC_ss.mha",
            "Zmap": part / "2Z_ADC" / f"Zmap_{case}-ADC_smooth2mm_clipped10.mha",
            "label": part / "3LABEL" / f"{case}_lesion.mha"}


def write_case(part: Path, number: int, *, compressed: bool = True) -> None:
    """A case in the pose of its number; the Z map is low in the lesion."""
    affine = pose_affine(POSES[number % len(POSES)], SPACING_MM, SHAPE)
    points = centres(affine, SHAPE)
    lesion = lesion_values(points)
    volumes = {"ADC": scan_values(points), "Zmap": (-5.0 * lesion).astype(np.float32), "label": lesion}
    for kind, path in files(part, name(number)).items():
        write_metaimage(volumes[kind], affine, path, compressed=compressed)


@pytest.fixture(scope="session")
def whole_tree(tmp_path_factory) -> Path:
    """The complete list; not to be changed."""
    root = tmp_path_factory.mktemp("bonbid") / "zenodo"
    for number in TRAINING_NUMBERS:
        write_case(root / TRAIN, number, compressed=number % 2 == 0)
    for number in VALIDATION_NUMBERS:
        write_case(root / VALIDATION, number)
    return root


@pytest.fixture
def tree(tmp_path) -> Path:
    """Eight newborns, two of them for validation; a test may damage it."""
    root = tmp_path / "zenodo"
    for number in (5, 10, 15, 20, 25, 306):
        write_case(root / TRAIN, number, compressed=number % 2 == 0)
    for number in (1, 436):
        write_case(root / VALIDATION, number)
    return root


def copy_part(root: Path, case: str, start: str, end: str) -> None:
    """Copy a case's files from one part to the other."""
    for kind, path in files(root / start, case).items():
        shutil.copy(path, files(root / end, case)[kind])

"""Folders of patients as in Brain-Mets-Lung-MRI-Path-Segs, with tiny volumes in them.

FLAIR and masks of even patients are on grids of their own; patient 3's files are not compressed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ds004199_tree import LESION, POSES, centres, lesion_values, pose_affine, save, scan_values

#: The oedema's radius around the core.
WHOLE_RADIUS_MM = 6.0


def files(root: Path, number: int) -> dict[str, Path]:
    """Paths of a patient, by kind."""
    case, ending = f"P{number:03d}", ".nii" if number == 3 else ".nii.gz"
    return {kind: root / case / f"{case}_{kind}{ending}" for kind in ("t1ce_img", "flair_img", "core_seg", "whole_seg")}


def write_patient(root: Path, number: int) -> None:
    """T1w with contrast in the pose of its number."""
    t1_shape, own_shape = (12, 12, 12), (14, 14, 14)
    t1 = pose_affine(POSES[number % len(POSES)], (2.0, 2.0, 2.0), t1_shape)
    own = pose_affine(POSES[(number + 2) % len(POSES)], (1.7, 1.7, 1.7), own_shape)
    affine, shape = (own, own_shape) if number % 2 == 0 else (t1, t1_shape)
    paths = files(root, number)
    paths["t1ce_img"].parent.mkdir(parents=True)
    save(paths["t1ce_img"], scan_values(centres(t1, t1_shape)), t1)
    points = centres(affine, shape)
    save(paths["flair_img"], scan_values(points), affine)
    save(paths["core_seg"], lesion_values(points), affine)
    save(paths["whole_seg"], (np.linalg.norm(points - LESION, axis=-1) < WHOLE_RADIUS_MM).astype(np.uint8), affine)


@pytest.fixture(scope="session")
def whole_tree(tmp_path_factory) -> Path:
    """Ten patients; not to be changed."""
    root = tmp_path_factory.mktemp("mets") / "tcia"
    for number in range(1, 11):
        write_patient(root, number)
    return root


@pytest.fixture
def tree(tmp_path) -> Path:
    """Six patients; a test may damage them."""
    root = tmp_path / "tcia"
    for number in range(1, 7):
        write_patient(root, number)
    return root

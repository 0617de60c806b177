"""Folders of patients as in Brain-Mets-Lung-MRI-Path-Segs, with tiny volumes in them.

FLAIR and masks of even patients are on grids of their own; patient 3's files are not compressed.
"""

from collections.abc import Iterable
from pathlib import Path

from ds004199_tree import POSES, lesion_values, pose_grid, save, scan_values

#: Six patients.
SMALL = range(1, 7)


def files(root: Path, number: int) -> dict[str, Path]:
    """Paths of a patient, by kind."""
    case, ending = f"P{number:03d}", ".nii" if number == 3 else ".nii.gz"
    return {kind: root / case / f"{case}_{kind}{ending}" for kind in ("t1ce_img", "flair_img", "core_seg", "whole_seg")}


def write(root: Path, numbers: Iterable[int] = range(1, 11)) -> Path:
    """Write patients, with the T1w with contrast in the pose of the number; the oedema has a radius of 6 mm."""
    for number in numbers:
        t1 = pose_grid(POSES[number % len(POSES)], (2.0, 2.0, 2.0), (12, 12, 12))
        own = pose_grid(POSES[(number + 2) % len(POSES)], (1.7, 1.7, 1.7), (14, 14, 14)) if number % 2 == 0 else t1
        volumes = {"t1ce_img": (scan_values(t1), t1), "flair_img": (scan_values(own), own),
                   "core_seg": (lesion_values(own), own), "whole_seg": (lesion_values(own, radius_mm=6.0), own)}
        for kind, path in files(root, number).items():
            save(path, *volumes[kind])
    return root

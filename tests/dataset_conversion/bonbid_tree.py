"""All names of BONBID-HIE (85 and 4; those of the training part are of our own choice) with tiny volumes in them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from ds004199_tree import POSES, lesion_values, pose_grid, scan_values
from metaimage_files import write_metaimage

TRAIN, VALIDATION = "BONBID2023_Train", "BONBID2023_Val"
VALIDATION_NUMBERS = (1, 2, 302, 436)
TRAINING_NUMBERS = tuple(number for number in range(4, 500) if number not in VALIDATION_NUMBERS)[:340:4]
#: Eight newborns, two of them for validation.
SMALL = (5, 10, 15, 20, 25, 306, 1, 436)


def name(number: int) -> str:
    """Identifier of a newborn's first visit."""
    return f"MGHNICU_{number:03d}-VISIT_01"


def files(part: Path, case: str) -> dict[str, Path]:
    """Paths of a case as published."""
    return {"ADC": part / "1ADC_ss" / f"{case}-ADC_ss.mha",
            "Zmap": part / "2Z_ADC" / f"Zmap_{case}-ADC_smooth2mm_clipped10.mha",
            "label": part / "3LABEL" / f"{case}_lesion.mha"}


def write(root: Path, numbers: Iterable[int] = TRAINING_NUMBERS + VALIDATION_NUMBERS) -> Path:
    """Write cases in the poses of their numbers; the Z map is low in the lesion, odd training files are not packed."""
    for number in numbers:
        part = VALIDATION if number in VALIDATION_NUMBERS else TRAIN
        grid = pose_grid(POSES[number % len(POSES)], (2.0, 2.0, 2.0), (12, 12, 12))
        lesion = lesion_values(grid)
        volumes = {"ADC": scan_values(grid), "Zmap": (-5.0 * lesion).astype(np.float32), "label": lesion}
        for kind, path in files(root / part, name(number)).items():
            write_metaimage(volumes[kind], grid.affine, path, compressed=part == VALIDATION or number % 2 == 0)
    return root

"""A data set of tiny files for the tests of the writer."""

from pathlib import Path

import numpy as np

from nnunet_tv.conversion.source import SourceCase, SourceDataset
from nnunet_tv.imaging.volume import Volume, write_volume


def small_dataset(folder: Path, *, shape: tuple[int, int, int], spacing: float, lesion: tuple[slice, ...],
                  patients: int = 6, controls: int = 0) -> SourceDataset:
    """Cases ``case0`` … with noise as T1w and FLAIR; `lesion` is the box of the patients' masks."""
    affine, cases = np.diag([spacing] * 3 + [1.0]), []
    for number in range(patients + controls):
        name, generator = f"case{number}", np.random.default_rng(number)
        files = {kind: folder / f"{name}_{kind}.nii.gz" for kind in ("T1w", "FLAIR", "roi")}
        for kind in ("T1w", "FLAIR"):
            write_volume(Volume(1 + generator.random(shape).astype(np.float32), affine), files[kind])
        if number < patients:
            mask = np.zeros(shape, np.uint8)
            mask[lesion] = 1
            write_volume(Volume(mask, affine), files["roi"])
        label = files.pop("roi") if number < patients else None
        cases.append(SourceCase(name, "patient" if label else "control",
                                {kind: files[kind] for kind in ("T1w", "FLAIR")}, label))
    return SourceDataset(folder, ("T1w", "FLAIR"), {"background": 0, "FCD": 1}, "FLAIR", tuple(cases),
                         "test data", "CC0", "none")

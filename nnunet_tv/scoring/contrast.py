"""Lesion contrast of each case, from its scan and its reference."""

from pathlib import Path

from nnunet_tv.imaging.volume import read_mask, read_volume
from nnunet_tv.metrics.contrast import lesion_contrast
from nnunet_tv.postprocessing import ENDING
from nnunet_tv.scoring.case_scoring import on_grid_of
from nnunet_tv.utils.errors import CaseError

IMAGE_ENDINGS = (f"_0000{ENDING}", ENDING)


def find_image(folder: Path, case: str) -> Path | None:
    """A case's first scan, ``CASE_0000.nii.gz`` or ``CASE.nii.gz``; None where there is neither."""
    return next((path for ending in IMAGE_ENDINGS if (path := folder / f"{case}{ending}").exists()), None)


def contrast_of_case(case: str, *, reference: Path, images: Path) -> float | None:
    """:func:`nnunet_tv.metrics.contrast.lesion_contrast` of one case, from folders of references and scans.

    Raises a CaseError for no scan, an unusable one, or one on another grid.
    """
    truth = read_mask(reference / f"{case}{ENDING}", case=case)
    path = find_image(images, case)
    if path is None:
        raise CaseError(case, f"no scan in {images}, so no lesion contrast: give it, or leave the stratum out")
    scan = on_grid_of(read_volume(path, case=case), truth)
    if scan is None:
        raise CaseError(case, "the scan is not on the reference's grid, so no lesion contrast", path)
    return lesion_contrast(scan.data, truth.data.astype(bool), truth.spacing_mm)

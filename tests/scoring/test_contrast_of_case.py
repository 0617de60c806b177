"""Lesion contrast from folders."""

import numpy as np
import pytest
from scored_folders import SPACING, cube, save

from nnunet_tv.metrics.contrast import lesion_contrast
from nnunet_tv.scoring.contrast import contrast_of_case
from nnunet_tv.utils.errors import CaseError


def test_contrast_of_a_case_and_missing_files(tmp_path):
    lesion = cube((6, 7, 8))
    scan = np.random.default_rng(0).uniform(1, 2, lesion.shape).astype(np.float32) + lesion
    save(tmp_path / "ref", "a", lesion)
    folders = {"reference": tmp_path / "ref", "images": tmp_path}
    with pytest.raises(CaseError, match=r"a: no scan in .*, so no lesion contrast: give it, or leave the stratum out"):
        contrast_of_case("a", **folders)
    save(tmp_path, "a_0000", scan[1:])
    with pytest.raises(CaseError, match="the scan is not on the reference's grid, so no lesion contrast"):
        contrast_of_case("a", **folders)
    save(tmp_path, "a_0000", scan)
    assert contrast_of_case("a", **folders) == pytest.approx(lesion_contrast(scan, lesion > 0, SPACING))

"""Lesion contrast from folders."""

import numpy as np
import pytest

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.metrics.contrast import lesion_contrast
from nnunet_tv.scoring.contrast import contrast_of_case
from nnunet_tv.utils.errors import CaseError


def test_contrast_of_a_case_and_missing_files(tmp_path):
    lesion = np.zeros((20, 20, 20), bool)
    lesion[8:12, 8:12, 8:12] = True
    scan = np.random.default_rng(0).uniform(1, 2, lesion.shape).astype(np.float32) + lesion
    write_volume(Volume(lesion.astype(np.uint8), np.eye(4)), tmp_path / "ref" / "a.nii.gz")
    folders = {"reference": tmp_path / "ref", "images": tmp_path}
    with pytest.raises(CaseError, match=r"a: no scan in .*, so no lesion contrast: give it, or leave the stratum out"):
        contrast_of_case("a", **folders)
    write_volume(Volume(scan[1:], np.eye(4)), tmp_path / "a_0000.nii.gz")
    with pytest.raises(CaseError, match="the scan is not on the reference's grid, so no lesion contrast"):
        contrast_of_case("a", **folders)
    write_volume(Volume(scan, np.eye(4)), tmp_path / "a_0000.nii.gz")
    assert contrast_of_case("a", **folders) == pytest.approx(lesion_contrast(scan, lesion, (1, 1, 1)))

"""Lesion contrast by hand."""

import numpy as np
import pytest
from masks import ISOTROPIC, mask

from nnunet_tv.metrics.contrast import lesion_contrast


def test_contrast_is_lesion_minus_border_over_spread():
    # A brain of 10 and, far from the lesion, 40; the lesion is 30.
    scan, lesion = np.zeros((40, 30, 30), np.float32), mask(((8, 12), (10, 14), (10, 14)), shape=(40, 30, 30)) > 0
    scan[2:30, 2:28, 2:28], scan[30:38, 2:28, 2:28], scan[lesion] = 10, 40, 30
    assert lesion_contrast(scan, lesion, ISOTROPIC) == pytest.approx(20 / scan[scan != 0].std())
    for pair in ((scan, lesion & False), (np.where(lesion, scan, 0), lesion), (np.full(scan.shape, 3.0), lesion),
                 (np.zeros_like(scan), lesion)):  # nothing to compare
        assert lesion_contrast(*pair, ISOTROPIC) is None
    scan[17:20] = 90  # from 6 voxels away
    assert lesion_contrast(scan, lesion, ISOTROPIC) == pytest.approx(20 / scan[scan != 0].std())
    assert lesion_contrast(scan, lesion, (0.5, 1, 1)) < 20 / scan[scan != 0].std()  # 3 mm away now

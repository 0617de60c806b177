"""Lesion contrast by hand."""

import numpy as np
import pytest

from nnunet_tv.metrics.contrast import lesion_contrast


def scene():
    """A brain of 10 and, far from the lesion, 40; the lesion is 30."""
    scan = np.zeros((40, 30, 30), np.float32)
    scan[2:38, 2:28, 2:28] = 10
    scan[30:38, 2:28, 2:28] = 40
    lesion = np.zeros(scan.shape, bool)
    lesion[8:12, 10:14, 10:14] = True
    scan[lesion] = 30
    return scan, lesion


def test_contrast_is_lesion_minus_border_over_spread():
    scan, lesion = scene()
    assert lesion_contrast(scan, lesion, (1, 1, 1)) == pytest.approx(20 / scan[scan != 0].std())
    scan[17:20] = 90  # from 6 voxels away
    assert lesion_contrast(scan, lesion, (1, 1, 1)) == pytest.approx(20 / scan[scan != 0].std())
    assert lesion_contrast(scan, lesion, (0.5, 1, 1)) < 20 / scan[scan != 0].std()  # 3 mm away now


def test_contrast_is_none_where_there_is_nothing_to_compare():
    scan, lesion = scene()
    for pair in ((scan, lesion & False), (np.where(lesion, scan, 0), lesion), (np.full(scan.shape, 3.0), lesion),
                 (np.zeros_like(scan), lesion)):
        assert lesion_contrast(*pair, (1, 1, 1)) is None

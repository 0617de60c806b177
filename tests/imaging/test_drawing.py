"""Outlines of masks in pictures."""

import numpy as np
import pytest

from nnunet_tv.imaging.drawing import outline


def test_outline_is_the_boundary_in_mm():
    mask = np.zeros((5, 5), bool)
    mask[1:3, 4] = True  # two pixels of 2 × 3 mm at the border: 2·(4 + 3) mm around
    segments = outline(mask, 2.0, 3.0)
    assert np.abs(segments[:, 0] - segments[:, 1]).sum() == pytest.approx(14)
    assert segments.min(axis=(0, 1)).tolist() == [2, 12] and segments.max(axis=(0, 1)).tolist() == [6, 15]
    assert outline(np.zeros((3, 3), bool), 1, 1).shape == (0, 2, 2)

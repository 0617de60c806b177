"""Volume errors, by hand."""

import numpy as np
import pytest
from masks import mask, voxels

from nnunet_tv.metrics.case_metrics import score_case

KEYS = ("volume_error_ml", "absolute_volume_error_ml", "relative_volume_error", "absolute_relative_volume_error")
SPACING = (0.5, 2.0, 10.0)  # 0.01 ml a voxel
TWENTY, FIVE, NOTHING = mask(((0, 5), (0, 2), (0, 2))), mask(((4, 9), (6, 7), (6, 7))), mask()


@pytest.mark.parametrize(("prediction", "reference", "expected"), [
    (TWENTY, FIVE, (0.15, 0.15, 3.0, 3.0)),  # too much: beyond any limit of a share
    (FIVE, TWENTY, (-0.15, 0.15, -0.75, 0.75)),
    (TWENTY, np.roll(TWENTY, 6, axis=0), (0, 0, 0, 0)),  # the place does not matter
    (NOTHING, TWENTY, (-0.2, 0.2, -1, 1)),
    (voxels((1, 1, 1)), NOTHING, (0.01, 0.01, None, None)),
    (NOTHING, NOTHING, (0, 0, None, None)),
])
def test_by_hand(prediction, reference, expected):
    measures = score_case(prediction, reference, SPACING).measures
    assert [measures[key] for key in KEYS] == [None if value is None else pytest.approx(value) for value in expected]

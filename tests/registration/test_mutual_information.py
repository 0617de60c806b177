"""Mutual information in closed form."""

import numpy as np
import pytest

from nnunet_tv.registration.mutual_information import binned, mutual_information


def test_mutual_information_in_closed_form():
    first = np.repeat([0, 1, 2, 3], 100)
    assert mutual_information(first, first) == pytest.approx(np.log(4))
    assert mutual_information(first, np.tile([0, 1, 2, 3], 100)) == pytest.approx(0)
    assert mutual_information(first, first // 2) == pytest.approx(np.log(2))
    assert binned(np.array([-1.0, 0, 0.49, 0.5, 1, 9]), (0, 1), 2).tolist() == [0, 0, 0, 1, 1, 1]

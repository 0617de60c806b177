"""Total variation against closed forms and arithmetic in NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from loss_data import numpy_total_variation

from nnunet_tv.losses import TotalVariation
from nnunet_tv.losses.total_variation import total_variation


@pytest.mark.parametrize("side", [64, 128])
def test_perfect_lesion_of_1000_voxels(side):
    """One 10×10×10 lesion in a batch of four: 200 differences of 1 per axis, among 4·(n-1)·n·n pairs."""
    logits = torch.zeros(4, 2, side, side, side)
    logits[:, 1] = -100
    logits[2, 1, 20:30, 31:41, 42:52] = 100
    value = TotalVariation()(logits, (logits[:, 1:] > 0)).item()
    assert value == pytest.approx(3 * 200 / (4 * (side - 1) * side**2), rel=1e-5)
    assert f"{value:.1e}" == {64: "5.8e-04", 128: "7.2e-05"}[side]


def test_single_voxel_is_zero_with_a_gradient():
    logits = torch.randn(1, 2, 1, 1, 1, requires_grad=True)
    value = TotalVariation()(logits, torch.zeros(1, 1, 1, 1, 1))
    value.backward()
    assert value.item() == 0 and (logits.grad == 0).all()


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=3, max_dims=4, max_side=5),
                     elements=st.integers(0, 1000).map(lambda n: n / 1000)))
def test_equals_numpy_and_is_zero_only_where_constant(p):
    value = total_variation(torch.from_numpy(p)).item()
    assert value == pytest.approx(numpy_total_variation(p), rel=1e-9, abs=1e-300)
    assert 0 <= value <= p.ndim - 1
    per_patch = p.reshape(len(p), -1)
    assert (value == 0) == bool((per_patch == per_patch[:, :1]).all())

"""Border distances: both implementations against SciPy, brute force and the spacing's axis order."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from loss_data import numpy_squared_distance

from nnunet_tv.losses import distance
from nnunet_tv.losses.distance import (
    squared_border_distance,
    squared_border_distance_on_device,
    squared_distance_or_outside,
)
from nnunet_tv.losses.grid import VoxelGrid

BOTH = [squared_border_distance, squared_border_distance_on_device]


@pytest.mark.parametrize("transform", BOTH)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_equals_scipy_in_mm(transform, data):
    shape = data.draw(arrays.array_shapes(min_dims=3, max_dims=4, max_side=6))
    masks = data.draw(arrays.arrays(np.bool_, shape))
    if data.draw(st.booleans()):
        masks = np.asfortranarray(masks)  # memory that is not contiguous
    spacing = data.draw(st.tuples(*[st.sampled_from([0.5, 1.0, 1.7, 4.0])] * (len(shape) - 1)))
    found = transform(torch.from_numpy(masks), spacing)
    assert found.dtype == torch.float32 and found.shape == masks.shape
    for mask, squares in zip(masks, found.numpy(), strict=True):
        constant = mask.all() or not mask.any()
        expected = np.full(mask.shape, np.inf) if constant else numpy_squared_distance(mask, spacing)
        np.testing.assert_allclose(squares, expected, rtol=1e-5)


def test_chunks_change_nothing(monkeypatch):
    mask = torch.rand((2, 9, 5, 4), generator=torch.Generator().manual_seed(2)) < 0.2
    whole = squared_border_distance_on_device(mask, (1, 2, 3))
    monkeypatch.setattr(distance, "CHUNK", 90)
    assert torch.equal(squared_border_distance_on_device(mask, (1, 2, 3)), whole)


def test_without_border_the_outside_of_the_patch_for_each_patch_of_a_batch():
    # 3 × 3 voxels of 2 × 1 mm: the middle is 2 voxels from the outside, 4 mm or 2 mm
    masks = torch.zeros(3, 3, 3, dtype=torch.bool)
    masks[1], masks[2, 0, 0] = True, True
    found = squared_distance_or_outside(masks, (2.0, 1.0))
    torch.testing.assert_close(found[:2], torch.tensor([[1.0, 4, 1]]).expand(2, 3, 3))
    assert found[2, 2, 2] == 4**2 + 2**2 and found[2, 0, 0] == 1


def test_a_grid_of_a_coarser_scale_has_larger_voxels():
    grid = VoxelGrid((1, 1, 3), (64, 64, 16))
    assert grid.spacing((64, 64, 16)) == (1, 1, 3)
    assert grid.spacing((16, 32, 16)) == (4, 2, 3)
    assert VoxelGrid().spacing((7, 8)) == (1, 1)
    assert VoxelGrid((2.0, 3.0)).spacing((7, 8)) == (2, 3)


@pytest.mark.parametrize(("name", "value"), [("spacing_mm", (1, 0, 1)), ("spacing_mm", (1, -1)),
                                             ("spacing_mm", (1, float("nan"))), ("patch_size", (0, 4))])
def test_a_grid_is_positive(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be positive and finite along every axis, found \({value[0]}"):
        VoxelGrid(**{name: value})


@pytest.mark.parametrize("name", ["spacing_mm", "patch_size"])
def test_a_grid_of_other_dimensions_is_refused(name):
    with pytest.raises(ValueError, match=rf"{name} has 3 numbers, but a patch of shape \(8, 9\) has 2 axes"):
        VoxelGrid(**{name: (1, 2, 3)}).spacing((8, 9))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_device_gives_what_the_cpu_gives():
    mask = torch.rand((2, 40, 30, 20), generator=torch.Generator().manual_seed(1)) < 0.01
    found = squared_border_distance(mask.cuda(), (1.0, 2.0, 0.7))
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), squared_border_distance(mask, (1.0, 2.0, 0.7)))

"""Our rotation against turns by 90° and batchgenerators' 3-D transform."""

import math

import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform

from nnunet_tv.training.cutting import cut

ANGLES = [-1.2, -0.3, 0.4, 1.5]


def volume(shape=(20, 20, 20), seed=0):
    """Noise, a masked border of uneven width, and a lesion without mirror symmetry."""
    rng = np.random.default_rng(seed)
    labels = np.full(shape, -1, np.int16)
    labels[3:-1, 2:-2, 1:-4] = 0
    labels[6:12, 7:15, 8:11] = labels[10:12, 7:9, 8:15] = 1
    return rng.standard_normal((2, *shape)).astype(np.float32), labels


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("turns", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("side", [19, 20])
def test_quarter_turns_move_voxels_as_rot90_does(axis, turns, side):
    image, labels = volume((side,) * 3)
    rotated, turned = cut(image, labels, (0, 0, 0), (side,) * 3, axis=axis, angle_rad=turns * math.pi / 2)
    plane = ((axis + 1) % 3, (axis + 2) % 3)
    assert np.array_equal(turned, np.rot90(labels, -turns, plane))
    expected = np.rot90(image, -turns, (plane[0] + 1, plane[1] + 1))
    np.testing.assert_allclose(rotated, expected, atol=2e-5)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("angle", ANGLES)
def test_agrees_with_the_librarys_rotation(axis, angle):
    """The same voxels; labels may differ where two weigh nearly the same."""
    size = (22, 24, 24)
    image, labels = volume((26, 26, 26))
    transform = SpatialTransform(size, 0, False, p_rotation=1, border_mode_seg="constant", padding_value_seg=-1,
                                 rotation=lambda image, dim: angle if dim == axis else 0.0)
    start = [(26 - n) // 2 for n in size]
    expected = transform(image=torch.from_numpy(image), segmentation=torch.from_numpy(labels)[None])
    rotated, turned = cut(image, labels, start, size, axis=axis, angle_rad=angle)
    np.testing.assert_allclose(rotated, expected["image"].numpy(), atol=1e-4)
    assert (turned != expected["segmentation"][0].numpy()).mean() < 0.005
    assert turned.dtype == np.int16 and set(np.unique(turned)) == {-1, 0, 1}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_outside_of_the_volume_is_empty_and_masked(axis):
    """A brain without a mask's border, cut so that the patch sticks out on all sides."""
    image, labels = np.ones((1, 6, 7, 8), np.float32), np.zeros((6, 7, 8), np.int16)
    for angle in [None, *ANGLES]:
        patch, turned = cut(image, labels, (-5, -4, -4), (16, 16, 16), axis=axis, angle_rad=angle)
        assert set(np.unique(turned)) == {-1, 0}
        assert (patch[0][turned == -1] < 0.5 + 1e-4).all() and (patch[0][turned == 0] > 0.5 - 1e-4).all()
        assert abs(int((turned == 0).sum()) - 6 * 7 * 8) < 30  # nothing of the brain is lost
        assert patch[0, 0, 0, 0] == 0


def test_no_corner_is_empty_where_the_volume_has_voxels():
    image, labels = np.ones((1, 50, 50, 50), np.float32), np.zeros((50, 50, 50), np.int16)
    for angle in ANGLES:
        patch, turned = cut(image, labels, (10, 20, 12), (24, 20, 26), axis=1, angle_rad=angle)
        np.testing.assert_allclose(patch, 1, atol=1e-5)
        assert not turned.any()


@pytest.mark.parametrize("flipped", [(0,), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("angle", [None, 0.7])
def test_flips_come_after_the_rotation(flipped, angle):
    image, labels = volume()
    plain, unflipped = cut(image, labels, (2, -3, 6), (12, 10, 14), axis=1, angle_rad=angle)
    mirrored, target = cut(image, labels, (2, -3, 6), (12, 10, 14), axis=1, angle_rad=angle, flipped=flipped)
    assert np.array_equal(mirrored, np.flip(plain, [i + 1 for i in flipped]))
    assert np.array_equal(target, np.flip(unflipped, flipped))


@pytest.mark.filterwarnings("error")
def test_memory_that_cannot_be_written_is_read_and_left_alone():
    image, labels = volume()
    before = image.copy(), labels.copy()
    image.setflags(write=False)
    patch, _ = cut(image, labels, (2, 2, 2), (12, 10, 14), axis=0, angle_rad=0.5)
    patch += 1
    assert np.array_equal(image, before[0]) and np.array_equal(labels, before[1])

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnunet_tv.training.sampling import Centres, epoch_order, patch_start
from nnunet_tv.utils.errors import CaseError

CASES = [f"sub-{i:05d}" for i in range(1, 60)]


def test_an_epoch_is_every_case_once_ordered_by_fold_and_epoch_and_not_by_the_list():
    orders = {(fold, epoch): tuple(epoch_order(CASES, fold, epoch)) for fold in (0, 1, "all") for epoch in range(3)}
    assert len({*orders.values(), tuple(CASES)}) == len(orders) + 1
    assert all(sorted(order) == CASES for order in orders.values())
    assert epoch_order(CASES[::-1], 1, 2) == list(orders[1, 2])


def brain():
    segmentation = np.full((6, 7, 8), -1, np.int16)
    segmentation[1:5, 1:6, 1:7] = 0
    segmentation[2, 3, 4] = segmentation[2, 3, 5] = 1
    return segmentation


@pytest.mark.parametrize("lesion", [True, False])
def test_centres_are_uniform_over_the_lesion_or_the_brain_without_it(lesion):
    rng, segmentation = np.random.default_rng(0), brain()
    centres = Centres(segmentation, case="a")
    drawn = Counter(centres.draw(rng, lesion=lesion) for _ in range(20_000))
    assert {segmentation[voxel] for voxel in drawn} == {int(lesion)}
    assert len(drawn) == (segmentation == lesion).sum()
    expected = 20_000 / len(drawn)
    assert max(abs(count - expected) for count in drawn.values()) < 5 * expected**0.5


def test_without_lesion_the_centre_is_background():
    segmentation = brain()
    segmentation[segmentation == 1] = 0
    voxel = Centres(segmentation, case="a").draw(np.random.default_rng(0), lesion=True)
    assert segmentation[voxel] == 0


def test_without_brain_the_case_is_named():
    with pytest.raises(CaseError, match="sub-00007: the preprocessed case has no brain voxel"):
        Centres(np.full((3, 3, 3), -1), case="sub-00007").draw(np.random.default_rng(0), lesion=False)


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 200), st.data())
def test_the_patch_is_inside_or_centred(size, patch, data):
    middle = data.draw(st.integers(0, size - 1))
    (start,) = patch_start((middle,), (size,), (patch,))
    if size >= patch:
        assert 0 <= start <= size - patch and start <= middle < start + patch
        if patch // 2 <= middle <= size - patch + patch // 2:
            assert start + patch // 2 == middle
    else:
        before, after = -start, start + patch - size
        assert after - before in (0, 1)

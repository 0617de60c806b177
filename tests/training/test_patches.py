"""Batches: the same whatever the number of workers, from one subject, in the stated order."""

from unittest.mock import patch

import numpy as np
import pytest
import torch
from preprocessed_cases import Cases

from nnunet_tv.training import patches as patches_module
from nnunet_tv.training.patches import SubjectPatches, loader
from nnunet_tv.training.sampling import Centres
from nnunet_tv.training.seeds import Stage

PATCH = (16, 16, 16)


def patches(stage=Stage.TRAIN, fold=0, numbers=range(4), source=None, schemes=("ZScoreNormalization",) * 2,
            masked=(True, True)):
    return SubjectPatches(source or Cases([f"sub-{i}" for i in range(5)]), stage=stage, fold=fold,
                          patch_size=PATCH, patch_numbers=numbers, transpose_forward=[0, 1, 2],
                          normalization_schemes=schemes, use_mask_for_norm=masked)


def batches(workers, first=0, last=2, **settings):
    return list(loader(patches(**settings), first_epoch=first, last_epoch=last, workers=workers, pin=False))


def equal(first, second):
    return all(a["keys"] == b["keys"] and torch.equal(a["data"], b["data"]) and torch.equal(a["target"], b["target"])
               for a, b in zip(first, second, strict=True))


def test_batches_depend_on_epoch_and_fold_and_not_on_workers_or_interruptions():
    whole = batches(0)
    assert equal(batches(2), whole)
    assert equal(batches(0, first=1), whole[5:])
    assert not equal(whole[:5], whole[5:])
    assert not equal(whole[:5], batches(0, last=1, fold=1))


def test_batches_do_not_touch_the_networks_random_numbers():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    patches()[0, 0]
    assert torch.equal(torch.rand(4), expected)


def test_patches_of_one_subject_differ_from_epoch_to_epoch():
    source = patches()
    source.cases = source.cases[:1]
    first, second = source[0, 0]["data"], source[1, 0]["data"]
    assert not any(torch.equal(a, b) for a in first for b in second)


@pytest.mark.parametrize(("direction", "axis"), [
    ((1, 0, 0, 0, 1, 0, 0, 0, 1), 1),  # x, y, z in the file; arrays are (z, y, x)
    ((0, 0, 1, -1, 0, 0, 0, -1, 0), 2),  # the file's first axis runs to anterior
    ((0, 1, 0, 0, 0, 1, 1, 0, 0), 0)])
def test_rotation_is_about_the_anterior_posterior_axis_alone(monkeypatch, direction, axis):
    monkeypatch.setattr(patches_module, "change_intensities", lambda image, augmentation: None)
    ramp = np.broadcast_to(np.arange(1, 45, dtype=np.float32).reshape([-1 if i == axis else 1 for i in range(3)]),
                           (1, 44, 44, 44))  # constant across the axis, so that only another rotation changes it
    segmentation = np.full((1, 44, 44, 44), -1, np.int16)
    segmentation[:, 20:24, 20:24, 20:24] = 0  # patches from the middle, whose corners stay inside
    source = patches(source=Cases(["a"]), numbers=range(12), masked=None)
    source.source.cases["a"] = (ramp, segmentation, None, {"sitk_stuff": {"direction": direction}})
    across = [i + 1 for i in range(3) if i != axis]
    data = source[0, 0]["data"][:, 0]
    assert (data.amax(across) - data.amin(across)).max() < 1e-3
    assert (data.amax((1, 2, 3)) - data.amin((1, 2, 3))).min() == pytest.approx(15, abs=1e-3)


def test_an_epoch_is_each_subject_once_and_a_batch_is_one_subject():
    epoch = batches(0, last=1)
    assert sorted(batch["keys"][0] for batch in epoch) == [f"sub-{i}" for i in range(5)]
    for batch in epoch:
        assert len(set(batch["keys"])) == 1
        assert batch["data"].shape == (4, 2, *PATCH) and batch["data"].dtype == torch.float32
        assert batch["target"].shape == (4, 1, *PATCH) and set(batch["target"].unique().tolist()) <= {0, 1}


def test_a_training_patch_is_centred_on_the_lesion_with_probability_one_half():
    with patch.object(Centres, "draw", autospec=True, side_effect=Centres.draw) as draw:
        batches(0, last=15)
    drawn = [call.kwargs["lesion"] for call in draw.call_args_list]
    assert len(drawn) == 15 * 5 * 4
    assert abs(sum(drawn) - 150) < 4 * 75**0.5


def test_the_selection_is_the_same_every_epoch_half_on_the_lesion():
    first, second = (batches(0, first=epoch, last=epoch + 1, stage=Stage.SELECTION) for epoch in (0, 7))
    assert equal(first, second)
    assert [batch["keys"][0] for batch in first] == [f"sub-{i // 2}" for i in range(10)]
    for batch in first:
        for i in (0, 2):  # the centre of an even patch is a lesion voxel, and patches are moved inside at borders only
            assert batch["target"][i].any()


def test_ranks_take_disjoint_parts_of_one_batch():
    whole, first, second = patches()[0, 1], patches(numbers=range(2))[0, 1], patches(numbers=range(2, 4))[0, 1]
    assert torch.equal(torch.cat([first["data"], second["data"]]), whole["data"])


@pytest.mark.parametrize("shape", [(10, 20, 30), (16, 16, 16)])
def test_small_volumes_are_padded(shape):
    source = patches(stage=Stage.SELECTION)
    data, segmentation = np.ones((2, *shape), np.float32), np.zeros((1, *shape), np.int16)
    source.source.cases = dict.fromkeys(source.cases, (data, segmentation, None, {}))
    batch = source[0, 0]
    inside = np.prod([min(a, b) for a, b in zip(shape, PATCH, strict=True)])
    assert int(batch["data"][0, 0].sum()) == inside


@pytest.mark.parametrize("stage", [Stage.TRAIN, Stage.SELECTION])
def test_a_case_read_whole_gives_the_same_patches_as_one_read_in_parts(stage):
    """Four patches of 16³ are more than the case, so it is read whole; one patch is less."""
    whole = patches(stage=stage)
    for number in range(len(whole)):
        parts = [patches(stage=stage, numbers=[i])[0, number]["data"] for i in range(4)]
        assert torch.equal(torch.cat(parts), whole[0, number]["data"])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_is_a_tensor_that_may_be_written(workers):
    batch = batches(workers, last=1)[0]
    before = batch["data"].clone()
    batch["data"] += 1
    torch.testing.assert_close(batch["data"] - 1, before, rtol=0, atol=1e-5)
    assert batch["target"].dtype == torch.int16


def test_the_mask_is_cleared_after_noise_and_shift():
    """Channels normalised inside the mask are 0 outside of it; the border of the phantom's mask is 2 voxels wide."""
    source = patches()
    for name, (data, segmentation, previous, properties) in source.source.cases.items():
        source.source.cases[name] = (np.where(segmentation < 0, 0, data + 100), segmentation, previous, properties)
    for number in range(5):
        data = source[0, number]["data"]
        assert (data == 0).any() and float(data[data != 0].abs().min()) < 120  # rotation blends at the mask's border
        unmasked = patches()
        unmasked.source.cases, unmasked.use_mask_for_norm = source.source.cases, [False, True]
        assert torch.equal(unmasked[0, number]["data"][:, 1], data[:, 1])
        changed = unmasked[0, number]["data"][:, 0] != data[:, 0]
        assert (data[:, 0][changed] == 0).all()


@pytest.mark.parametrize(("scheme", "noise"), [("ZScoreNormalization", 0.515), ("RescaleTo01Normalization", 0.1)])
def test_noise_is_of_the_plans_scale(scheme, noise):
    source = patches(source=Cases(["a"]), numbers=range(8), schemes=[scheme], masked=None)
    _, segmentation, previous, properties = source.source.cases["a"]
    source.source.cases["a"] = (np.zeros((1, *segmentation.shape[1:]), np.float32), segmentation, previous, properties)
    spreads = [float(patch.std()) for patch in source[0, 0]["data"]]
    noisy = [spread for spread in spreads if spread > 1e-6]
    assert 0 < len(noisy) < 8 and noisy == pytest.approx([noise] * len(noisy), rel=0.1)

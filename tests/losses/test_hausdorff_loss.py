"""Hausdorff loss: closed forms in mm, SciPy, MONAI where it is defined, empties, the workers' map."""

from unittest.mock import Mock

import numpy as np
import pytest
import torch
from loss_data import as_logits, as_target, call, numpy_squared_distance, random_batch

from nnunet_tv.losses import DiceLoss, HausdorffDTLoss, TverskyHausdorffDTLoss


def numpy_hausdorff(p, g, spacing, alpha):
    parts = []
    for one, label in zip(p, g, strict=True):
        weight = sum(numpy_squared_distance(mask, spacing) ** (alpha / 2) for mask in (one > 0.5, label > 0.5))
        parts.append((one - label) ** 2 * weight)
    return np.mean(parts)


@pytest.mark.parametrize(("shape", "spacing"), [((3, 8, 7), (0.5, 3.0)), ((2, 8, 7, 6), (1.0, 2.0, 0.4))])
@pytest.mark.parametrize("alpha", [1.0, 2.0, 2.5])
def test_equals_scipy_in_mm(shape, spacing, alpha):
    p, g = random_batch(shape)
    expected = numpy_hausdorff(p, g, spacing, alpha)
    assert call(HausdorffDTLoss(alpha=alpha, spacing_mm=spacing), p, g) == pytest.approx(expected, rel=1e-5)
    assert call(HausdorffDTLoss(alpha=alpha, spacing_mm=spacing, log=True), p, g) == pytest.approx(
        np.log1p(expected), rel=1e-5)


def test_equals_monais_in_voxels_where_that_is_defined():
    monai = pytest.importorskip("monai.losses")
    p, g = random_batch((2, 9, 8, 7), seed=8)
    logits, target = as_logits(p), as_target(g)
    for ours, theirs in ((HausdorffDTLoss(), monai.HausdorffDTLoss), (HausdorffDTLoss(log=True),
                                                                      monai.LogHausdorffDTLoss)):
        expected = theirs(softmax=True, to_onehot_y=True)(logits, target)
        torch.testing.assert_close(ours(logits, target), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("is_lesion", [0, 1])
def test_patches_without_a_border(is_lesion, log):
    # 3 × 3 voxels of 2 × 1 mm: squared distances to the outside are 1, 4, 1 in every row; twice their mean is 4
    loss, reference = HausdorffDTLoss(spacing_mm=(2.0, 1.0), log=log), np.full((1, 3, 3), is_lesion)
    assert call(loss, 1 - reference, reference) == pytest.approx(np.log1p(4) if log else 4)
    assert call(loss, reference, reference) < 1e-20


def test_a_lesion_missed_as_a_whole_and_a_false_positive_without_lesion_have_a_gradient():
    g = np.zeros((2, 8, 8, 8))
    g[0, 3:5, 3:5, 3:5] = 1
    p = np.full_like(g, 0.1)
    p[1, 4, 4, 4] = 0.9
    logits = as_logits(p).requires_grad_()
    HausdorffDTLoss()(logits, as_target(g)).backward()
    gradient = logits.grad[:, 1].numpy()
    assert (gradient[0, 3:5, 3:5, 3:5] < 0).all() and (gradient[1] > 0).all()
    # p(1-p)·2p·(d_p² + d_g²)/1024: d_p = 1 at the single voxel, d_g = 4 to the outside of an 8³ patch
    assert gradient[1, 4, 4, 4] == pytest.approx(0.9 * 0.1 * 2 * 0.9 * (1 + 16) / 1024, rel=1e-6)


@pytest.mark.parametrize("loss", [HausdorffDTLoss(spacing_mm=(1, 2, 3)), TverskyHausdorffDTLoss(spacing_mm=(1, 2, 3))])
def test_the_map_in_the_target_changes_nothing_but_who_computes_it(loss, monkeypatch):
    p, g = random_batch()
    target = as_target(g).float()
    [(name, function)] = loss.reference_maps().items()
    carried = torch.cat([target, function(target[:, 0] > 0.5, (1, 2, 3))[:, None]], 1)
    expected = loss(as_logits(p), target)
    counting = Mock(wraps=function)
    monkeypatch.setattr("nnunet_tv.losses.hausdorff.squared_distance_or_outside", counting)
    torch.testing.assert_close(loss(as_logits(p), carried), expected)
    assert counting.call_count == 1 and name == "squared_distance"  # the prediction's transform alone
    loss(as_logits(p), target)
    assert counting.call_count == 3


def test_the_map_that_came_is_the_one_that_is_used():
    p, g = random_batch()
    target = as_target(g).float()
    doubled = torch.cat([target, torch.full_like(target, 7.0)], 1)
    weight = np.stack([numpy_squared_distance(one > 0.5, (1, 1, 1)) for one in p]) + 7
    expected = np.mean((p - g) ** 2 * weight)
    assert HausdorffDTLoss()(as_logits(p), doubled).item() == pytest.approx(expected, rel=1e-6)


def test_a_one_hot_target_is_no_map():
    p, g = random_batch()
    one_hot = torch.from_numpy(np.stack([1 - g, g], 1)).float()
    with pytest.raises(ValueError, match=r"second channel must hold squared distances .*a one-hot target\?"):
        HausdorffDTLoss()(as_logits(p), one_hot)
    for loss, target in ((HausdorffDTLoss(), one_hot.long()), (DiceLoss(), one_hot)):
        with pytest.raises(NotImplementedError, match="region or one-hot targets"):
            loss(as_logits(p), target)


def test_coarser_logits_have_larger_voxels():
    p, g = random_batch((1, 4, 5, 6))
    scaled = HausdorffDTLoss(spacing_mm=(1, 1, 3), patch_size=(8, 20, 6))
    assert call(scaled, p, g) == pytest.approx(call(HausdorffDTLoss(spacing_mm=(2, 4, 3)), p, g))


@pytest.mark.parametrize("log", [False, True])
def test_half_precision_with_a_map_is_finite(log):
    p, g = random_batch((1, 12, 12, 12))
    target = as_target(g).float()
    carried = torch.cat([target, torch.full_like(target, 5e4)], 1)  # the largest squares of a 128³ patch
    logits = as_logits(p).half().requires_grad_()
    value = HausdorffDTLoss(log=log)(logits, carried)
    value.backward()
    assert value.dtype == torch.float32 and torch.isfinite(value) and torch.isfinite(logits.grad).all()

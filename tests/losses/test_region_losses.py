"""Dice, Tversky, focal loss and cross entropy against closed forms and arithmetic in NumPy."""

import numpy as np
import pytest
import torch
from loss_data import call, numpy_dice, numpy_focal, numpy_tversky, random_batch

from nnunet_tv.losses import DiceBCELoss, DiceLoss, FocalLoss, TverskyLoss

CROSS_ENTROPY = DiceBCELoss(dice_weight=0, bce_weight=1)


@pytest.mark.parametrize("shape", [(3, 7, 6), (3, 7, 6, 5)], ids=str)
@pytest.mark.parametrize("batch_dice", [True, False])
def test_equals_numpy(shape, batch_dice):
    p, g = random_batch(shape)
    axes = None if batch_dice else tuple(range(1, len(shape)))
    assert call(DiceLoss(batch_dice=batch_dice), p, g) == pytest.approx(numpy_dice(p, g, axes), rel=1e-12)
    for alpha, beta in ((0.3, 0.7), (0.9, 0.2)):
        found = call(TverskyLoss(alpha=alpha, beta=beta, batch_dice=batch_dice), p, g)
        assert found == pytest.approx(numpy_tversky(p, g, alpha, beta, axes), rel=1e-12)
    for gamma in (0, 0.5, 2, 5):
        assert call(FocalLoss(gamma=gamma), p, g) == pytest.approx(numpy_focal(p, g, gamma), rel=1e-12)


@pytest.mark.parametrize(("loss", "expected"), [
    (DiceLoss(), 1 - (2 * 0.5 + 1e-5) / (2 + 2 + 1e-5)),  # p is not squared
    (TverskyLoss(alpha=0.25, beta=0.75), 1 - (0.5 + 1e-5) / (0.5 + 0.25 * 1.5 + 0.75 * 1.5 + 1e-5)),
    (FocalLoss(), (0.75**2 * 2 * np.log(4) + 0.25**2 * 6 * np.log(4 / 3)) / 8),
    (CROSS_ENTROPY, (2 * np.log(4) + 6 * np.log(4 / 3)) / 8),
], ids=repr)
def test_closed_form(loss, expected):
    g = np.zeros((1, 2, 2, 2))
    g[0, 0, 0] = 1
    assert call(loss, np.full((1, 2, 2, 2), 0.25), g) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", [DiceLoss(), TverskyLoss()], ids=repr)
@pytest.mark.parametrize(("predicted", "is_lesion", "expected"), [(0, 0, 0), (1, 1, 0), (0, 1, 1), (1, 0, 1)])
def test_empty_and_full(loss, predicted, is_lesion, expected):
    value = call(loss, np.full((2, 6, 6, 6), predicted), np.full((2, 6, 6, 6), is_lesion))
    assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("loss", [CROSS_ENTROPY, FocalLoss()], ids=repr)
def test_the_loss_of_certain_errors_is_the_logit(loss):
    logits = torch.tensor([2e4, -2e4]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert loss(logits, torch.ones(1, 1, 4, 4)).item() == pytest.approx(4e4)  # log(p) would be -inf here

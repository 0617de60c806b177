"""Weighted sums of losses: the published sums, total variation added to any loss, and settings of the parts."""

from __future__ import annotations

import numpy as np
import pytest
from loss_data import call, numpy_dice, numpy_focal, numpy_total_variation, numpy_tversky, random_batch

from nnunet_tv.losses import (
    DiceBCELoss,
    DiceFocalHausdorffDTLoss,
    DiceFocalLoss,
    DiceLoss,
    DiceTVLoss,
    FocalLoss,
    HausdorffDTLoss,
    PlusTV,
    TverskyHausdorffDTLoss,
    TverskyLoss,
    WeightedSum,
)


@pytest.mark.parametrize("shape", [(2, 7, 6), (3, 7, 6, 5)], ids=str)
def test_compounds_are_the_published_sums(shape):
    p, g = random_batch(shape)
    dice, focal, variation, tversky = (f(p, g) for f in (numpy_dice, numpy_focal, lambda p, _: numpy_total_variation(p),
                                                         numpy_tversky))
    spacing = (1.0, 2.0, 0.5)[:len(shape) - 1]
    border = np.log1p(call(HausdorffDTLoss(spacing_mm=spacing), p, g))
    assert border > 0.1 and variation > 0.1
    for loss, expected in (
        (DiceBCELoss(), 0.5 * dice + 0.5 * numpy_focal(p, g, 0)),
        (DiceTVLoss(), dice + 0.1 * variation),
        (DiceTVLoss(tv_weight=0.4), dice + 0.4 * variation),
        (DiceTVLoss(tv_weight=0), dice),
        (DiceFocalLoss(), dice + focal),
        (DiceFocalLoss(gamma=3.0, dice_weight=0.25, focal_weight=2), 0.25 * dice + 2 * numpy_focal(p, g, 3)),
        (DiceFocalHausdorffDTLoss(spacing_mm=spacing), 0.9 * (dice + focal) + 0.1 * border),
        (TverskyHausdorffDTLoss(spacing_mm=spacing), 0.9 * tversky + 0.1 * border),
        (TverskyHausdorffDTLoss(alpha=0.6, beta=0.2, region_weight=1, hausdorff_weight=0),
         numpy_tversky(p, g, 0.6, 0.2)),
    ):
        assert call(loss, p, g) == pytest.approx(expected, rel=1e-12), loss


@pytest.mark.parametrize("loss", [DiceLoss(), TverskyLoss(), FocalLoss(), HausdorffDTLoss(), TverskyHausdorffDTLoss()],
                         ids=repr)
def test_total_variation_is_added_to_any(loss):
    p, g = random_batch()
    for weight, made in ((0.3, PlusTV(loss, tv_weight=0.3)), (0.1, PlusTV(loss))):
        assert call(made, p, g) == pytest.approx(call(loss, p, g) + weight * numpy_total_variation(p))
        assert made.reference_maps() == loss.reference_maps()


@pytest.mark.parametrize("loss", [DiceBCELoss, DiceTVLoss])
def test_dice_settings_are_passed_on(loss):
    made = loss(batch_dice=False, smooth=0.5, ddp=True)
    assert (made.dice.batch_dice, made.dice.smooth, made.dice.ddp) == (False, 0.5, True)


def test_a_term_without_weight_is_not_computed():
    class Never(DiceLoss):
        def compute(self, foreground):
            raise AssertionError("computed")

    p, g = random_batch()
    assert call(WeightedSum(a=(1.0, DiceLoss()), b=(0, Never())), p, g) == call(DiceLoss(), p, g)


@pytest.mark.parametrize("make", [lambda: WeightedSum(a=(0, DiceLoss()), b=(0.0, DiceLoss())),
                                  lambda: DiceFocalLoss(dice_weight=0, focal_weight=0),
                                  lambda: TverskyHausdorffDTLoss(region_weight=0, hausdorff_weight=0)])
def test_weights_that_are_all_0_are_refused(make):
    with pytest.raises(ValueError, match=r"all weights \(\w+_weight, \w+_weight\) are 0, so there is nothing to train"):
        make()


@pytest.mark.parametrize(("loss", "words"), [
    (DiceLoss(), "batch_dice=True, smooth=1e-05, ddp=False"), (DiceBCELoss(), "dice_weight=0.5, bce_weight=0.5"),
    (DiceTVLoss(tv_weight=0.05), "tv_weight=0.05"), (TverskyLoss(), "alpha=0.3, beta=0.7, batch_dice=True"),
    (FocalLoss(), "gamma=2"), (DiceFocalLoss(), "dice_weight=1, focal_weight=1"),
    (HausdorffDTLoss(spacing_mm=(1, 2)), r"alpha=2, log=False, spacing_mm=(1.0, 2.0)"),
    (TverskyHausdorffDTLoss(), "region_weight=0.9, hausdorff_weight=0.1"), (PlusTV(DiceLoss()), "tv_weight=0.1"),
])
def test_log_shows_the_settings(loss, words):
    assert words in repr(loss)

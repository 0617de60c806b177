"""Weighted sums of losses: the published sums, total variation added to any loss, and settings of the parts."""

import numpy as np
import pytest
from loss_data import call, numpy_dice, numpy_focal, numpy_total_variation, numpy_tversky, random_batch

from nnunet_tv import losses


@pytest.mark.parametrize("shape", [(2, 7, 6), (3, 7, 6, 5)], ids=str)
def test_compounds_are_the_published_sums(shape):
    p, g = random_batch(shape)
    dice, focal, variation, tversky = (f(p, g) for f in (numpy_dice, numpy_focal, lambda p, _: numpy_total_variation(p),
                                                         numpy_tversky))
    spacing = (1.0, 2.0, 0.5)[:len(shape) - 1]
    border = np.log1p(call(losses.HausdorffDTLoss(spacing_mm=spacing), p, g))
    assert border > 0.1 and variation > 0.1
    for loss, expected in (
        (losses.DiceBCELoss(), 0.5 * dice + 0.5 * numpy_focal(p, g, 0)),
        (losses.DiceTVLoss(), dice + 0.1 * variation),
        (losses.DiceTVLoss(tv_weight=0.4), dice + 0.4 * variation),
        (losses.DiceTVLoss(tv_weight=0), dice),
        (losses.DiceFocalLoss(), dice + focal),
        (losses.DiceFocalLoss(gamma=3.0, dice_weight=0.25, focal_weight=2), 0.25 * dice + 2 * numpy_focal(p, g, 3)),
        (losses.DiceFocalHausdorffDTLoss(spacing_mm=spacing), 0.9 * (dice + focal) + 0.1 * border),
        (losses.TverskyHausdorffDTLoss(spacing_mm=spacing), 0.9 * tversky + 0.1 * border),
        (losses.TverskyHausdorffDTLoss(alpha=0.6, beta=0.2, region_weight=1, hausdorff_weight=0),
         numpy_tversky(p, g, 0.6, 0.2)),
    ):
        assert call(loss, p, g) == pytest.approx(expected, rel=1e-12), loss


@pytest.mark.parametrize("name", ["DiceLoss", "TverskyLoss", "FocalLoss", "HausdorffDTLoss", "TverskyHausdorffDTLoss"])
def test_total_variation_is_added_to_any(name):
    loss = getattr(losses, name)()
    p, g = random_batch()
    for weight, made in ((0.3, losses.PlusTV(loss, tv_weight=0.3)), (0.1, losses.PlusTV(loss))):
        assert call(made, p, g) == pytest.approx(call(loss, p, g) + weight * numpy_total_variation(p))
        assert made.reference_maps() == loss.reference_maps()


@pytest.mark.parametrize("loss", [losses.DiceBCELoss, losses.DiceTVLoss])
def test_dice_settings_are_passed_on(loss):
    made = loss(batch_dice=False, smooth=0.5, ddp=True)
    assert (made.dice.batch_dice, made.dice.smooth, made.dice.ddp) == (False, 0.5, True)


def test_a_term_without_weight_is_not_computed():
    class Never(losses.DiceLoss):
        def compute(self, foreground):
            raise AssertionError("computed")

    p, g = random_batch()
    assert call(losses.WeightedSum(a=(1.0, losses.DiceLoss()), b=(0, Never())), p, g) == call(losses.DiceLoss(), p, g)


@pytest.mark.parametrize("make", [lambda: losses.WeightedSum(a=(0, losses.DiceLoss()), b=(0.0, losses.DiceLoss())),
                                  lambda: losses.DiceFocalLoss(dice_weight=0, focal_weight=0),
                                  lambda: losses.TverskyHausdorffDTLoss(region_weight=0, hausdorff_weight=0)])
def test_weights_that_are_all_0_are_refused(make):
    with pytest.raises(ValueError, match=r"all weights \(\w+_weight, \w+_weight\) are 0, so there is nothing to train"):
        make()


@pytest.mark.parametrize(("loss", "words"), [
    (losses.DiceLoss(), "batch_dice=True, smooth=1e-05, ddp=False"), (losses.FocalLoss(), "gamma=2"),
    (losses.DiceBCELoss(), "dice_weight=0.5, bce_weight=0.5"), (losses.DiceTVLoss(tv_weight=0.05), "tv_weight=0.05"),
    (losses.TverskyLoss(), "alpha=0.3, beta=0.7, batch_dice=True"),
    (losses.DiceFocalLoss(), "dice_weight=1, focal_weight=1"),
    (losses.HausdorffDTLoss(spacing_mm=(1, 2)), r"alpha=2, log=False, spacing_mm=(1.0, 2.0)"),
    (losses.TverskyHausdorffDTLoss(), "region_weight=0.9, hausdorff_weight=0.1"),
    (losses.PlusTV(losses.DiceLoss()), "tv_weight=0.1"),
])
def test_log_shows_the_settings(loss, words):
    assert words in repr(loss)

"""Settings that a loss refuses."""

import pytest

from nnunet_tv import losses

INFINITE = [float("inf"), float("nan")]


@pytest.mark.parametrize("value", [0, -1.0, *INFINITE])
@pytest.mark.parametrize(("loss", "name", "why"), [
    ("DiceLoss", "smooth", "an empty patch is 0/0 without it"),
    ("TverskyLoss", "smooth", "an empty patch is 0/0 without it"),
    ("TverskyLoss", "alpha", ".*false positives; at 0 all lesion is perfect"),
    ("TverskyLoss", "beta", ".*false negatives; at 0 no lesion is perfect"),
    ("HausdorffDTLoss", "alpha", "the exponent of the distance"),
    ("AdaptiveTotalVariation", "border_mm", "how far .*"),
    ("AdaptiveTotalVariation", "small_mm3", "the volume .*"),
])
def test_numbers_are_positive(loss, name, why, value):
    with pytest.raises(ValueError, match=rf"{name} must be a finite number > 0 \({why}\), found {value}"):
        getattr(losses, loss)(**{name: value})


@pytest.mark.parametrize("value", [-0.1, *INFINITE])
@pytest.mark.parametrize(("loss", "name"), [
    ("DiceTVLoss", "tv_weight"), ("DiceBCELoss", "dice_weight"), ("DiceBCELoss", "bce_weight"), ("FocalLoss", "gamma"),
    ("DiceFocalLoss", "gamma"), ("DiceFocalLoss", "focal_weight"), ("TverskyHausdorffDTLoss", "hausdorff_weight"),
    ("DiceFocalHausdorffDTLoss", "region_weight"), ("PlusTV", "tv_weight"),
    ("DiceAdaptiveTVLoss", "tv_weight"), ("AdaptiveTotalVariation", "ramp_epochs"),
])
def test_weights_are_finite_and_not_negative(loss, name, value):
    parts = [losses.DiceLoss()] if loss == "PlusTV" else []
    with pytest.raises(ValueError, match=f"{name} must be a finite number >= 0, found {value}"):
        getattr(losses, loss)(*parts, **{name: value})


@pytest.mark.parametrize("name", ["minimum", "prediction_share"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_shares_are_shares(name, value):
    with pytest.raises(ValueError, match=rf"{name} is a share and must be in \[0, 1\], found {value}"):
        losses.AdaptiveTotalVariation(**{name: value})

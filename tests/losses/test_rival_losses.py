"""Tversky, focal and compound losses: closed forms, arithmetic in numpy, who weighs what."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from loss_data import as_logits, call, random_batch

from nnunet_tv.losses import (
    DiceAdaptiveTVLoss,
    DiceFocalHausdorffDTLoss,
    DiceFocalLoss,
    DiceLoss,
    DiceTVLoss,
    FocalLoss,
    HausdorffDTLoss,
    PlusTV,
    TotalVariation,
    TverskyHausdorffDTLoss,
    TverskyLoss,
    WeightedSum,
)


def numpy_tversky(p, g, alpha, beta, axes, smooth=1e-5):
    overlap, extra, missed = (np.sum(x, axes) for x in (p * g, p * (1 - g), (1 - p) * g))
    return np.mean(1 - (overlap + smooth) / (overlap + alpha * extra + beta * missed + smooth))


def numpy_focal(p, g, gamma):
    right = np.where(g == 1, p, 1 - p)
    return np.mean(-((1 - right) ** gamma) * np.log(right))


@pytest.mark.parametrize("shape", [(3, 7, 6), (3, 7, 6, 5)])
@pytest.mark.parametrize("batch_dice", [True, False])
def test_tversky_equals_numpy(shape, batch_dice):
    p, g = random_batch(shape)
    axes = tuple(range(0 if batch_dice else 1, len(shape)))
    for alpha, beta in ((0.3, 0.7), (0.9, 0.2)):
        found = call(TverskyLoss(alpha=alpha, beta=beta, batch_dice=batch_dice), p, g)
        assert found == pytest.approx(numpy_tversky(p, g, alpha, beta, axes), rel=1e-12)


def test_alpha_weighs_false_positives_and_beta_false_negatives():
    g = np.zeros((1, 4, 4))
    g[0, :2] = 1  # 8 voxels
    more, less = np.ones_like(g), np.zeros_like(g)
    less[0, 0] = 1
    # all lesion: 8 right, 8 false positives; half of it: 4 right, 4 false negatives
    assert call(TverskyLoss(alpha=0.25, beta=0.75), more, g) == pytest.approx(1 - 8 / (8 + 0.25 * 8), abs=1e-5)
    assert call(TverskyLoss(alpha=0.25, beta=0.75), less, g) == pytest.approx(1 - 4 / (4 + 0.75 * 4), abs=1e-5)


def test_the_defaults_are_the_papers():
    assert {name: parameter.default for name, parameter in inspect.signature(TverskyLoss).parameters.items()
            if name in ("alpha", "beta")} == {"alpha": 0.3, "beta": 0.7}
    assert inspect.signature(FocalLoss).parameters["gamma"].default == 2.0


def test_tversky_with_halves_is_dice():
    p, g = random_batch()
    assert call(TverskyLoss(alpha=0.5, beta=0.5, smooth=5e-6), p, g) == pytest.approx(call(DiceLoss(), p, g), rel=1e-12)


@pytest.mark.parametrize(("predicted", "is_lesion", "expected"), [(0, 0, 0), (1, 1, 0), (0, 1, 1), (1, 0, 1)])
def test_tversky_of_empty_and_full(predicted, is_lesion, expected):
    value = call(TverskyLoss(), np.full((2, 5, 5, 5), predicted), np.full((2, 5, 5, 5), is_lesion))
    assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("value", [0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize(("name", "why"), [("alpha", "false positives; at 0 all lesion is perfect"),
                                           ("beta", "false negatives; at 0 no lesion is perfect"),
                                           ("smooth", "an empty patch is 0/0 without it")])
def test_tversky_refuses_what_has_a_trivial_answer(name, why, value):
    with pytest.raises(ValueError, match=rf"{name} must be a finite number > 0 \(.*{why}\), found {value}"):
        TverskyLoss(**{name: value})


def _rank(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    logits, target = torch.load(f"{folder}/batch.pt")
    part, found = slice(2 * rank, 2 * rank + 2), []
    for loss in (TverskyLoss(ddp=True), HausdorffDTLoss(log=True, ddp=True), TverskyHausdorffDTLoss(ddp=True)):
        weight = torch.ones((), dtype=torch.float64, requires_grad=True)
        value = loss(weight * logits[part], target[part])
        value.backward()
        torch.distributed.all_reduce(weight.grad)
        found.append((value.detach(), weight.grad / 2))  # DDP averages gradients
    torch.save(found, f"{folder}/rank{rank}.pt")
    torch.distributed.destroy_process_group()


def test_ranks_together_have_the_losses_and_gradients_of_the_whole_batch(tmp_path):
    p, g = random_batch((4, 5, 4, 3))
    g[:2] = 0  # rank 0 has no lesion
    logits, target = as_logits(p), torch.from_numpy(g)[:, None]
    torch.save((logits, target), tmp_path / "batch.pt")
    torch.multiprocessing.spawn(_rank, (str(tmp_path),), nprocs=2)
    for i, loss in enumerate((TverskyLoss(), HausdorffDTLoss(log=True), TverskyHausdorffDTLoss())):
        weight = torch.ones((), dtype=torch.float64, requires_grad=True)
        whole = loss(weight * logits, target)
        whole.backward()
        for rank in range(2):
            value, gradient = torch.load(tmp_path / f"rank{rank}.pt")[i]
            torch.testing.assert_close(value, whole.detach())
            torch.testing.assert_close(gradient, weight.grad)


@pytest.mark.parametrize("gamma", [0, 0.5, 2, 5])
def test_focal_equals_numpy(gamma):
    p, g = random_batch()
    assert call(FocalLoss(gamma=gamma), p, g) == pytest.approx(numpy_focal(p, g, gamma), rel=1e-12)


def test_focal_closed_form():
    # p = 1/4 where there is no lesion: -(1/4)² log(3/4)
    value = call(FocalLoss(), np.full((1, 4, 4), 0.25), np.zeros((1, 4, 4)))
    assert value == pytest.approx(np.log(4 / 3) / 16)


def test_focal_without_gamma_is_the_cross_entropy():
    p, g = random_batch()
    logits = as_logits(p)
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(g).long())
    torch.testing.assert_close(FocalLoss(gamma=0)(logits, torch.from_numpy(g)[:, None]), expected)


def test_focal_of_certain_errors_is_the_logit():
    logits = torch.tensor([2e4, -2e4]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert FocalLoss()(logits, torch.ones(1, 1, 4, 4)).item() == pytest.approx(4e4)


def test_compounds_are_the_published_sums():
    p, g = random_batch()
    dice, focal, tversky = call(DiceLoss(), p, g), numpy_focal(p, g, 2), numpy_tversky(p, g, 0.3, 0.7, None)
    spacing = (1.0, 2.0, 0.5)
    border = np.log1p(call(HausdorffDTLoss(spacing_mm=spacing), p, g))
    assert border > 0.1
    assert call(DiceFocalLoss(), p, g) == pytest.approx(dice + focal)
    assert call(DiceFocalLoss(gamma=3.0, dice_weight=0.25, focal_weight=2), p, g) == pytest.approx(
        0.25 * dice + 2 * numpy_focal(p, g, 3))
    assert call(DiceFocalHausdorffDTLoss(spacing_mm=spacing), p, g) == pytest.approx(
        0.9 * (dice + focal) + 0.1 * border)
    assert call(TverskyHausdorffDTLoss(spacing_mm=spacing), p, g) == pytest.approx(0.9 * tversky + 0.1 * border)
    assert call(TverskyHausdorffDTLoss(alpha=0.6, beta=0.2, region_weight=1, hausdorff_weight=0), p, g) == (
        pytest.approx(numpy_tversky(p, g, 0.6, 0.2, None)))


@pytest.mark.parametrize("loss", [TverskyLoss(), FocalLoss(), HausdorffDTLoss(), TverskyHausdorffDTLoss()])
def test_total_variation_is_added_to_any(loss):
    p, g = random_batch()
    variation = call(TotalVariation(), p, g)
    assert call(PlusTV(loss, tv_weight=0.3), p, g) == pytest.approx(call(loss, p, g) + 0.3 * variation)
    assert call(PlusTV(loss), p, g) == pytest.approx(call(loss, p, g) + 0.1 * variation)
    assert PlusTV(loss).reference_maps() == loss.reference_maps()


def test_plus_tv_on_dice_is_the_papers_loss():
    p, g = random_batch()
    assert call(PlusTV(DiceLoss()), p, g) == call(DiceTVLoss(), p, g)


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


@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
@pytest.mark.parametrize(("make", "name"), [
    (FocalLoss, "gamma"), (DiceFocalLoss, "gamma"), (DiceFocalLoss, "focal_weight"),
    (TverskyHausdorffDTLoss, "hausdorff_weight"), (DiceFocalHausdorffDTLoss, "region_weight"),
    (lambda **settings: PlusTV(DiceLoss(), **settings), "tv_weight"), (DiceAdaptiveTVLoss, "tv_weight"),
])
def test_weights_are_finite_and_not_negative(make, name, value):
    with pytest.raises(ValueError, match=f"{name} must be a finite number >= 0, found {value}"):
        make(**{name: value})


@pytest.mark.parametrize("loss", [TverskyLoss(), FocalLoss(), DiceFocalLoss(), HausdorffDTLoss(),
                                  HausdorffDTLoss(log=True), DiceFocalHausdorffDTLoss(), TverskyHausdorffDTLoss()],
                         ids=lambda loss: type(loss).__name__)
def test_patches_without_lesion_pull_every_probability_down(loss):
    p = np.random.default_rng(0).uniform(0.2, 0.8, (2, 6, 6, 6))
    logits = as_logits(p).requires_grad_()
    loss(logits, torch.zeros(2, 1, 6, 6, 6)).backward()
    assert (logits.grad[:, 1] > 0).all()


@pytest.mark.parametrize(("loss", "words"), [
    (TverskyLoss(), "alpha=0.3, beta=0.7, batch_dice=True"), (FocalLoss(), "gamma=2"),
    (DiceFocalLoss(), "dice_weight=1, focal_weight=1"),
    (HausdorffDTLoss(spacing_mm=(1, 2)), r"alpha=2, log=False, spacing_mm=(1.0, 2.0)"),
    (TverskyHausdorffDTLoss(), "region_weight=0.9, hausdorff_weight=0.1"), (PlusTV(DiceLoss()), "tv_weight=0.1"),
])
def test_log_shows_the_settings(loss, words):
    assert words in repr(loss)

"""Brain masks of a phantom against the truth, and intensities clipped to them."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from registration_phantoms import best_affine, phantom, scan
from scipy import ndimage

from nnunet_tv.brain import methods as brains
from nnunet_tv.brain.methods import check_method, clip_to_brain, dice, find_brain
from nnunet_tv.demo.anatomy import load_anatomy
from nnunet_tv.imaging.geometry import apply
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.template import load_template
from nnunet_tv.utils.errors import NnunetTVError


def true_brain(one, t1_to_mni: np.ndarray) -> np.ndarray:
    anatomy, grid = load_anatomy(1.5), load_template().brain
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), -1).astype(np.float32)
    matrix = (np.linalg.inv(t1_to_mni) @ grid.affine).astype(np.float32)
    there = anatomy.voxels(one.t1_pose.to_template(apply(matrix, indices)))
    return ndimage.map_coordinates(anatomy.brain.astype(np.float32), np.moveaxis(there, -1, 0), order=1) > 0.5


@pytest.fixture(scope="module")
def refined():
    return find_brain(scan(phantom(1).t1), best_affine(phantom(1)), method="template")


def test_the_refined_mask_is_better_than_the_templates_own(refined):
    truth = true_brain(phantom(1), best_affine(phantom(1)))
    found, plain = dice(refined.mask.data, truth), dice(load_template().brain.data, truth)
    assert found > 0.985 and found > plain
    assert refined.method == "template" and refined.flags == ()
    assert refined.metrics["volume_ml"] == pytest.approx(
        truth.sum() / 1000 / np.linalg.det(best_affine(phantom(1))[:3, :3]), rel=0.05)


def fake_deepbet(monkeypatch, mask) -> None:
    module = types.ModuleType("nnunet_tv.brain.deepbet")
    module.deepbet_mask, module.deepbet_version = mask, lambda: "9"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())


def test_two_answers_that_agree_and_two_that_do_not(refined, monkeypatch):
    one = phantom(1)
    monkeypatch.setattr(brains, "refined_template_mask", lambda t1: refined.mask)
    for grown, flagged in ((0, False), (14, True)):
        def mask(t1, grown=grown):
            back = Volume(ndimage.binary_dilation(refined.mask.data, iterations=grown) if grown else refined.mask.data,
                          refined.mask.affine)
            return brains.resample_mask(back, t1, world=best_affine(one))

        fake_deepbet(monkeypatch, mask)
        brain = find_brain(scan(one.t1), best_affine(one))
        assert brain.method == "deepbet" and brain.version == "9"
        told = [flag for flag in brain.flags if "agree with a Dice of 0." in flag]
        assert bool(told) is flagged, brain


def test_an_impossible_volume_is_flagged(refined, monkeypatch):
    one = phantom(1)
    monkeypatch.setattr(brains, "refined_template_mask",
                        lambda t1: Volume(refined.mask.data * 0, refined.mask.affine))
    brain = find_brain(scan(one.t1), best_affine(one), method="template")
    assert brain.flags == ("the brain's volume is 0 ml (expected 700 to 2300): look at the mask",)


def test_methods(monkeypatch):
    assert find_brain(scan(phantom(1).t1), np.eye(4), method="none") is None
    with pytest.raises(ValueError, match=r"brain is one of auto, deepbet, .*, synthstrip, none, not 'bet'"):
        check_method("bet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert check_method("auto") == "template"
    with pytest.raises(NnunetTVError, match="deepbet is not installed: pip install deepbet"):
        check_method("deepbet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert check_method("auto") == "deepbet"


def test_clipping_to_the_brain():
    data = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    mask = np.zeros((10, 10, 10), np.uint8)
    mask[2:8] = 1  # values 200 … 799
    result = clip_to_brain(Volume(data, np.eye(4)), Volume(mask, np.eye(4))).data
    assert not result[mask == 0].any() and result.dtype == np.float32
    assert result[mask > 0].min() == pytest.approx(200 + 0.005 * 599)
    assert result[mask > 0].max() == pytest.approx(200 + 0.995 * 599)
    inner = (mask > 0) & (data > 210) & (data < 790)
    assert np.array_equal(result[inner], data[inner])


def test_clipping_without_a_mask_and_with_an_empty_one():
    data = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    result = clip_to_brain(Volume(data, np.eye(4)), None).data
    assert result.min() == pytest.approx(0.005 * 999) and result.max() == pytest.approx(0.995 * 999)
    empty = Volume(np.zeros((10, 10, 10), np.uint8), np.eye(4))
    assert not clip_to_brain(Volume(data, np.eye(4)), empty).data.any()


def test_dice_of_empty_masks():
    assert dice(np.zeros(3), np.zeros(3)) == 1 and dice(np.ones(2), np.array([1, 0])) == pytest.approx(2 / 3)

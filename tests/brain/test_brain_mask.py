"""Brain masks of a phantom against the truth, the comparison of methods, and clipping of intensities."""

import numpy as np
import pytest
from registration_phantoms import best_affine, phantom, scan
from scipy import ndimage

from nnunet_tv.brain import deepbet, template
from nnunet_tv.brain.brain_mask import clip_to_brain, dice, find_brain, resolve_method
from nnunet_tv.brain.registry import BRAIN_METHODS, get_method
from nnunet_tv.demo.anatomy import load_anatomy
from nnunet_tv.imaging.affine import MNI, T1, Affine
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template
from nnunet_tv.utils.errors import NnunetTVError

T1_SCAN, TO_MNI = scan(phantom(1).t1), best_affine(phantom(1))


@pytest.fixture(scope="module")
def refined():
    return find_brain(T1_SCAN, TO_MNI, method="template")


def test_the_refined_mask_is_better_than_the_templates_own(refined):
    anatomy = load_anatomy(1.5)
    in_scanner = TO_MNI.inverse().apply(TEMPLATE_GRID.points()).astype(np.float32)
    voxels = anatomy.voxels(phantom(1).t1_pose.to_template(in_scanner))
    truth = ndimage.map_coordinates(anatomy.brain.astype(np.float32), np.moveaxis(voxels, -1, 0), order=1) > 0.5
    found = dice(refined.mask.data, truth)
    assert found > 0.985 and found > dice(load_template().brain.data, truth)
    assert refined.method == "template" and refined.flags == ()
    assert refined.metrics == {"volume_ml": pytest.approx(truth.sum() / 1000 / TO_MNI.volume_ratio, rel=0.05)}


@pytest.mark.parametrize("iterations, flagged", [(1, False), (14, True)])
def test_disagreement_with_the_template_and_an_impossible_volume_are_flagged(refined, monkeypatch, iterations, flagged):
    grown = ndimage.binary_dilation(refined.mask.data, iterations=iterations).astype(np.uint8)
    monkeypatch.setattr(deepbet, "installed", lambda: True)
    monkeypatch.setattr(deepbet.Deepbet, "version", lambda self: "9")
    monkeypatch.setattr(deepbet.Deepbet, "find", lambda self, t1, to_mni: Volume(grown, refined.mask.affine))
    monkeypatch.setattr(template.RefinedTemplate, "find", lambda self, t1, to_mni: refined.mask)
    brain = find_brain(T1_SCAN, TO_MNI)
    assert brain.method == "deepbet" and brain.version == "9"
    assert list(brain.metrics) == ["volume_ml", "agreement_dice"]
    assert any("agree with a Dice of 0." in flag for flag in brain.flags) is flagged, brain
    empty = Volume(refined.mask.data * 0, refined.mask.affine)
    monkeypatch.setattr(template.RefinedTemplate, "find", lambda self, t1, to_mni: empty)
    brain = find_brain(T1_SCAN, TO_MNI, method="template")
    assert brain.flags == ("the brain's volume is 0 ml (expected 700 to 2300): look at the mask",)


def test_methods(monkeypatch):
    assert find_brain(T1_SCAN, Affine.identity(T1, MNI), method="none") is None
    assert all(get_method(key) for key in BRAIN_METHODS)
    with pytest.raises(ValueError, match=r"brain is one of auto, deepbet, .*, synthstrip, none, not 'bet'"):
        resolve_method("bet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert resolve_method("auto") == "template"
    with pytest.raises(NnunetTVError, match="deepbet is not installed: pip install deepbet"):
        resolve_method("deepbet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert resolve_method("auto") == resolve_method("deepbet") == "deepbet"


def test_clipping_to_the_brain_and_dice():
    image = Volume(np.arange(1000, dtype=np.float32).reshape(10, 10, 10), np.eye(4))
    mask = np.zeros((10, 10, 10), np.uint8)
    mask[2:8] = 1  # values 200 … 799
    result = clip_to_brain(image, Volume(mask, np.eye(4))).data
    expected = np.where(mask, image.data.clip(200 + 0.005 * 599, 200 + 0.995 * 599), 0)
    assert result.dtype == np.float32 and np.allclose(result, expected, rtol=1e-6)
    whole = clip_to_brain(image, None).data
    assert whole.min() == pytest.approx(0.005 * 999) and whole.max() == pytest.approx(0.995 * 999)
    assert not clip_to_brain(image, Volume(mask * 0, np.eye(4))).data.any()
    assert dice(np.zeros(3), np.zeros(3)) == 1 and dice(np.ones(2), np.array([1, 0])) == pytest.approx(2 / 3)

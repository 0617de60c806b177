"""Brain masks of a phantom against the truth, the comparison of methods, and clipping of intensities."""

import numpy as np
import pytest
from registration_phantoms import best_affine, phantom, scan
from scipy import ndimage

from nnunet_tv.brain.brain_mask import check_method, clip_to_brain, dice, find_brain
from nnunet_tv.brain.registry import BRAIN_METHODS, get_method
from nnunet_tv.demo.anatomy import load_anatomy
from nnunet_tv.imaging.resample import resample_image
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template
from nnunet_tv.utils.errors import NnunetTVError

T1_SCAN, TO_MNI = scan(phantom(1).t1), best_affine(phantom(1))


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    """The phantom's brain on the template's grid."""
    anatomy = load_anatomy(1.5)
    in_scanner = TO_MNI.inverse().apply(TEMPLATE_GRID.points()).astype(np.float32)
    voxels = anatomy.voxels(phantom(1).t1_pose.to_template(in_scanner))
    return ndimage.map_coordinates(anatomy.brain.astype(np.float32), np.moveaxis(voxels, -1, 0), order=1) > 0.5


@pytest.mark.parametrize("method, least", [("deepbet", 0.975), ("template", 0.985)])
def test_the_mask_of_a_phantom(truth, method, least):
    brain = find_brain(T1_SCAN, TO_MNI, method=method)
    assert dice(brain.mask.data, truth) > least and brain.method == method and brain.flags == ()
    assert brain.metrics["volume_ml"] == pytest.approx(truth.sum() / 1000 / TO_MNI.volume_ratio, rel=0.05)
    assert brain.metrics["agreement_dice"] > 0.96 and brain.metrics["differing_ml"] < 2.5
    assert (brain.outline is brain.mask) is (method == "deepbet") and brain.version == get_method(method).version()


def test_the_refined_mask_is_better_than_the_templates_own(truth):
    refined = get_method("template").find(resample_image(T1_SCAN, TEMPLATE_GRID, world=TO_MNI.inverse()))
    assert dice(refined.data, truth) > dice(load_template().brain.data, truth)


def ball(centre_mm, radius_mm: float) -> np.ndarray:
    return np.linalg.norm(TEMPLATE_GRID.points() - np.array(centre_mm), axis=-1) <= radius_mm


@pytest.mark.parametrize("change, flag", [
    (lambda mask: mask, None),
    (lambda mask: ndimage.binary_dilation(mask), None),
    (lambda mask: mask & ~ball((-40, 20, 45), 13), "ml on the left"),
    (lambda mask: mask | ball((0, -20, 90), 13), "ml near the midline"),
    (lambda mask: ndimage.binary_dilation(mask, iterations=14), "agree with a Dice of 0."),
])
def test_disagreement_of_two_masks_is_flagged(monkeypatch, change, flag):
    mask = load_template().brain.data > 0
    masks = {"deepbet": change(mask), "template": mask}
    for key, found in masks.items():
        method = type(get_method(key))
        monkeypatch.setattr(method, "find", lambda self, t1, found=found: Volume(found.astype(np.uint8), t1.affine))
    brain = find_brain(T1_SCAN, TO_MNI)
    assert [flag in one for one in brain.flags if "volume" not in one] == ([] if flag is None else [True]), brain.flags


def test_an_empty_mask_is_flagged(monkeypatch):
    nothing = Volume(np.zeros(TEMPLATE_GRID.shape, np.uint8), TEMPLATE_GRID.affine)
    for key in ("deepbet", "template"):
        monkeypatch.setattr(type(get_method(key)), "find", lambda self, t1: nothing)
    assert find_brain(T1_SCAN, TO_MNI).flags == ("the brain's volume is 0 ml (expected 700 to 2300): look at the mask",)


def test_methods(monkeypatch):
    brain = find_brain(T1_SCAN, TO_MNI, method="none")
    assert brain.mask is None and brain.method == "none" and brain.metrics["volume_ml"] > 1000
    assert all(get_method(key) for key in BRAIN_METHODS)
    with pytest.raises(ValueError, match=r"brain is one of deepbet, .*, synthstrip, none, not 'bet'"):
        check_method("bet")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NnunetTVError, match="deepbet, which finds the brain, is not installed: pip install deepbet"):
        check_method("template")


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

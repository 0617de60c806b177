"""Anatomy and lesions in template space."""

from itertools import product

import numpy as np
import pytest
from scipy import ndimage

from nnunet_tv.demo.anatomy import load_anatomy
from nnunet_tv.demo.lesion import FLAIR_GAIN, Lesion, add_lesion, draw_lesion, lobe_of
from nnunet_tv.demo.scanner import CONTRASTS, brightness


@pytest.fixture(scope="module")
def anatomy():
    return load_anatomy(1.5)


@pytest.fixture(scope="module")
def drawn(anatomy):
    return [draw_lesion(anatomy, np.random.default_rng(seed), radius_mm=(8, 14)) for seed in range(40)]


def test_tissues_share_every_voxel(anatomy):
    total = sum(anatomy.tissues.values())
    assert min(part.min() for part in anatomy.tissues.values()) > -1e-5
    assert total.max() < 1 + 1e-4
    assert total[anatomy.brain].min() > 0.45  # the brain's border is shared with what is around it
    assert ndimage.binary_erosion(anatomy.brain, iterations=2)[total < 0.99].sum() == 0


def test_anatomy_points_and_voxels_are_inverse(anatomy):
    indices = np.array([[0, 0, 0], [10, 20, 30]])
    assert anatomy.voxels(anatomy.points(indices)) == pytest.approx(indices)
    assert anatomy.points(np.zeros(3)) == pytest.approx([-92, -124, -96])


def test_skull_is_between_brain_and_scalp(anatomy):
    """From the vertex upwards: fluid or brain, then bone, then fat or muscle, then air."""
    x, y, _ = np.round(anatomy.voxels(np.array([20.0, -20.0, 0.0]))).astype(int)
    names = list(anatomy.tissues)
    column = np.stack([anatomy.tissues[name][x, y] for name in names])
    outside = np.flatnonzero(anatomy.brain[x, y])[-1] + 1
    order = [names[i] for i in column[:, outside:].argmax(0)[column[:, outside:].sum(0) > 0.5]]
    first = [order.index("bone"), min(order.index(name) for name in ("fat", "muscle") if name in order)]
    assert first == sorted(first)
    assert column[:, -1].sum() == 0


def test_lesions_of_all_kinds_are_drawn_on_the_cortex_of_the_named_side(anatomy, drawn):
    assert {(lesion.hemisphere, lesion.histology) for lesion in drawn} == set(product("LR", ("IIa", "IIb")))
    assert {lesion.lobe for lesion in drawn} >= {"FL", "PL", "TL"}
    for lesion in drawn:
        x, y, z = np.round(anatomy.voxels(np.array(lesion.centre_mm))).astype(int)
        assert anatomy.tissues["gm"][x, y, z] > 0.7 and 8 <= lesion.radius_mm <= 14
        assert (lesion.centre_mm[0] < 0) == (lesion.hemisphere == "L")
        assert lesion.lobe == lobe_of(*lesion.centre_mm)


@pytest.mark.parametrize(("point", "lobe"), [
    ((-40, 40, 20), "FL"), ((30, 20, 50), "FL"), ((-25, -95, 5), "OL"), ((-55, -20, -15), "TL"),
    ((58, -10, -10), "TL"), ((35, -55, 50), "PL"), ((-50, -45, 40), "PL"), ((-40, -2, 50), "FL"),
])
def test_lobes_of_known_places(point, lobe):
    """Middle frontal, superior frontal, occipital pole, temporal gyri, parietal lobules, precentral gyrus."""
    assert lobe_of(*point) == lobe


@pytest.fixture(params=["IIa", "IIb"])
def case(request, anatomy):
    lesion = Lesion("L", "FL", request.param, (-42.0, 20.0, 32.0), 12.0)
    changed, strength = add_lesion(anatomy, lesion, np.random.default_rng(0))
    return lesion, changed, strength


def test_lesion_thickens_cortex_and_blurs_its_border(anatomy, case):
    _, changed, strength = case
    inside = strength > 0.5
    before, after = anatomy.tissues, changed.tissues
    assert anatomy is load_anatomy(1.5) and after["gm"] is not before["gm"]  # the cached one is not changed
    assert after["gm"][inside].sum() > 1.15 * before["gm"][inside].sum()
    assert (after["gm"] + after["wm"])[inside] == pytest.approx((before["gm"] + before["wm"])[inside], abs=1e-3)
    near = ndimage.binary_dilation(inside, iterations=2) & (before["csf"] < 0.05)
    edge = near & (np.abs(before["gm"] - 0.5) < 0.25)
    steepness = [ndimage.gaussian_gradient_magnitude(brightness(state, CONTRASTS["T1w"]), 0.5)[edge].mean()
                 for state in (anatomy, changed)]
    assert steepness[1] < 0.7 * steepness[0]


def test_lesion_stays_on_its_side_and_near_its_centre(anatomy, case):
    lesion, changed, strength = case
    points = anatomy.points(np.argwhere(strength >= 0.5))
    assert len(points) * 1.5**3 > 300  # mm3
    assert (points[:, 0] < 0).all()
    assert np.linalg.norm(points - lesion.centre_mm, axis=1).max() < 2 * lesion.radius_mm
    grid = anatomy.points(np.moveaxis(np.indices(strength.shape), 0, -1))
    far = np.linalg.norm(grid - lesion.centre_mm, axis=-1) > 2 * lesion.radius_mm
    for name, part in anatomy.tissues.items():
        assert (changed.tissues[name] == part)[far].all()


def test_tail_only_in_iib(anatomy):
    """Of one seed and place, type IIb has more lesion in what was white matter: the transmantle tail."""
    white = []
    for histology in ("IIa", "IIb"):
        lesion = Lesion("R", "FL", histology, (42.0, 20.0, 32.0), 12.0)
        _, strength = add_lesion(anatomy, lesion, np.random.default_rng(0))
        white.append(float((strength * (anatomy.tissues["wm"] > 0.9)).sum()))
    assert white[1] > 1.1 * white[0]


@pytest.mark.parametrize(("histology", "ratio"), [("IIa", 1.2), ("IIb", 1.3)])
def test_flair_at_full_strength_relative_to_cortex(histology, ratio):
    assert 1 + FLAIR_GAIN[histology] / CONTRASTS["FLAIR"]["gm"] == pytest.approx(ratio)

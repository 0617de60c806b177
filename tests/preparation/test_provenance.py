"""CASE.prep.json: round trip, maps to the grid, and files that cannot be used."""

import json

import numpy as np
import pytest

from nnunet_tv.imaging.affine import FLAIR, MNI, T1, Affine, rotation_about
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.errors import CaseError


def record(registration="mni"):
    turn = np.array([[0, -1, 0, 3], [1, 0, 0, 4], [0, 0, 1, 5], [0, 0, 0, 1]], float)
    shift = rotation_about(np.eye(3), np.zeros(3), np.array((1, 2, 3)))
    grid = Grid((4, 5, 6), np.eye(4))
    return Provenance("sub-1", registration, grid, {"T1w": grid, "FLAIR": Grid((7, 8, 9), np.eye(4))},
                      flair_to_t1=Affine(shift, FLAIR, T1), t1_to_template=Affine(turn, T1, MNI), flags=["look"],
                      details={"metrics": {"fit": 1, "brain": {"volume_ml": 2.5, "found": True}}})


def test_round_trip(tmp_path):
    path = tmp_path / "sub-1.prep.json"
    record().write(path)
    assert Provenance.read(path) == record() and record().metrics == {"fit": 1, "brain volume_ml": 2.5}
    content = json.loads(path.read_text())
    assert list(content) == ["case", "registration", "grid", "sources", "flair_to_t1", "t1_to_template", "flags",
                             "details", "version"]
    assert content["sources"]["FLAIR"] == {"shape": [7, 8, 9], "affine": np.eye(4).tolist()}
    assert content["t1_to_template"][0] == [0, -1, 0, 3]


def test_points_go_from_a_scan_to_the_grid():
    point = np.array([10.0, 20.0, 30.0])
    assert record().to_grid("T1w").apply(point) == pytest.approx([-17, 14, 35])
    assert record().to_grid("FLAIR").apply(point) == pytest.approx([-19, 15, 38])
    assert record("t1").to_grid("T1c").apply(point) == pytest.approx(point)
    assert record("t1").to_grid("FLAIR").apply(point) == pytest.approx([11, 22, 33])


def test_a_missing_record_and_other_files_are_named(tmp_path):
    with pytest.raises(CaseError, match=r"sub-2: .*sub-2.prep.json: no preparation record"):
        Provenance.read(tmp_path / "sub-2.prep.json")
    for content in ("{", "[]", '{"case": "sub-2"}', json.dumps({"case": "x", "sources": {"T1w": {}}})):
        (tmp_path / "sub-2.prep.json").write_text(content)
        with pytest.raises(CaseError, match=r"sub-2.prep.json: not a preparation record of this version"):
            Provenance.read(tmp_path / "sub-2.prep.json")

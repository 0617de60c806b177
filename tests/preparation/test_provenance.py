import json

import numpy as np
import pytest

from nnunet_tv.preparation.provenance import Grid, Provenance
from nnunet_tv.utils.errors import CaseError


def record():
    turn = np.array([[0, -1, 0, 3], [1, 0, 0, 4], [0, 0, 1, 5], [0, 0, 0, 1]], float)
    shift = np.eye(4)
    shift[:3, 3] = 1, 2, 3
    grid = Grid((4, 5, 6), np.diag([1.0, 1.0, 1.0, 1.0]).tolist())
    return Provenance("sub-1", "mni", grid, {"T1w": grid, "FLAIR": Grid((7, 8, 9), np.eye(4).tolist())},
                      flair_to_t1=shift.tolist(), t1_to_template=turn.tolist(), flags=["look"], details={"a": 1})


def test_round_trip(tmp_path):
    record().write(tmp_path / "sub-1.prep.json")
    assert Provenance.read(tmp_path / "sub-1.prep.json") == record()


def test_points_go_from_a_scan_to_the_grid():
    point = np.array([10.0, 20.0, 30.0, 1.0])
    assert record().to_grid("T1w") @ point == pytest.approx([-17, 14, 35, 1])
    assert record().to_grid("FLAIR") @ point == pytest.approx([-19, 15, 38, 1])


def test_a_missing_record_is_named(tmp_path):
    with pytest.raises(CaseError, match=r"sub-2: .*sub-2.prep.json: no preparation record"):
        Provenance.read(tmp_path / "sub-2.prep.json")


@pytest.mark.parametrize("content", ["{", "[]", '{"case": "sub-2"}', json.dumps({"case": "x", "sources": {"T1w": {}}})])
def test_another_file_is_named(tmp_path, content):
    (tmp_path / "sub-2.prep.json").write_text(content)
    with pytest.raises(CaseError, match=r"sub-2.prep.json: not a preparation record of this version"):
        Provenance.read(tmp_path / "sub-2.prep.json")

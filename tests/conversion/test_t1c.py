"""A T1w with contrast takes the T1w's place: in the alignment and in the record that restoring reads."""

from __future__ import annotations

import numpy as np
import pytest

from nnunet_tv.imaging.affine import FLAIR, MNI, T1, Affine
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation import alignment
from nnunet_tv.preparation.alignment import SPACES, RegistrationOptions
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.registration.pipeline import Registration
from nnunet_tv.registration.template import TEMPLATE_GRID
from nnunet_tv.utils.errors import CaseError

SHIFT = Affine(np.eye(4), FLAIR, T1)
SHIFT.matrix[:3, 3] = (3.0, -2.0, 1.0)


@pytest.fixture
def scans(monkeypatch) -> dict[str, Volume]:
    """A T1c and a FLAIR; the registration between them is a shift, that to the template the identity."""
    monkeypatch.setattr(alignment, "get_backend", lambda name: None)
    monkeypatch.setattr(alignment, "t1_to_template", lambda t1, backend: Registration(Affine.identity(T1, MNI), {}))
    monkeypatch.setattr(alignment, "flair_to_t1", lambda flair, t1, **_: Registration(SHIFT, {}))
    monkeypatch.setattr(alignment, "find_brain", lambda *_, **__: None)
    values = np.arange(60, dtype=np.float32)
    return {"T1c": Volume(values.reshape(3, 4, 5), np.eye(4)), "FLAIR": Volume(values.reshape(5, 4, 3), np.eye(4))}


def test_the_flair_is_placed_on_the_t1c(scans):
    found = SPACES["t1"]("p-1", scans, RegistrationOptions())
    assert found.grid.shape == (3, 4, 5) and list(found.to_scan) == ["FLAIR"]
    assert found.to_scan["FLAIR"] == SHIFT.inverse()


def test_both_go_to_the_template(scans):
    found = SPACES["mni"]("p-1", scans, RegistrationOptions())
    assert found.grid == TEMPLATE_GRID and set(found.to_scan) == {"T1c", "FLAIR"}
    assert found.to_scan["T1c"] == Affine.identity(MNI, T1)


def test_other_scans_are_named(scans):
    with pytest.raises(CaseError, match="p-1: registration needs one T1c and one FLAIR, found T1c, ADC"):
        SPACES["t1"]("p-1", {"T1c": scans["T1c"], "ADC": scans["FLAIR"]}, RegistrationOptions())


def test_the_record_leads_a_t1c_straight_to_the_grid():
    grid = Grid((3, 4, 5), np.eye(4))
    record = Provenance("p-1", "t1", grid, {"T1c": grid, "FLAIR": grid}, flair_to_t1=SHIFT)
    assert record.to_grid("T1c") == Affine.identity(T1) and record.to_grid("FLAIR") == SHIFT

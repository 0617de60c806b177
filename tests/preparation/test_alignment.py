"""Alignment of scans: a T1w or T1c with its FLAIR, scans that cannot be registered, missing programs."""

import json

import numpy as np
import pytest

from nnunet_tv.brain.brain_mask import Brain
from nnunet_tv.imaging.affine import FLAIR, MNI, T1, Affine, rotation_about
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation import alignment
from nnunet_tv.preparation.alignment import SPACES, RegistrationOptions, check_options
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.registration.pipeline import Registration
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template
from nnunet_tv.utils.errors import CaseError, NnunetTVError

SHIFT = Affine(rotation_about(np.eye(3), np.zeros(3), np.array((3, -2, 1))), FLAIR, T1)


@pytest.fixture
def scans(monkeypatch) -> dict[str, Volume]:
    """A T1c and a FLAIR; the registration between them is a shift, that to the template the identity."""
    monkeypatch.setattr(alignment, "get_backend", lambda name: None)
    monkeypatch.setattr(alignment, "t1_to_template", lambda *_, **__: Registration(Affine.identity(T1, MNI), {}))
    monkeypatch.setattr(alignment, "flair_to_t1", lambda flair, t1, **_: Registration(SHIFT, {}))
    monkeypatch.setattr(alignment, "brain_on_scan", lambda t1: t1)
    outline = load_template().brain
    monkeypatch.setattr(alignment, "check_outline", lambda brain, seen: ({}, ()))
    monkeypatch.setattr(alignment, "find_brain", lambda *_, **__: Brain(None, "none", outline, {}))
    values = np.arange(60, dtype=np.float32)
    return {"T1c": Volume(values.reshape(3, 4, 5), np.eye(4)), "FLAIR": Volume(values.reshape(5, 4, 3), np.eye(4))}


def test_the_flair_is_placed_on_the_t1c_or_both_on_the_template(scans):
    found = SPACES["t1"]("p-1", scans, RegistrationOptions())
    assert found.grid.shape == (3, 4, 5) and found.to_scan == {"FLAIR": SHIFT.inverse()}
    found = SPACES["mni"]("p-1", scans, RegistrationOptions())
    assert found.grid == TEMPLATE_GRID and set(found.to_scan) == {"T1c", "FLAIR"}
    assert found.to_scan["T1c"] == Affine.identity(MNI, T1)


@pytest.mark.parametrize("space", ["t1", "mni"])
def test_what_a_scan_does_not_show_is_flagged_or_noted_and_recorded(scans, monkeypatch, space):
    """The FLAIR lacks the left of the brain, the T1w the lowest part of the cerebellum."""
    head = np.random.default_rng(0).random((98, 118, 100)) + 1
    t1 = Volume(head[:, :, 7:], np.array([[2.0, 0, 0, -96], [0, 2, 0, -126], [0, 0, 2, -58], [0, 0, 0, 1]]))
    flair = Volume(head[25:], np.array([[2.0, 0, 0, -46], [0, 2, 0, -126], [0, 0, 2, -74], [0, 0, 0, 1]]))
    monkeypatch.setattr(alignment, "flair_to_t1", lambda *_, **__: Registration(Affine.identity(FLAIR, T1), {}))
    found = SPACES[space]("p-1", {"T1w": t1, "FLAIR": flair}, RegistrationOptions())
    flag, = found.flags
    note, = found.notes
    assert "the FLAIR does not show" in flag and "left temporal lobe (" in flag and "right" not in flag
    assert "the T1w does not show" in note and "cerebellum (" in note and "lobe" not in note
    metrics = found.details["metrics"]["coverage"]
    assert metrics["FLAIR_missing_ml"] > metrics["T1w_missing_ml"] > 5
    record = Provenance("p-1", space, found.grid, {}, details=json.loads(json.dumps(dict(found.details))))
    assert [(one.scan, one.sides) for one in record.coverage] == [("T1w", ("left", "right")), ("FLAIR", ("left",))]
    assert record.metrics["coverage FLAIR_missing_ml"] == metrics["FLAIR_missing_ml"]


@pytest.mark.parametrize(("bad", "doubtful"), [("t1_to_template", {"T1c", "FLAIR"}), ("flair_to_t1", {"FLAIR"})])
def test_coverage_by_a_flagged_registration_is_doubtful(scans, monkeypatch, bad, doubtful):
    affine = Affine.identity(T1, MNI) if bad == "t1_to_template" else SHIFT
    monkeypatch.setattr(alignment, bad, lambda *_, **__: Registration(affine, {}, ("bad",)))
    found = SPACES["mni"]("p-1", scans, RegistrationOptions())
    assert {one["scan"] for one in found.details["coverage"] if one["doubtful"]} == doubtful


def test_without_registration_nothing_is_stated_about_coverage(scans):
    found = SPACES["none"]("p-1", scans, RegistrationOptions())
    assert Provenance("p-1", "none", found.grid, {}, details=dict(found.details)).coverage is None


def test_scans_that_cannot_be_registered(scans, monkeypatch):
    t1, flair = scans.values()
    flat = Volume(np.full((4, 4, 4), 7, np.float32), np.eye(4))
    for found, message in (({"T1w": t1}, "sub-1: registration needs one T1w and one FLAIR, found T1w"),
                           ({"T1c": t1, "ADC": flair}, "registration needs one T1c and one FLAIR, found T1c, ADC"),
                           ({"T1w": t1, "FLAIR": flat}, "every voxel of the FLAIR is 7: nothing can be registered")):
        for space in ("t1", "mni"):
            with pytest.raises(CaseError, match=message):
                SPACES[space]("sub-1", found, RegistrationOptions())
    monkeypatch.setattr(alignment, "brain_on_scan", lambda t1: Volume(0 * t1.data, t1.affine))
    with pytest.raises(CaseError, match="no brain was found in the T1c"):
        SPACES["mni"]("sub-1", scans, RegistrationOptions())
    monkeypatch.setattr(alignment, "brain_on_scan", lambda t1: t1)
    away = Affine(rotation_about(np.eye(3), np.zeros(3), np.full(3, 900.0)), T1, MNI)
    monkeypatch.setattr(alignment, "t1_to_template", lambda *_, **__: Registration(away, {}))
    with pytest.raises(CaseError, match="the T1c was not found on the template"):
        SPACES["mni"]("sub-1", scans, RegistrationOptions())


def test_missing_programs_are_reported_before_any_case(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("FSLDIR", raising=False)
    for option, message in (("backend", "flirt was found neither"), ("brain", "the program bet was not found")):
        with pytest.raises(NnunetTVError, match=message):
            check_options(RegistrationOptions(**{option: "fsl"}))

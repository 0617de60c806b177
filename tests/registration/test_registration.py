"""Registration on coarse phantoms with known transforms; full size and large rotations are marked slow."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
from registration_phantoms import best_affine, brain_points, errors_mm, phantom, scan
from registration_phantoms import flair_to_t1 as true_flair_to_t1

from nnunet_tv.brain.methods import METHODS
from nnunet_tv.cli import convert as convert_command
from nnunet_tv.imaging.geometry import about
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation.align import align_to_mni, align_to_t1, check_options
from nnunet_tv.preparation.alignment import RegistrationOptions
from nnunet_tv.registration.backends import BACKENDS, Registration, flair_to_t1, get_backend, t1_to_template
from nnunet_tv.registration.initial_pose import candidate_poses
from nnunet_tv.registration.template import load_template
from nnunet_tv.utils.errors import CaseError, NnunetTVError


@pytest.fixture(scope="module")
def found() -> tuple[Registration, Registration]:
    """T1w to template and FLAIR to T1w of one phantom."""
    one, backend = phantom(1), get_backend("simpleitk")
    to_template = t1_to_template(scan(one.t1), backend=backend)
    to_t1 = flair_to_t1(scan(one.flair), scan(one.t1), t1_to_mni=to_template.matrix, backend=backend)
    return to_template, to_t1


def test_t1_to_template(found):
    one = phantom(1)
    mean, largest = errors_mm(found[0].matrix, best_affine(one), brain_points(one.t1_pose))
    assert mean < 1.0 and largest < 2.5
    assert found[0].flags == () and found[0].parameters["degrees_of_freedom"] == 12


def test_flair_to_t1(found):
    one = phantom(1)
    mean, largest = errors_mm(found[1].matrix, true_flair_to_t1(one), brain_points(one.flair_pose))
    assert mean < 0.6 and largest < 1.0  # a quarter of a voxel of 2.3 mm; the bars at 1 mm are marked slow
    linear = found[1].matrix[:3, :3]
    assert np.allclose(linear @ linear.T, np.eye(3), atol=1e-6) and np.linalg.det(linear) == pytest.approx(1)
    assert found[1].flags == () and found[1].parameters["backend"] == "simpleitk"


def test_one_thread_gives_equal_bits(found):
    one = phantom(1)
    again = flair_to_t1(scan(one.flair), scan(one.t1), t1_to_mni=found[0].matrix, backend=get_backend("simpleitk"))
    assert np.array_equal(again.matrix, found[1].matrix) and again.metrics == found[1].metrics


def test_the_search_finds_a_tilted_and_shifted_head():
    one, template = phantom(2, rotation_deg=40, translation_mm=60), load_template()
    pose = candidate_poses(template.t1, scan(one.t1), template.brain, header_pose=False)[0]
    mean, _ = errors_mm(np.linalg.inv(pose), best_affine(one), brain_points(one.t1_pose))
    assert mean < 8


def test_names():
    with pytest.raises(ValueError, match="registration backend is one of simpleitk, fsl, greedy, not 'ants'"):
        get_backend("ants")
    parser = convert_command._parser()
    arguments = ["ds004199", "-i", "x"]
    for name in BACKENDS:
        assert parser.parse_args([*arguments, "--registration", name]).registration == name
    for name in METHODS:
        assert parser.parse_args([*arguments, "--brain", name]).brain == name


def test_a_backend_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "picsl_greedy", None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("FSLDIR", raising=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NnunetTVError, match="picsl_greedy is not installed: pip install picsl_greedy"):
        get_backend("greedy")
    with pytest.raises(NnunetTVError, match=r"neither in .FSLDIR/bin nor on PATH: install FSL"):
        check_options(RegistrationOptions(backend="fsl"))


def test_a_t1_away_from_the_brain():
    away = about(np.eye(3), np.zeros(3), np.full(3, 900.0))
    with pytest.raises(ValueError, match="no part of the template's brain lies on the T1w"):
        flair_to_t1(scan(phantom(1).flair), scan(phantom(1).t1), t1_to_mni=away, backend=get_backend("simpleitk"))


def test_scans_that_cannot_be_registered(monkeypatch):
    t1 = scan(phantom(1).t1)
    with pytest.raises(CaseError, match="sub-1: registration needs one T1w and one FLAIR, found T1w"):
        align_to_t1("sub-1", {"T1w": t1}, RegistrationOptions())
    flat = Volume(np.full((4, 4, 4), 7, np.float32), np.eye(4))
    with pytest.raises(CaseError, match="every voxel of the FLAIR is 7: nothing can be registered"):
        align_to_mni("sub-1", {"T1w": t1, "FLAIR": flat}, RegistrationOptions())
    away = Registration(about(np.eye(3), np.zeros(3), np.full(3, 900.0)), {})
    monkeypatch.setattr("nnunet_tv.preparation.align.t1_to_template", lambda *_, **__: away)
    with pytest.raises(CaseError, match="the T1w was not found on the template"):
        align_to_mni("sub-1", {"T1w": t1, "FLAIR": t1}, RegistrationOptions())


FULL_SIZE = [
    dict(protocol=0, rotation_deg=10, translation_mm=20), dict(protocol=1, rotation_deg=40, translation_mm=60),
    dict(protocol=2, rotation_deg=40, translation_mm=60), dict(protocol=3, rotation_deg=10, translation_mm=20),
]


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(FULL_SIZE)))
def test_full_size_within_the_bars(number):
    """FLAIR to T1w: mean 0.3, largest 0.5 mm; T1w to template: 1.0 and 2.5 mm; also tilted and far off."""
    one = phantom(number, resolution_mm=1.0, max_side=None, **FULL_SIZE[number])
    backend, begun = get_backend("simpleitk"), time.process_time()
    to_template = t1_to_template(scan(one.t1), backend=backend)
    to_t1 = flair_to_t1(scan(one.flair), scan(one.t1), t1_to_mni=to_template.matrix, backend=backend)
    print(f"{time.process_time() - begun:.0f} s on one core")
    mean, largest = errors_mm(to_template.matrix, best_affine(one), brain_points(one.t1_pose))
    assert mean <= 1.0 and largest <= 2.5
    mean, largest = errors_mm(to_t1.matrix, true_flair_to_t1(one), brain_points(one.flair_pose))
    assert mean <= 0.3 and largest <= 0.5
    assert to_template.flags == to_t1.flags == ()

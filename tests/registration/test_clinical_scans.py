"""Both registrations of phantoms with the contrasts, slices, bias field and field of view of a clinic."""

import numpy as np
import pytest
from registration_phantoms import best_affine, brain_points, clinical_phantom, errors_mm
from registration_phantoms import flair_to_t1 as true_flair_to_t1

from nnunet_tv.demo.phantom import MARKER_MM
from nnunet_tv.preparation.alignment import Alignment, RegistrationOptions, register_scans


def register(one) -> Alignment:
    return register_scans("pat", {"T1w": one.t1, "FLAIR": one.flair}, RegistrationOptions(), to_mni=True)


@pytest.fixture(scope="module")
def found() -> Alignment:
    return register(clinical_phantom(1))


def marker_mm(scan, expected_mm: np.ndarray) -> np.ndarray:
    """Centre of the bright capsule within 25 mm of where it should be."""
    near = scan.data * (np.linalg.norm(scan.grid.points() - expected_mm, axis=-1) < 25)
    return scan.grid.to_mm(np.argwhere(near > 0.85 * near.max()).astype(float)).mean(axis=0)


def check_template(found: Alignment, one) -> None:
    assert found.t1_to_template is not None
    errors = errors_mm(found.t1_to_template, best_affine(one), brain_points(one.t1_pose))
    assert np.all(np.array(errors) <= (1.5, 4.0)), errors


def check_flair(found: Alignment, one) -> None:
    assert found.flair_to_t1 is not None
    errors = errors_mm(found.flair_to_t1, true_flair_to_t1(one), brain_points(one.flair_pose))
    assert errors[0] <= 0.6, errors


def test_t1_to_template(found):
    check_template(found, clinical_phantom(1))


def test_flair_to_t1(found):
    check_flair(found, clinical_phantom(1))


def test_nothing_is_flagged_and_the_cut_cerebellum_is_noted(found):
    assert found.flags == ()
    assert found.notes and all("cerebellum" in note for note in found.notes)


def test_the_right_side_stays_right(found):
    one = clinical_phantom(1)
    for scan, pose, maps in ((one.t1, one.t1_pose, [found.t1_to_template]),
                             (one.flair, one.flair_pose, [found.flair_to_t1, found.t1_to_template])):
        point = marker_mm(scan, pose.to_scanner(np.array(MARKER_MM)))
        for step in maps:
            point = step.apply(point)
        assert np.linalg.norm(point - MARKER_MM) < 8 and point[0] > 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 5])
def test_full_size(seed):
    one = clinical_phantom(seed, resolution_mm=0.8)
    found = register(one)
    check_template(found, one)
    check_flair(found, one)
    assert found.flags == ()

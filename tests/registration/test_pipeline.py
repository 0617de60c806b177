"""Registration of coarse phantoms with known transforms; full size and large rotations are marked slow."""

import numpy as np
import pytest
from registration_phantoms import best_affine, brain_points, errors_mm, phantom, scan
from registration_phantoms import flair_to_t1 as true_flair_to_t1

from nnunet_tv.brain.brain_mask import brain_on_scan
from nnunet_tv.imaging.affine import MNI, T1, Affine, rotation_about
from nnunet_tv.registration.initial_pose import candidate_poses
from nnunet_tv.registration.pipeline import Registration, flair_to_t1, t1_to_template
from nnunet_tv.registration.registry import get_backend
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template


def register(one) -> tuple[Registration, Registration]:
    """T1w to template and FLAIR to T1w."""
    backend = get_backend("simpleitk")
    t1 = scan(one.t1)
    to_template = t1_to_template(t1, brain_on_scan(t1), backend=backend)
    return to_template, flair_to_t1(scan(one.flair), scan(one.t1), t1_to_mni=to_template.affine, backend=backend)


@pytest.fixture(scope="module")
def found() -> tuple[Registration, Registration]:
    return register(phantom(1))


def check(found: tuple[Registration, Registration], one, *, t1_to_template_mm, flair_to_t1_mm) -> None:
    """Mean and largest error of both are within those given, and nothing is flagged."""
    to_template, to_t1 = found
    assert np.all(errors_mm(to_template.affine, best_affine(one), brain_points(one.t1_pose)) <= t1_to_template_mm)
    assert np.all(errors_mm(to_t1.affine, true_flair_to_t1(one), brain_points(one.flair_pose)) <= flair_to_t1_mm)
    assert to_template.flags == to_t1.flags == ()


def test_flair_to_t1_and_t1_to_template(found):
    to_template, to_t1 = found
    # FLAIR: a quarter of a voxel of 2.3 mm
    check(found, phantom(1), t1_to_template_mm=np.array((1.0, 2.5)), flair_to_t1_mm=np.array((0.6, 1.0)))
    linear = to_t1.affine.matrix[:3, :3]
    assert np.allclose(linear @ linear.T, np.eye(3), atol=1e-6) and np.linalg.det(linear) == pytest.approx(1)
    assert [(one.affine.source, one.affine.target) for one in found] == [("t1", "mni"), ("flair", "t1")]
    assert to_template.parameters["degrees_of_freedom"] == 12 and to_t1.parameters["backend"] == "simpleitk"


def test_one_thread_gives_equal_bits(found):
    one = phantom(1)
    again = flair_to_t1(scan(one.flair), scan(one.t1), t1_to_mni=found[0].affine, backend=get_backend("simpleitk"))
    assert again.affine == found[1].affine and again.metrics == found[1].metrics


def test_the_search_finds_a_tilted_and_shifted_head():
    one, template = phantom(2, rotation_deg=40, translation_mm=60), load_template()
    pose = candidate_poses(template.t1, scan(one.t1), template.brain, header_pose=False)[0]
    assert errors_mm(Affine(pose, MNI, T1).inverse(), best_affine(one), brain_points(one.t1_pose))[0] < 8


def test_a_t1_away_from_the_brain():
    away = Affine(rotation_about(np.eye(3), np.zeros(3), np.full(3, 900.0)), T1, MNI)
    with pytest.raises(ValueError, match="no part of the template's brain lies on the T1w"):
        flair_to_t1(scan(phantom(1).flair), scan(phantom(1).t1), t1_to_mni=away, backend=get_backend("simpleitk"))


def test_the_template_is_on_fsls_grid_and_symmetric():
    template = load_template()
    assert TEMPLATE_GRID.shape == (182, 218, 182) and TEMPLATE_GRID.orientation == "RAS"
    assert TEMPLATE_GRID.affine[:3, 3].tolist() == [-90, -126, -72]
    assert template.t1.grid == template.brain.grid == template.white.grid == TEMPLATE_GRID
    assert 1700 < template.brain.data.sum() / 1000 < 2000
    assert abs(TEMPLATE_GRID.to_mm(np.argwhere(template.brain.data)).mean(axis=0)[0]) < 1
    white, grey = template.white.data > 0.8, template.grey.data > 0.8
    assert template.t1.data[white].mean() > 1.2 * template.t1.data[grey].mean()


@pytest.mark.slow
@pytest.mark.parametrize("number, rotation_deg, translation_mm", [(0, 10, 20), (1, 40, 60), (2, 40, 60), (3, 10, 20)])
def test_full_size_errors(number, rotation_deg, translation_mm):
    """Also with heads tilted and far off."""
    one = phantom(number, protocol=number, resolution_mm=1.0, max_side=None, rotation_deg=rotation_deg,
                  translation_mm=translation_mm)
    check(register(one), one, t1_to_template_mm=np.array((1.0, 2.5)), flair_to_t1_mm=np.array((0.3, 0.5)))

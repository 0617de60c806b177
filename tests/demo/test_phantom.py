"""One phantom: geometry against the recorded truth, brightness against anatomy."""

import numpy as np
import pytest
from scipy import ndimage

from nnunet_tv.demo.anatomy import load_anatomy
from nnunet_tv.demo.phantom import (
    CLINIC,
    MARKER_MM,
    PROTOCOLS,
    ClinicalOptions,
    Phantom,
    PhantomOptions,
    brain_points,
    make_phantom,
)
from nnunet_tv.imaging.sampling import sample
from nnunet_tv.imaging.volume import Volume, same_grid

ALL = list(PROTOCOLS)


@pytest.fixture(scope="module", params=range(4), ids=[p.flair for p in ALL])
def phantom(request) -> Phantom:
    return make_phantom(np.random.default_rng([5, request.param]), patient=True, protocol=ALL[request.param])


def mask_points(mask: Volume) -> np.ndarray:
    return mask.grid.to_mm(np.argwhere(mask.data).astype(float))


def test_at_most_eight_tiles_and_air_is_zero_and_tissue_is_not(phantom):
    assert max(phantom.t1.shape) <= 96
    assert (np.ptp(np.argwhere(phantom.t1.data), axis=0) + 1 > 64).all()  # not a fragment
    for image in (phantom.t1, phantom.flair):
        assert image.data.dtype == np.int16
        inside = ndimage.binary_fill_holes(image.data > 0)
        assert 0.2 < inside.mean() < 0.8
        assert (image.data[inside] > 0).mean() > 0.99


def test_grids_are_the_protocols(phantom):
    protocol = phantom.protocol
    assert phantom.t1.orientation == protocol.t1_orientation
    assert phantom.flair.orientation == protocol.flair_orientation
    assert phantom.flair.spacing_mm == pytest.approx(protocol.flair_spacing_mm(2.3))
    assert phantom.t1.spacing_mm == pytest.approx((2.3, 2.3, 2.3))
    assert not same_grid(phantom.t1, phantom.flair)
    off_axis = np.abs(phantom.t1.affine[:3, :3] / 2.3)
    assert 1e-5 < 1 - off_axis.max(axis=0).min() < 0.05  # oblique, by a few degrees


def test_lesion_is_at_the_recorded_place_also_on_a_grid_of_its_own(phantom):
    other = make_phantom(np.random.default_rng(4), patient=True, protocol=phantom.protocol, roi_on_own_grid=True)
    assert same_grid(phantom.flair, phantom.roi) and not same_grid(other.flair, other.roi)
    for made in (phantom, other):
        points = made.flair_pose.to_template(mask_points(made.roi))
        assert ((points[:, 0] < 0) == (made.lesion.hemisphere == "L")).all()
        assert np.linalg.norm(points.mean(0) - made.lesion.centre_mm) < made.lesion.radius_mm


def test_lesion_is_brighter_than_its_mirror_image_in_flair(phantom):
    """The template is symmetric: what differs between the sides is the lesion (and bias, and noise)."""
    points = mask_points(phantom.roi)
    template = phantom.flair_pose.to_template(points)
    mirrored = phantom.flair_pose.to_scanner(template * [-1, 1, 1])
    own, other = (sample(phantom.flair, where).mean() for where in (points, mirrored))
    assert own > 1.08 * other  # at full strength 1.2 or 1.3 times cortex; the mask begins at half of that


def test_white_matter_is_brightest_in_t1_and_fluid_darkest_in_both(phantom):
    frontal_white, ventricle = np.array([[-22.0, 28, 24], [22, 28, 24]]), np.array([[-6.0, 14, 12], [6, 14, 12]])
    for image, pose in ((phantom.t1, phantom.t1_pose), (phantom.flair, phantom.flair_pose)):
        white, fluid = (sample(image, pose.to_scanner(where)).max() for where in (frontal_white, ventricle))
        assert white > 1.3 * fluid


@pytest.mark.parametrize("index", range(4))
def test_marker_is_on_the_right(index):
    """The capsule is on the right of the head in both scans, however they are stored and posed."""
    options = PhantomOptions(marker=True, rotation_deg=25.0, translation_mm=20.0, oblique_deg=12.0, motion_mm=6.0,
                             motion_deg=6.0, noise=0.0, bias=0.0, max_side=None)
    made = make_phantom(np.random.default_rng([8, index]), patient=False, options=options, protocol=ALL[index])
    for image, pose in ((made.t1, made.t1_pose), (made.flair, made.flair_pose)):
        expected = pose.to_scanner(np.array(MARKER_MM))
        near = image.data * (np.linalg.norm(image.grid.points() - expected, axis=-1) < 14)
        found = mask_points(Volume(near > 0.85 * near.max(), image.affine)).mean(0)
        assert np.linalg.norm(found - expected) < 0.6 * max(image.spacing_mm)
        assert near.max() > 0.9 * image.data.max()
        assert pose.to_template(found)[0] > 60


def test_same_head_in_both_scans_up_to_the_motion():
    made = make_phantom(np.random.default_rng(2), patient=False, options=PhantomOptions(motion_mm=5.0, motion_deg=0.0))
    assert made.roi is None and made.lesion is None and made.truth()["lesion"] is None
    point = np.array([[30.0, -20, 10]])
    moved = made.flair_pose.to_scanner(point) - made.t1_pose.to_scanner(point)
    assert 0 < np.abs(moved).max() <= 5
    still = make_phantom(np.random.default_rng(2), patient=False, options=PhantomOptions(motion_mm=0.0, motion_deg=0.0))
    assert still.flair_pose.to_scanner(point) == pytest.approx(still.t1_pose.to_scanner(point))


def test_subjects_differ_and_repeat():
    first, again, other = (make_phantom(np.random.default_rng(seed), patient=True,
                                        options=PhantomOptions(resolution_mm=4.0)) for seed in (1, 1, 2))
    assert np.array_equal(first.t1.data, again.t1.data) and np.array_equal(first.roi.data, again.roi.data)
    assert first.lesion == again.lesion != other.lesion
    assert not np.allclose(first.t1_pose.template_from_head, other.t1_pose.template_from_head)


def test_a_clinics_scans():
    """Contrasts, layers around the brain, slices, field of view and side as measured on real scans or set."""
    made = make_phantom(np.random.default_rng([3, 1]), patient=True, protocol=CLINIC,
                        options=ClinicalOptions(resolution_mm=1.8, bias=0.0, marker=True))
    anatomy = load_anatomy(1.5)
    points = brain_points(anatomy)
    assert made.t1.spacing_mm == pytest.approx((1.8, 1.8, 3.5)) and made.flair.spacing_mm[2] == pytest.approx(4)
    for image, pose, cortex, fluid in ((made.t1, made.t1_pose, (0.83, 0.93), 0.55),
                                       (made.flair, made.flair_pose, (1.0, 1.14), 0.35)):
        def median(tissue, image=image, pose=pose):
            where = np.argwhere(anatomy.tissues[tissue] > 0.95)[::20]
            return np.median(sample(image, pose.to_scanner(anatomy.points(where.astype(float)))))

        white = median("wm")
        assert cortex[0] < median("gm") / white < cortex[1] and median("csf") / white < fluid
        seen = image.grid.to_indices(pose.to_scanner(points))
        seen = ((seen >= -0.5) & (seen <= np.array(image.shape) - 0.5)).all(axis=1)
        assert 0.003 < 1 - seen.mean() < 0.025 and points[~seen][:, 2].max() < -20
        near = image.data * (np.linalg.norm(image.grid.points() - pose.to_scanner(np.array(MARKER_MM)), axis=-1) < 14)
        assert pose.to_template(mask_points(Volume(near > 0.85 * near.max(), image.affine)).mean(0))[0] > 60
        assert near.max() > 0.9 * image.data.max()


@pytest.mark.slow
def test_fine_phantom():
    made = make_phantom(np.random.default_rng(1), patient=True, protocol=ALL[2],
                        options=PhantomOptions(resolution_mm=1.0, max_side=None, marker=True))
    assert made.t1.spacing_mm == pytest.approx((1, 1, 1))
    assert made.flair.spacing_mm == pytest.approx((0.9, 0.9, 3.675))
    assert min(made.t1.shape) > 140

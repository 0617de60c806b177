"""Surface distances: closed forms, empties, and MONAI on masks where both are defined."""

from __future__ import annotations

import numpy as np
import pytest
from masks import ISOTROPIC, mask, voxels
from scipy import ndimage

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.distances import assd_mm, hd95_mm, masd_mm, nsd, on_surface, surface_distances

THICK = (0.5, 0.8, 4.0)


def measured(prediction, reference, spacing, *, tolerance_mm=2.0):
    """HD95, MASD, ASSD and NSD."""
    distances = surface_distances(prediction, reference, spacing)
    return hd95_mm(distances), masd_mm(distances), assd_mm(distances), nsd(distances, tolerance_mm)


def blobs(seed, shape=(24, 20, 16)):
    """A smooth random mask, not empty."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return noise > np.quantile(noise, 0.93)


def test_two_voxels():
    # One surface voxel each, 3 steps of 0.8 mm apart.
    result = measured(voxels((2, 2, 2)) > 0, voxels((2, 5, 2)) > 0, THICK, tolerance_mm=2.4)
    assert result[:3] == pytest.approx((2.4, 2.4, 2.4)) and result[3] == 1.0
    assert measured(voxels((2, 2, 2)) > 0, voxels((2, 5, 2)) > 0, THICK, tolerance_mm=2.39)[3] == 0.0


def test_directed_distances_differ():
    # Reference one voxel; prediction that voxel and one 4 voxels of 4 mm away along z. Directed to the reference:
    # 0 and 16 (mean 8, 95th percentile 0.95 * 16 = 15.2); back: 0. MASD (8 + 0) / 2, ASSD (0 + 16 + 0) / 3.
    prediction, reference = voxels((2, 2, 2), (2, 2, 6)) > 0, voxels((2, 2, 2)) > 0
    result = measured(prediction, reference, THICK)
    assert result == pytest.approx((15.2, 4.0, 16 / 3, 2 / 3))
    assert measured(reference, prediction, THICK) == pytest.approx(result)


def test_shifted_plate():
    # Plates of 6 x 6 x 1 voxels, one voxel of 4 mm apart along z: all of each is surface, every distance is 4 mm.
    first, second = (mask(((2, 8), (2, 8), (z, z + 1))) > 0 for z in (3, 4))
    assert measured(first, second, THICK, tolerance_mm=3.9) == pytest.approx((4, 4, 4, 0))
    assert measured(first, second, THICK, tolerance_mm=4)[3] == 1.0
    # Shifted along x by one voxel of 0.5 mm: 5 of 6 columns of each are shared.
    moved = mask(((3, 9), (2, 8), (3, 4))) > 0
    assert measured(first, moved, THICK, tolerance_mm=0.4) == pytest.approx((0.5, 0.5 / 6, 0.5 / 6, 5 / 6))


def test_surface_is_what_has_a_face_outside():
    cube = mask(((0, 5), (0, 5), (0, 5)), shape=(5, 5, 5)) > 0  # fills the volume, whose border counts as outside
    points = np.argwhere(cube)
    assert on_surface(cube, points).sum() == 125 - 27
    eroded = ndimage.binary_erosion(blobs(3))
    np.testing.assert_array_equal(on_surface(blobs(3), np.argwhere(blobs(3))), ~eroded[blobs(3)])


def test_full_masks_are_finite():
    full, something = np.ones((4, 4, 4), bool), voxels((0, 0, 0), shape=(4, 4, 4)) > 0
    assert measured(full, full, ISOTROPIC) == (0.0, 0.0, 0.0, 1.0)
    assert measured(full, something, ISOTROPIC)[0] < np.sqrt(27) + 1e-9


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
@pytest.mark.parametrize("spacing", [ISOTROPIC, THICK])
def test_equals_monai(spacing):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    for seed in range(6):
        prediction, reference = blobs(seed), blobs(seed + 100)
        pair = [torch.from_numpy(each)[None, None].float() for each in (prediction, reference)]
        options = {"include_background": True, "spacing": spacing}
        ours_hd95, masd, assd, ours_nsd = measured(prediction, reference, spacing)
        hd95 = compute_hausdorff_distance(*pair, percentile=95, **options).item()
        surface_dice = compute_surface_dice(*pair, class_thresholds=[2.0], **options).item()
        assert (ours_hd95, ours_nsd) == pytest.approx((hd95, surface_dice), rel=1e-5)
        directed = [compute_average_surface_distance(*order, **options).item() for order in (pair, pair[::-1])]
        assert masd == pytest.approx(sum(directed) / 2, rel=1e-5)
        pooled = compute_average_surface_distance(*pair, symmetric=True, **options).item()
        assert assd == pytest.approx(pooled, rel=1e-5)


def test_equals_all_pairs_of_surface_voxels():
    for seed in range(10):
        pair = blobs(seed, (9, 8, 7)), blobs(seed + 50, (9, 8, 7))
        surfaces = [np.argwhere(each & ~ndimage.binary_erosion(each)) * THICK for each in pair]
        gaps = np.linalg.norm(surfaces[0][:, None] - surfaces[1][None], axis=-1)
        there, back = gaps.min(axis=1), gaps.min(axis=0)
        expected = (max(np.percentile(there, 95), np.percentile(back, 95)), (there.mean() + back.mean()) / 2,
                    np.concatenate([there, back]).mean(), np.mean(np.concatenate([there, back]) <= 1.5))
        assert measured(*pair, THICK, tolerance_mm=1.5) == pytest.approx(expected)


def test_scores_have_distances_on_request():
    prediction, reference = voxels((2, 2, 2), (2, 2, 6)), voxels((2, 2, 2))
    plain, asked = (score_case(prediction, reference, THICK, distances=given) for given in (False, True))
    assert [plain.measures[key] for key in ("hd95_mm", "masd_mm", "assd_mm", "nsd")] == [None] * 4
    assert asked.measures["hd95_mm"] == pytest.approx(15.2) and asked.measures["nsd"] == pytest.approx(2 / 3)
    assert [c.distance_mm for c in plain.clusters] == [None, None]
    assert [c.distance_mm for c in asked.clusters] == [0.0, 16.0]
    # 12 voxels along each axis: corners are 11 steps apart.
    assert plain.worst_mm == pytest.approx(11 * np.linalg.norm(THICK))


@pytest.mark.parametrize(("prediction", "reference", "expected"), [
    (mask(), mask(), [0, 0, 0, 1]), (voxels((1, 2, 3)), mask(), [None] * 3 + [0]),
    (mask(), voxels((1, 2, 3)), [None] * 3 + [0])])
def test_empties(prediction, reference, expected):
    measures = score_case(prediction, reference, THICK, distances=True).measures
    assert [measures[key] for key in ("hd95_mm", "masd_mm", "assd_mm", "nsd")] == expected
    assert list(measured(prediction, reference, THICK)) == expected

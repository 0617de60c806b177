"""Surface distances: by hand, all pairs of surface voxels, and MONAI."""

import numpy as np
import pytest
from masks import ISOTROPIC, mask, voxels
from scipy import ndimage

from nnunet_tv.metrics.case_metrics import score_case
from nnunet_tv.metrics.distances import assd_mm, hd95_mm, masd_mm, nsd, surface_distances

THICK = (0.5, 0.8, 4.0)


def measured(prediction, reference, spacing, *, tolerance_mm=2.0):
    """HD95, MASD, ASSD and NSD, the same from the functions and in the score of a case."""
    distances = surface_distances(prediction, reference, spacing)
    result = hd95_mm(distances), masd_mm(distances), assd_mm(distances), nsd(distances, tolerance_mm)
    measures = score_case(prediction, reference, spacing, distances=True, nsd_tolerance_mm=tolerance_mm).measures
    assert tuple(measures[key] for key in ("hd95_mm", "masd_mm", "assd_mm", "nsd")) == result
    return result


def blobs(seed, shape=(24, 20, 16)):
    """A smooth random mask, not empty."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return noise > np.quantile(noise, 0.93)


@pytest.mark.parametrize(("prediction", "reference", "tolerance_mm", "expected"), [
    # One surface voxel each, 3 steps of 0.8 mm apart.
    (voxels((2, 2, 2)), voxels((2, 5, 2)), 2.4, (2.4, 2.4, 2.4, 1)),
    (voxels((2, 2, 2)), voxels((2, 5, 2)), 2.39, (2.4, 2.4, 2.4, 0)),
    # Reference one voxel; prediction that voxel and one 4 voxels of 4 mm away along z. Directed to the reference:
    # 0 and 16 (mean 8, 95th percentile 0.95 * 16 = 15.2); back: 0. MASD (8 + 0) / 2, ASSD (0 + 16 + 0) / 3.
    (voxels((2, 2, 2), (2, 2, 6)), voxels((2, 2, 2)), 2, (15.2, 4.0, 16 / 3, 2 / 3)),
    (voxels((2, 2, 2)), voxels((2, 2, 2), (2, 2, 6)), 2, (15.2, 4.0, 16 / 3, 2 / 3)),
    (mask(), mask(), 2, (0, 0, 0, 1)), (voxels((1, 2, 3)), mask(), 2, (None, None, None, 0)),
    (mask(), voxels((1, 2, 3)), 2, (None, None, None, 0)),
])
def test_by_hand(prediction, reference, tolerance_mm, expected):
    assert measured(prediction, reference, THICK, tolerance_mm=tolerance_mm) == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
@pytest.mark.parametrize("spacing", [ISOTROPIC, THICK])
def test_equals_monai(spacing):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    for seed in range(6):
        prediction, reference = blobs(seed), blobs(seed + 100)
        pair = [torch.from_numpy(each)[None, None].float() for each in (prediction, reference)]
        options = {"include_background": True, "spacing": spacing}
        directed = [compute_average_surface_distance(*order, **options) for order in (pair, pair[::-1])]
        expected = (compute_hausdorff_distance(*pair, percentile=95, **options), sum(directed) / 2,
                    compute_average_surface_distance(*pair, symmetric=True, **options),
                    compute_surface_dice(*pair, class_thresholds=[2.0], **options))
        assert measured(prediction, reference, spacing) == pytest.approx([each.item() for each in expected], rel=1e-5)


def test_equals_all_pairs_of_surface_voxels():
    shape = (9, 8, 7)
    full = np.ones(shape, bool)  # the volume's border counts as outside
    for pair in [(blobs(seed, shape), blobs(seed + 50, shape)) for seed in range(10)] + [(full, blobs(1, shape))]:
        surfaces = [np.argwhere(each & ~ndimage.binary_erosion(each)) * THICK for each in pair]
        gaps = np.linalg.norm(surfaces[0][:, None] - surfaces[1][None], axis=-1)
        there, back = gaps.min(axis=1), gaps.min(axis=0)
        expected = (max(np.percentile(there, 95), np.percentile(back, 95)), (there.mean() + back.mean()) / 2,
                    np.concatenate([there, back]).mean(), np.mean(np.concatenate([there, back]) <= 1.5))
        assert measured(*pair, THICK, tolerance_mm=1.5) == pytest.approx(expected)


def test_scores_have_distances_on_request():
    plain = score_case(voxels((2, 2, 2), (2, 2, 6)), voxels((2, 2, 2)), THICK)
    assert [plain.measures[key] for key in ("hd95_mm", "masd_mm", "assd_mm", "nsd")] == [None] * 4
    assert [c.distance_mm for c in plain.clusters] == [None, None]
    # 12 voxels along each axis: corners are 11 steps apart.
    assert plain.worst_mm == pytest.approx(11 * np.linalg.norm(THICK))

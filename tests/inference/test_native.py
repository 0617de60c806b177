"""Masks and probabilities on the grids of the original scans: place, side and size."""

import nibabel as nib
import numpy as np
import pytest
from native_cases import FINE, LEFT_LESION, ORIENTATIONS, centre_mm, dice, like, patient, scan_grid

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.inference import native
from nnunet_tv.inference.native import lost_clusters, mask_to_native, probability_to_native, to_native
from nnunet_tv.preparation.provenance import Provenance


@pytest.mark.parametrize("registration", ["none", "t1", "mni"])
@pytest.mark.parametrize("name", ORIENTATIONS)
def test_round_trip_from_every_orientation(registration, name):
    t1 = scan_grid(spacing_mm=(1.2, 1.3, 1.2), size_mm=150, centre_mm=(12, -20, 31), **ORIENTATIONS[name])
    someone = patient(registration=registration, t1=t1, flair=t1, radius=14, template=FINE)
    prepared = someone.prepared_mask("T1w")
    for channel in ("T1w", "FLAIR"):
        found, truth = mask_to_native(prepared, someone.record, channel), someone.masks[channel]
        np.testing.assert_allclose(found.affine, truth.affine)
        assert dice(found.data, truth.data) >= 0.95
        assert np.linalg.norm(centre_mm(found) - centre_mm(truth)) <= 0.25
        # left of the middle of the brain, in scanner coordinates: 32 mm in the template
        middle = someone.record.to_grid(channel).inverse().apply(np.array([0, *LEFT_LESION[1:]]))
        assert (centre_mm(found) - middle)[0] < -25 * np.cos(np.deg2rad(25))


def test_scan_on_the_prepared_grid_is_unchanged():
    someone = patient(registration="t1", t1=scan_grid("PSR"))
    rng = np.random.default_rng(1)
    values = Volume(rng.random(someone.record.grid.shape).astype(np.float32), someone.record.grid.affine)
    back = to_native(values, someone.record, "T1w")
    turn = nib.orientations.ornt_transform(*map(nib.orientations.axcodes2ornt, ("RAS", "PSR")))
    np.testing.assert_array_equal(back.data, nib.apply_orientation(values.data, turn))


def test_thick_slice_averages_over_its_thickness():
    # slice 1 of the thick grid spans z = 3.5..7.5 of the fine one: its voxels 4, 5, 6, 7
    fine = Grid((8, 8, 12), np.eye(4))
    thick = Grid((8, 8, 3), nib.affines.from_matvec(np.diag([1.0, 1, 4]), (0, 0, 1.5)))
    record, mask = Provenance("a", "t1", fine, {"T1w": fine, "FLAIR": thick}), like(fine)
    mask.data[2:6, 2:6, 5:8] = 1  # three quarters of the slice
    # samples at z = 4.167, 5.5, 6.833: linear values 1/6, 1, 1 inside the square
    mean = to_native(mask, record, "FLAIR").data[3, 3]
    assert mean[1] == pytest.approx((1 / 6 + 1 + 1) / 3, abs=1e-5) and mean[0] == 0
    assert mask_to_native(mask, record, "FLAIR").data[3, 3].tolist() == [0, 1, 0]


def test_box_around_the_support_changes_nothing(monkeypatch):
    someone = patient(registration="mni", t1=scan_grid("LPS", oblique_deg=(5, 8, -12)))
    mask = someone.prepared_mask()
    found = to_native(mask, someone.record, "FLAIR")
    monkeypatch.setattr(native, "bounding_box", lambda data: tuple(slice(0, side) for side in data.shape))
    monkeypatch.setattr(native, "_reach", lambda source, target, world: tuple(slice(0, n) for n in target.shape))
    monkeypatch.setattr(native, "_SLAB", 1 << 16)
    np.testing.assert_allclose(to_native(mask, someone.record, "FLAIR").data, found.data, atol=1e-5)


def test_probabilities_are_means_rounded_to_a_thousandth():
    someone = patient()
    for value, rounded in ((0.30004, 0.3), (0.0004, 0)):
        flat = Volume(np.full(someone.record.grid.shape, value, np.float32), someone.record.grid.affine)
        assert probability_to_native(flat, someone.record, "T1w").data.max() == pytest.approx(rounded, abs=1e-6)


def test_centres_of_lost_clusters():
    someone = patient(registration="none", flair=scan_grid(spacing_mm=(2, 2, 9.0)), t1=scan_grid(spacing_mm=(2, 2, 2)))
    mask = like(someone.record.grid)
    mask.data[30:33, 40:43, 50:51] = 1  # 2 mm of a 9 mm slice
    mask.data[60:66, 40:46, 40:46] = 1
    native_mask = mask_to_native(mask, someone.record, "FLAIR")
    lost, = lost_clusters(mask, native_mask, someone.record, "FLAIR")
    assert native_mask.data.any() and lost == pytest.approx(mask.grid.to_mm(np.array([31, 41, 50])))
    assert lost_clusters(mask, mask_to_native(mask, someone.record, "T1w"), someone.record, "T1w") == []

"""One case to one grid: what is noted, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.preparation import chain
from nnunet_tv.preparation.chain import Alignment, prepare_case
from nnunet_tv.utils.errors import CaseError


def affine(spacing: float = 1.0, origin=(0.0, 0.0, 0.0)) -> np.ndarray:
    result = np.diag([spacing, spacing, spacing, 1.0])
    result[:3, 3] = origin
    return result


def noise(shape=(8, 8, 8)) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def box(shape=(8, 8, 8), low=2, high=6) -> np.ndarray:
    data = np.zeros(shape, np.uint8)
    data[low:high, low:high, low:high] = 1
    return data


def files(folder: Path, *, flair=None, mask=None) -> tuple[dict[str, Path], Path]:
    write_volume(Volume(noise(), affine()), folder / "t1.nii.gz")
    write_volume(flair or Volume(noise(), affine()), folder / "flair.nii.gz")
    write_volume(mask or Volume(box(), affine()), folder / "roi.nii.gz")
    return {"T1w": folder / "t1.nii.gz", "FLAIR": folder / "flair.nii.gz"}, folder / "roi.nii.gz"


def test_scans_on_one_grid_pass_unchanged(tmp_path):
    channels, roi = files(tmp_path)
    prepared = prepare_case("sub-1", channels, roi, label_on="FLAIR")
    assert list(prepared.images) == ["T1w", "FLAIR"] and prepared.notes == () and prepared.orientation == "RAS"
    assert np.array_equal(prepared.images["FLAIR"].data, noise()) and np.array_equal(prepared.label.data, box())


def test_without_a_mask_the_label_is_background(tmp_path):
    prepared = prepare_case("sub-1", files(tmp_path)[0])
    assert prepared.label.data.dtype == np.uint8 and prepared.label.shape == (8, 8, 8) and not prepared.label.data.any()


def test_the_callers_mistakes(tmp_path):
    channels, roi = files(tmp_path)
    with pytest.raises(ValueError, match="registration is one of none, t1, mni, not 'warp'"):
        prepare_case("sub-1", channels, roi, registration="warp")
    with pytest.raises(ValueError, match="drawn on one of T1w, FLAIR, not 'T2'"):
        prepare_case("sub-1", channels, roi, label_on="T2")


def test_an_empty_mask(tmp_path):
    channels, roi = files(tmp_path, mask=Volume(box() * 0, affine()))
    with pytest.raises(CaseError, match=r"sub-1: .*roi.nii.gz: expected a lesion, found an empty mask"):
        prepare_case("sub-1", channels, roi)


def test_a_scan_elsewhere(tmp_path):
    channels, roi = files(tmp_path, flair=Volume(noise(), affine(origin=(300, 0, 0))))
    with pytest.raises(CaseError, match=r"flair.nii.gz: the FLAIR lies wholly outside the grid"):
        prepare_case("sub-1", channels, roi)


def test_a_mask_elsewhere(tmp_path):
    channels, roi = files(tmp_path, mask=Volume(box(), affine(origin=(0, 0, 90))))
    with pytest.raises(CaseError, match=r"roi.nii.gz: the grid of the mask does not overlap the FLAIR's"):
        prepare_case("sub-1", channels, roi, label_on="FLAIR")


def test_a_lesion_off_the_t1(tmp_path):
    large = (30, 8, 8)
    mask = np.zeros(large, np.uint8)
    mask[20:25, 2:6, 2:6] = 1
    channels, roi = files(tmp_path, flair=Volume(noise(large), affine()), mask=Volume(mask, affine()))
    with pytest.raises(CaseError, match="of the 80 voxels of the lesion none lies on the grid"):
        prepare_case("sub-1", channels, roi, label_on="FLAIR")


def test_a_lesion_partly_off_the_t1_is_noted(tmp_path):
    large = (30, 8, 8)
    mask = np.zeros(large, np.uint8)
    mask[3:13, 2:6, 2:6] = 1  # x = 3 … 7 of 3 … 12 are on the T1
    channels, roi = files(tmp_path, flair=Volume(noise(large), affine()), mask=Volume(mask, affine()))
    prepared = prepare_case("sub-1", channels, roi, label_on="FLAIR")
    assert prepared.label.data.sum() == 5 * 16
    assert prepared.notes == ("50.0% of the lesion's voxels lie outside the grid and are lost",
                              "the lesion's volume changed from 160.0 to 80.0 mm3 on the grid")


def test_a_mask_on_its_own_grid_is_placed_by_its_affine_and_noted(tmp_path):
    mask = Volume(box((16, 16, 16), 4, 12), affine(0.5, (-0.25, -0.25, -0.25)))
    channels, roi = files(tmp_path, mask=mask)
    prepared = prepare_case("sub-1", channels, roi, label_on="FLAIR")
    assert prepared.notes == ("roi.nii.gz: grid differs from the FLAIR's, placed by its own affine",)
    assert np.array_equal(prepared.label.data, box())


def test_a_flat_scan_is_flagged_and_a_scan_of_a_corner_noted(tmp_path):
    flair = Volume(np.full((3, 3, 3), 7, np.float32), affine())
    channels, _ = files(tmp_path, flair=flair)
    prepared = prepare_case("sub-1", channels)
    assert prepared.flags == ("FLAIR: every voxel is 7",) and prepared.notes[0].startswith("FLAIR covers ")


def test_the_share_that_a_scan_covers_follows_its_registration(tmp_path, monkeypatch):
    channels, _ = files(tmp_path)  # every fourth voxel of 8: x = 0 and x = 4
    half = ("FLAIR covers 50% of the grid",)
    monkeypatch.setattr(chain, "COVERAGE", 0.6)
    for shift_mm, expected in ((6, half), (3, ()), (-3, half)):
        world = affine(origin=(shift_mm, 0, 0))
        monkeypatch.setitem(chain.REGISTRATIONS, "moved",
                            lambda case, scans, choices, world=world: Alignment(scans["T1w"], {"FLAIR": world}))
        assert prepare_case("sub-1", channels, registration="moved").notes == expected


def test_a_registration_moves_scan_and_mask_together(tmp_path, monkeypatch):
    """A new registration is a function and a line in the table; scan and mask follow it."""
    channels, roi = files(tmp_path)
    shift = affine(origin=(1, 0, 0))

    def shifted(case, scans, choices):
        return Alignment(scans["T1w"], {"FLAIR": shift}, ("shifted",))

    monkeypatch.setitem(chain.REGISTRATIONS, "shifted", shifted)
    prepared = prepare_case("sub-1", channels, roi, label_on="FLAIR", registration="shifted")
    assert prepared.notes == ("shifted",)
    assert np.array_equal(prepared.images["T1w"].data, noise())
    assert np.allclose(prepared.images["FLAIR"].data[:7], noise()[1:], atol=1e-6)
    assert np.array_equal(prepared.label.data[:7], box()[1:])


def test_a_scan_that_covers_next_to_nothing_is_refused(tmp_path):
    flair = Volume(np.ones((1, 2, 2), np.float32), affine(origin=(3, 2.5, 2.5)))
    channels, _ = files(tmp_path, flair=flair)
    with pytest.raises(CaseError, match=r"the FLAIR covers \d+\.\d% of the grid it is wanted on"):
        prepare_case("sub-1", channels)

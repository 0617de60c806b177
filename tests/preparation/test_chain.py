"""One case to one grid: notes, flags and refusals."""

from pathlib import Path

import numpy as np
import pytest

from nnunet_tv.imaging.affine import Affine, rotation_about
from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.preparation import chain
from nnunet_tv.preparation.alignment import SPACES, Alignment
from nnunet_tv.preparation.chain import prepare_case
from nnunet_tv.utils.errors import CaseError


def affine(spacing: float = 1.0, origin=(0.0, 0.0, 0.0)) -> np.ndarray:
    return rotation_about(spacing * np.eye(3), np.zeros(3), np.array(origin))


def noise(shape=(8, 8, 8)) -> np.ndarray:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def box(shape=(8, 8, 8), low=2, high=6) -> np.ndarray:
    """A box from `low` to `high` along x, and over the middle half of y and z."""
    data = np.zeros(shape, np.uint8)
    data[low:high, shape[1] // 4 : 3 * shape[1] // 4, shape[2] // 4 : 3 * shape[2] // 4] = 1
    return data


def files(folder: Path, *, flair=None, mask=None) -> tuple[dict[str, Path], Path]:
    write_volume(Volume(noise(), affine()), folder / "t1.nii.gz")
    write_volume(flair or Volume(noise(), affine()), folder / "flair.nii.gz")
    write_volume(mask or Volume(box(), affine()), folder / "roi.nii.gz")
    return {"T1w": folder / "t1.nii.gz", "FLAIR": folder / "flair.nii.gz"}, folder / "roi.nii.gz"


@pytest.mark.parametrize("flair, mask, label, notes", [
    (None, None, box(), ()),
    (Volume(noise((30, 8, 8)), affine()), Volume(box((30, 8, 8), 3, 13), affine()), box(low=3, high=8), (
        "50.0% of the lesion's voxels lie outside the grid and are lost",
        "the lesion's volume changed from 160.0 to 80.0 mm3 on the grid")),
    (None, Volume(box((16, 16, 16), 4, 12), affine(0.5, (-0.25, -0.25, -0.25))), box(),
     ("roi.nii.gz: grid differs from the FLAIR's, placed by its own affine",)),
])
def test_a_mask_is_placed_and_what_is_lost_is_noted(tmp_path, flair, mask, label, notes):
    channels, roi = files(tmp_path, flair=flair, mask=mask)
    prepared = prepare_case("sub-1", channels, roi, label_on="FLAIR")
    assert prepared.notes == notes and np.array_equal(prepared.label.data, label)


def test_scans_on_one_grid_pass_unchanged(tmp_path):
    channels, _ = files(tmp_path)
    prepared = prepare_case("sub-1", channels)
    assert list(prepared.images) == ["T1w", "FLAIR"] and prepared.notes == () and prepared.orientation == "RAS"
    assert np.array_equal(prepared.images["FLAIR"].data, noise())
    label = prepared.label.data
    assert label.dtype == np.uint8 and label.shape == (8, 8, 8) and not label.any()


def test_unknown_names(tmp_path):
    channels, roi = files(tmp_path)
    for option, message in (({"space": "warp"}, "space is one of none, t1, mni, not 'warp'"),
                            ({"label_on": "T2"}, "drawn on one of T1w, FLAIR, not 'T2'")):
        with pytest.raises(ValueError, match=message):
            prepare_case("sub-1", channels, roi, **option)


@pytest.mark.parametrize("flair, mask, message", [
    (None, Volume(box() * 0, affine()), r"sub-1: .*roi.nii.gz: expected a lesion, found an empty mask"),
    (Volume(noise(), affine(origin=(300, 0, 0))), None, r"flair.nii.gz: the FLAIR lies wholly outside the grid"),
    (None, Volume(box(), affine(origin=(0, 0, 90))), "roi.nii.gz: the grid of the mask does not overlap the FLAIR's"),
    (Volume(noise((30, 8, 8)), affine()), Volume(box((30, 8, 8), 20, 25), affine()),
     "of the 80 voxels of the lesion none lies on the grid"),
    (Volume(np.ones((1, 2, 2), np.float32), affine(origin=(3, 2.5, 2.5))), None,
     r"the FLAIR covers \d+\.\d% of the grid"),
])
def test_unusable_scans_and_masks_are_refused(tmp_path, flair, mask, message):
    channels, roi = files(tmp_path, flair=flair, mask=mask)
    with pytest.raises(CaseError, match=message):
        prepare_case("sub-1", channels, roi, label_on="FLAIR")


def test_a_flat_scan_is_flagged_and_a_scan_of_a_corner_noted(tmp_path):
    channels, _ = files(tmp_path, flair=Volume(np.full((3, 3, 3), 7, np.float32), affine()))
    prepared = prepare_case("sub-1", channels)
    assert prepared.flags == ("FLAIR: every voxel is 7",) and prepared.notes[0].startswith("FLAIR covers ")


def shifted(monkeypatch, x_mm: float) -> None:
    """Register the FLAIR by a shift in the space ``shifted``."""
    world = Affine(affine(origin=(x_mm, 0, 0)), "t1", "flair")
    monkeypatch.setitem(SPACES, "shifted", lambda case, scans, options: Alignment(
        scans["T1w"].grid, {"FLAIR": world}, ("shifted",)))


@pytest.mark.parametrize("shift_mm, noted", [(6, True), (3, False), (-3, True)])
def test_the_share_that_a_scan_covers_follows_its_registration(tmp_path, monkeypatch, shift_mm, noted):
    channels, _ = files(tmp_path)  # every fourth voxel of 8: x = 0 and x = 4
    shifted(monkeypatch, shift_mm)
    monkeypatch.setattr(chain, "COVERAGE", 0.6)
    notes = prepare_case("sub-1", channels, space="shifted").notes
    assert notes == (("shifted", "FLAIR covers 50% of the grid") if noted else ("shifted",))


def test_a_registration_moves_scan_and_mask_together(tmp_path, monkeypatch):
    channels, roi = files(tmp_path)
    shifted(monkeypatch, 1)
    prepared = prepare_case("sub-1", channels, roi, label_on="FLAIR", space="shifted")
    assert np.array_equal(prepared.images["T1w"].data, noise())
    assert np.allclose(prepared.images["FLAIR"].data[:7], noise()[1:], atol=1e-6)
    assert np.array_equal(prepared.label.data[:7], box()[1:])

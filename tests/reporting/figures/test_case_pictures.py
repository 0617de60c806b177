"""Pictures of cases: slices, sides, colours."""

from functools import partial

import matplotlib.image
import numpy as np
import pytest
from scored_folders import boxes

from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.postprocessing import ClusterFilter
from nnunet_tv.reporting.figures import case_pictures
from nnunet_tv.reporting.figures.case_pictures import BLUE, GREEN, YELLOW, Layer, draw_case, draw_files
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import CaseError

RAS = np.diag([2.0, 2.0, 2.0, 1.0])
box = partial(boxes, shape=(30, 36, 32))


LEFT = box(((4, 10), (12, 20), (10, 16)))  # small x is the patient's left in RAS+
SCAN = np.random.default_rng(0).random(LEFT.shape).astype(np.float32)


def pixels(picture, colour):
    """Pixels of a colour, above the legend."""
    return np.linalg.norm(picture[: picture.shape[0] - 60, :, :3] - np.array(colour), axis=-1) < 0.12


def test_slice_through_the_largest_cluster():
    two = box(((2, 4), (2, 4), (2, 4))) | box(((10, 20), (11, 15), (12, 14)))
    position, place = case_pictures.slice_position(two.astype(bool), [box(((25, 26), (1, 2), (1, 2))).astype(bool)])
    assert position == (10, 11, 12) and place == "the largest reference cluster"
    peak = box(((5, 8), (5, 8), (5, 8)))
    peak[6, 6, 6:12] = 1  # most voxels at x = 6, y = 6
    assert case_pictures.slice_position(peak.astype(bool), [])[0] == (6, 6, 5)
    nothing, something = np.zeros((8, 10, 12), bool), box(((2, 3), (3, 4), (4, 5)), shape=(8, 10, 12)).astype(bool)
    position, place = case_pictures.slice_position(nothing, [nothing, something])
    assert position == (2, 3, 4) and place == "the largest predicted cluster (empty reference)"
    assert case_pictures.slice_position(nothing, [nothing]) == ((4, 5, 6), "the middle (no reference, no prediction)")


@pytest.mark.parametrize("flip", [False, True])
def test_left_is_on_the_right_for_any_storage_order(tmp_path, flip):
    data, affine = LEFT, RAS
    if flip:
        data, affine = data[::-1], np.array([[-2.0, 0, 0, 58], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    draw_case("sub-1", Volume(data, affine), [Layer("A", data * 0, data * 0)], tmp_path / "sub-1.png")
    picture = matplotlib.image.imread(tmp_path / "sub-1.png")
    columns = np.argwhere(pixels(picture, GREEN))[:, 1]
    assert columns[columns < picture.shape[1] / 3].mean() > picture.shape[1] / 6 + 20  # axial slice


def test_colours_of_the_three_masks(tmp_path):
    moved, kept = box(((4, 10), (24, 30), (10, 16))), box(((4, 10), (25, 29), (10, 16)))
    draw_case("a $ case_", Volume(LEFT, RAS), [Layer("x$^{", moved, kept, "$\\bad"), Layer("B", moved * 0, moved * 0)],
              tmp_path / "case.png", background=SCAN)
    picture = matplotlib.image.imread(tmp_path / "case.png")
    counts = {colour: [half.sum() for half in np.array_split(pixels(picture, colour), 2)]
              for colour in (GREEN, BLUE, YELLOW)}
    assert all(first > 20 for first, _ in counts.values())
    assert counts[GREEN][1] > 20 and counts[BLUE][1] == counts[YELLOW][1] == 0


@pytest.fixture
def job(tmp_path):
    for folder in ("ref", "pred"):
        write_volume(Volume(LEFT, RAS), tmp_path / folder / "sub-1.nii.gz")
    (tmp_path / "images").mkdir()
    runs = (Run("A", 0, tmp_path / "pred"), Run("B", 0, tmp_path / "pred", tmp_path / "pred"))
    return case_pictures.PictureJob("sub-1", tmp_path / "ref" / "sub-1.nii.gz", runs, ("", ""), tmp_path / "images",
                                    tmp_path / "out.png", ClusterFilter(opening=False))


def test_background_image(tmp_path, job):
    warning = draw_files(job)
    assert warning.startswith("sub-1: no image sub-1_0000.nii.gz or sub-1.nii.gz in ")
    plain = matplotlib.image.imread(tmp_path / "out.png")
    write_volume(Volume(LEFT[1:], RAS), tmp_path / "images" / "sub-1.nii.gz")
    assert "is not on the reference's grid; drawn on a plain background" in draw_files(job)
    (tmp_path / "images" / "sub-1.nii.gz").write_bytes(b"?")
    assert "not a readable NIfTI image" in draw_files(job)
    np.testing.assert_array_equal(matplotlib.image.imread(tmp_path / "out.png"), plain)
    write_volume(Volume(SCAN, RAS), tmp_path / "images" / "sub-1_0000.nii.gz")
    assert draw_files(job) == ""
    assert np.abs(matplotlib.image.imread(tmp_path / "out.png") - plain).mean() > 0.05


def test_missing_predictions_are_drawn_empty_and_changed_ones_refused(tmp_path, job):
    (tmp_path / "pred" / "sub-1.nii.gz").unlink()
    draw_files(job)
    assert pixels(matplotlib.image.imread(tmp_path / "out.png"), BLUE).sum() == 0
    write_volume(Volume(LEFT[1:], RAS), tmp_path / "pred" / "sub-1.nii.gz")
    with pytest.raises(CaseError, match="changed since it was scored: no longer on the reference's grid; run again"):
        draw_files(job)

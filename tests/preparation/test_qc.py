"""The picture of a preparation: sides and borders."""

import matplotlib.image
import nibabel as nib
import numpy as np

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation.qc import LESION, _centre, checkerboard, draw_qc, edges


def head(flip: bool = False) -> Volume:
    """Dark box with a bright half on the patient's right (x > 0 is right to left of the affine's choice)."""
    data = np.full((40, 40, 40), 10, np.float32)
    data[25:35, 10:30, 10:30] = 100  # RAS: larger index is further right
    image = nib.Nifti1Image(data, np.diag([3.0, 3, 3, 1])).slicer[:: -1 if flip else 1]
    return Volume(image.get_fdata(dtype=np.float32), image.affine)


def test_the_right_is_on_the_left_for_all_axes(tmp_path):
    pictures = []
    for volume in (head(), head(flip=True)):
        draw_qc("x", volume, volume, tmp_path / "a.png", brain=Volume(volume.data > 50, volume.affine), template=volume)
        pictures.append(matplotlib.image.imread(tmp_path / "a.png"))
    assert pictures[0].shape == pictures[1].shape and np.abs(pictures[0] - pictures[1]).max() < 0.02
    first_plane = pictures[0][60:300, 60:260, :3].mean(axis=-1)  # axial: R is at the image's left
    assert first_plane[:, :100].sum() > first_plane[:, 100:].sum()


def test_flat_and_empty_images_are_drawn(tmp_path):
    flat = Volume(np.zeros((8, 9, 10), np.float32), np.eye(4))
    draw_qc("x", flat, flat, tmp_path / "a.png", brain=Volume(flat.data > 0, np.eye(4)), lines=["! a flag $x$" * 30])
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_fields_alternate_and_are_square_in_mm():
    board = checkerboard((8, 4), (1.0, 2.0), field_mm=4.0)
    assert np.array_equal(board, np.kron(np.eye(2), np.ones((4, 2))))


def test_the_slices_go_through_the_mask():
    mask = np.zeros((30, 30, 30), bool)
    mask[20:28, 3:9, 10:12] = True
    assert mask[_centre(mask)] and _centre(np.zeros((4, 6, 8), bool)) == (2, 3, 4)


def test_edges_are_where_the_picture_changes():
    picture = np.zeros((20, 20))
    picture[10:] = 1
    found = edges(picture, (1.0, 1.0))
    assert found[9:11].all() and not found[:6].any() and not found[14:].any()
    assert not edges(np.ones((5, 5)), (1, 1)).any() and not edges(picture, (1, 1), np.zeros((20, 20), bool)).any()
    inside = np.indices((20, 20))[1] < 10
    assert not edges(picture, (1, 1), inside)[:, 10:].any() and edges(picture, (1, 1), inside)[9:11, :10].all()


def test_the_lesion_is_outlined_on_its_side_in_slices_through_it(tmp_path):
    """In a corner that the slices through the middle of the head do not show; left is drawn on the right."""
    for flip in (False, True):
        volume = head(flip)
        places = volume.grid.points()
        corner = [places[..., 0].min() + 9, 102, 102]  # small x is left
        at = np.abs(places - corner).max(axis=-1) < 7
        lesion = Volume(at.astype(np.uint8), volume.affine)
        heights = []
        for name, drawn in (("without", None), ("with", lesion)):
            draw_qc("x", volume, volume, tmp_path / f"{name}.png", brain=Volume(volume.data > 50, volume.affine),
                    template=volume, lesion=drawn)
            picture = matplotlib.image.imread(tmp_path / f"{name}.png")[..., :3]
            found = np.argwhere(np.abs(picture - LESION).max(axis=-1) < 0.15)
            heights.append(picture.shape[0])
            assert bool(len(found)) == (drawn is not None)
        assert heights[1] > heights[0] and found[:, 0].min() > 0.75 * heights[1]  # in a row of its own
        width = picture.shape[1] / 3
        axial = found[found[:, 1] < width, 1]
        assert len(axial) and (axial > width / 2).all()

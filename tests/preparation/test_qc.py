"""The picture and the page of a preparation: sides, borders, what is shown first."""

from __future__ import annotations

import matplotlib.image
import numpy as np
import pytest

from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation.qc import _centre, checkerboard, draw_qc, edges
from nnunet_tv.preparation.qc_html import qc_page, unusual_numbers
from nnunet_tv.utils.case_outcome import CaseOutcome


def head(flip: bool = False) -> Volume:
    """Dark box with a bright half on the patient's right (x > 0 is right to left of the affine's choice)."""
    data = np.full((40, 40, 40), 10, np.float32)
    data[25:35, 10:30, 10:30] = 100  # RAS: larger index is further right
    affine = np.diag([3.0, 3, 3, 1])
    if flip:
        data, affine = data[::-1].copy(), affine @ np.diag([-1.0, 1, 1, 1])
        affine[0, 3] = 39 * 3.0
    return Volume(data, affine)


def test_the_right_is_on_the_left_whatever_the_axes(tmp_path):
    pictures = []
    for flip in (False, True):
        volume = head(flip)
        path = tmp_path / f"{flip}.png"
        draw_qc("x", volume, volume, path, brain=Volume(volume.data > 50, volume.affine), template=volume)
        pictures.append(matplotlib.image.imread(path))
    assert pictures[0].shape == pictures[1].shape and np.abs(pictures[0] - pictures[1]).max() < 0.02
    first_plane = pictures[0][60:300, 60:260, :3].mean(axis=-1)  # axial: R is at the image's left
    assert first_plane[:, :100].sum() > first_plane[:, 100:].sum()


def test_flat_and_empty_images_are_drawn(tmp_path):
    flat = Volume(np.zeros((8, 9, 10), np.float32), np.eye(4))
    draw_qc("x", flat, flat, tmp_path / "a.png", brain=Volume(flat.data > 0, np.eye(4)), lines=["! a flag $x$" * 30])
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_fields_alternate_and_are_square_in_mm():
    board = checkerboard((8, 4), (1.0, 2.0), field_mm=4.0)
    assert board[:4, :2].all() and not board[4:, :2].any() and not board[:4, 2:].any() and board[4:, 2:].all()


def test_edges_are_where_the_picture_changes():
    picture = np.zeros((20, 20))
    picture[10:] = 1
    found = edges(picture, (1.0, 1.0))
    assert found[9:11].all() and not found[:6].any() and not found[14:].any()
    assert not edges(np.ones((5, 5)), (1, 1)).any() and not edges(picture, (1, 1), np.zeros((20, 20), bool)).any()
    inside = np.zeros((20, 20), bool)
    inside[:, :10] = True
    assert not edges(picture, (1, 1), inside)[:, 10:].any() and edges(picture, (1, 1), inside)[9:11, :10].all()


def test_the_slices_go_through_the_mask():
    mask = np.zeros((30, 30, 30), bool)
    mask[20:28, 3:9, 10:12] = True
    assert mask[_centre(mask)] and _centre(np.zeros((4, 6, 8), bool)) == (2, 3, 4)


def test_numbers_far_from_the_others_are_unusual():
    metrics = {f"case{i}": {"fit": 1 + 0.01 * i, "flat": 2.0} for i in range(7)}
    metrics["odd"] = {"fit": 0.2, "flat": 2.1}
    found = unusual_numbers(metrics)
    assert list(found) == ["odd"] and list(found["odd"]) == ["fit"] and found["odd"]["fit"] < -4
    assert unusual_numbers({case: metrics[case] for case in ("case0", "case1", "odd")}) == {}


def test_the_page_shows_failed_then_flagged_then_unusual_then_the_rest():
    made = [CaseOutcome(f"case{i}", metrics={"fit": 1 + 0.01 * i}) for i in range(7)]
    outcomes = [*made, CaseOutcome("odd", metrics={"fit": 0.2}), CaseOutcome("bad", problem="no <FLAIR>"),
                CaseOutcome("flagged", flags=("look & see",), notes=("noted",), metrics={"fit": 1.0})]
    page = qc_page(outcomes, registration="mni")
    order = [page.index(text) for text in ("bad: failed", 'id="flagged"', 'id="odd"', 'id="case0"', 'id="case6"')]
    assert order == sorted(order)
    assert "no &lt;FLAIR&gt;" in page and "look &amp; see" in page and "<mark>0.2</mark>" in page
    assert "fit: 0.2 is far from the other cases" in page and "9 cases prepared, 1 of them flagged, 1 failed" in page
    assert page.count("For research use only") == 2 and "<script" not in page


@pytest.mark.parametrize("case", ["a b", "x&y"])
def test_names_are_quoted(case):
    page = qc_page([CaseOutcome(case)], registration="none")
    assert f'src="qc/{case}.png"' not in page

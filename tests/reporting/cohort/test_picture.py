"""Pictures of cohort maps: sides, places, numbers."""

import matplotlib.image
import numpy as np
import pytest

from nnunet_tv.imaging.grid import Grid
from nnunet_tv.reporting.cohort.maps import CohortMap, Place
from nnunet_tv.reporting.cohort.picture import CYAN, draw_map

SHAPE = (30, 36, 32)
GRID = Grid(SHAPE, np.array([[2.0, 0, 0, -30], [0, 2, 0, -36], [0, 0, 2, -32], [0, 0, 0, 1]]))
LEFT, RIGHT = (-18.0, 4.0, 2.0), (18.0, -20.0, 10.0)


def counts_at(*places):
    counts = np.zeros(SHAPE, np.int16)
    for point, number in places:
        index = np.rint(GRID.to_indices(np.array(point))).astype(int)
        counts[tuple(slice(i - 3, i + 4) for i in index)] = number
    return counts


def found(*places, most, limit=4):
    return CohortMap("A $^{", "raw", "", 300, 0, 300, most, places[0] if places else None, limit,
                     tuple(Place(place, place, 8.0, most, 1, 0) for place in places if limit is not None))


def pixels(path, colour):
    picture = matplotlib.image.imread(path)
    return np.argwhere(np.linalg.norm(picture[..., :3] - np.array(colour), axis=-1) < 0.15), picture.shape


@pytest.mark.parametrize(("place", "right_of_the_middle"), [(LEFT, True), (RIGHT, False)])
def test_left_is_on_the_right(tmp_path, place, right_of_the_middle):
    draw_map(found(place, most=8), counts_at((place, 8)), GRID, tmp_path / "map.png")
    outlined, (_, width, _) = pixels(tmp_path / "map.png", CYAN)
    axial = outlined[outlined[:, 1] < 0.3 * width]
    assert len(axial) > 20 and (axial[:, 1].mean() > 0.16 * width) == right_of_the_middle


def test_a_row_for_each_of_three_places(tmp_path):
    heights = []
    for n in (1, 2, 3, 4):
        places = [LEFT, RIGHT, (0.0, 0.0, 0.0), (0.0, 20.0, 0.0)][:n]
        draw_map(found(*places, most=7), counts_at(*((place, 7) for place in places)), GRID, tmp_path / "map.png",
                 background=np.random.default_rng(0).random(SHAPE))
        heights.append(pixels(tmp_path / "map.png", CYAN)[1][0])
    assert heights[0] < heights[1] < heights[2] == heights[3]


@pytest.mark.parametrize("most", [1, 2, 13, 300])
@pytest.mark.parametrize("limit", [None, 301])
def test_without_a_flagged_place_the_most_marked_is_drawn(tmp_path, most, limit):
    draw_map(CohortMap("A", "raw", "", 300, 0, 300, most, LEFT, limit), counts_at((LEFT, most)), GRID,
             tmp_path / "map.png")
    assert len(pixels(tmp_path / "map.png", CYAN)[0]) == 0
    assert len(pixels(tmp_path / "map.png", (0.94, 0.97, 0.13))[0]) > 20  # the colour of the largest number


def test_nothing_to_draw(tmp_path):
    with pytest.raises(ValueError, match="no subject has a mark"):
        draw_map(CohortMap("A", "raw", "", 3, 0, 0, 0, None, 2), counts_at(), GRID, tmp_path / "map.png")

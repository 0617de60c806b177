"""The picture of a cohort map: slices through its most marked places."""

from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure

from nnunet_tv.imaging.drawing import CONVENTION, PLANES, draw_scan, outline, turned, write_letters
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.reporting.cohort.maps import CohortMap
from nnunet_tv.utils.files import atomic
from nnunet_tv.utils.numbers import fixed

#: Rows of a picture: flagged places.
MOST = 3
CYAN = (0.2, 1.0, 1.0)
#: Most colours for numbers of subjects; neighbouring numbers share one if there are more numbers.
_MOST_COLOURS = 12


def draw_map(found: CohortMap, counts: np.ndarray, grid: Grid, output: str | Path, *,
             background: np.ndarray | None = None) -> None:
    """Draw a map with at least one marked voxel as PNG: numbers of subjects in colour, flagged places outlined in cyan.

    A row for each of the first flagged places, or one for the most marked voxel; `counts` and `background` are on the
    grid, whose affine determines which side is left.
    """
    if found.peak_mm is None:
        raise ValueError("no subject has a mark: nothing to draw")
    shown, sizes_mm = turned(Volume(counts, grid.affine))
    scan = None if background is None else turned(Volume(background, grid.affine))[0]
    places = [(place.peak_mm, f"place {number}: {place.n_subjects} of {found.n_subjects} subjects, "
               f"{place.n_false} by a false cluster")
              for number, place in enumerate(found.places[:MOST], 1)] or [
        (found.peak_mm, f"most marked: {found.most} of {found.n_subjects} subjects; nothing beyond chance")]
    figure = Figure(figsize=(9.6, 0.9 + 3.2 * len(places)), facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    more = f"; {len(found.places)} places flagged, the first {MOST} drawn" if len(found.places) > MOST else ""
    figure.suptitle(f"{found.group}, {found.stage}{more}", color="white", fontsize=12, parse_math=False)
    steps = np.linspace(1, found.most + 1, min(found.most, _MOST_COLOURS) + 1).round().astype(int)
    n = len(steps) - 1
    colours = ListedColormap(matplotlib.colormaps["plasma"](np.linspace(1, 0.3, n)[::-1]))  # visible on black and grey
    norm = BoundaryNorm(steps, n)
    rows = figure.subplots(len(places), 3, squeeze=False)
    for axes, (peak_mm, title) in zip(rows, places, strict=True):
        position = _position(grid, peak_mm)
        for ax, plane in zip(axes, PLANES, strict=True):
            _draw_plane(ax, plane, position, sizes_mm, scan, shown, found.limit, colours, norm)
        where = ", ".join(fixed(value) for value in peak_mm)
        axes[0].set_title(f"{title}; at ({where}) mm", color="white", fontsize=9, loc="left", parse_math=False)
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=rows, shrink=0.7, pad=0.01,
                          ticks=(steps[:-1] + steps[1:]) / 2)
    bar.ax.set_yticklabels([_numbers(*each) for each in pairwise(steps.tolist())], color="white", fontsize=8)
    bar.ax.tick_params(length=0)
    bar.set_label("subjects", color="white", fontsize=8)
    figure.supxlabel(CONVENTION + (" Flagged places are outlined." if found.places else ""), color="0.75", fontsize=8)
    with atomic(output) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def _position(grid: Grid, point_mm: tuple[float, float, float]) -> tuple[int, ...]:
    """Index of a point in the array from :func:`turned`, on a grid whose axes point right, front and up."""
    index = np.rint(grid.to_indices(np.array(point_mm))).astype(int)
    return grid.shape[0] - 1 - int(index[0]), int(index[1]), int(index[2])


def _numbers(first: int, after: int) -> str:
    """Such as ``3`` and ``4-5``."""
    return f"{first}" if after == first + 1 else f"{first}–{after - 1}"


def _draw_plane(
    ax: Axes, plane: tuple[str, int, int, str, str], position: tuple[int, ...], sizes_mm: tuple[float, float, float],
    scan: np.ndarray | None, counts: np.ndarray, limit: int | None, colours: ListedColormap,
    norm: BoundaryNorm,
) -> None:
    _, across, up, _, _ = plane
    through = ({0, 1, 2} - {across, up}).pop()
    slice_ = np.take(counts, position[through], axis=through)
    extent = (0, slice_.shape[0] * sizes_mm[across], 0, slice_.shape[1] * sizes_mm[up])
    draw_scan(ax, scan, through, position[through], extent)
    ax.imshow(np.ma.masked_equal(slice_, 0).T, cmap=colours, norm=norm, extent=extent, origin="lower",
              interpolation="nearest", alpha=0.8)
    if limit is not None:
        ax.add_collection(LineCollection(list(outline(slice_ >= limit, sizes_mm[across], sizes_mm[up])),
                                         colors=[CYAN], linewidths=1.2))
    for draw, axis in ((ax.axvline, across), (ax.axhline, up)):
        draw((position[axis] + 0.5) * sizes_mm[axis], color="white", linewidth=0.4, alpha=0.6)
    ax.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[], aspect="equal")
    write_letters(ax, plane)

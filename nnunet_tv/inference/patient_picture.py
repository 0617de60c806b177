"""The clusters of one patient on the original scans, as one PNG."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from nnunet_tv.imaging.affine import Affine, transform
from nnunet_tv.imaging.drawing import CONVENTION, PLANES, outline, turned, write_letters
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.inference.clusters import Cluster, focus_mm
from nnunet_tv.utils.files import atomic
from nnunet_tv.utils.html import RESEARCH_USE
from nnunet_tv.utils.numbers import counted

YELLOW, ORANGE = (1.0, 0.9, 0.1), (1.0, 0.5, 0.1)
#: Largest number of clusters that are drawn, from rank 1; the table has all.
MOST = 4


@dataclass(frozen=True)
class Scan:
    """One scan of the patient and the mask of the clusters on its grid."""

    name: str  #: such as ``T1w``
    image: Volume
    mask: Volume
    from_t1: Affine  #: scanner coordinates of the T1w to those of this scan


def draw_patient(case: str, scans: Sequence[Scan], clusters: Sequence[Cluster], labels: Volume,
                 output: str | Path, *, warning: str = "") -> None:
    """Draw three planes of each scan, a row per cluster (the first :data:`MOST`) and scan, as a PNG file; atomically.

    The T1w is the first of `scans`, `clusters` are in the order of their ranks and `labels` contain the ranks on the
    T1w's grid. Without a cluster, slices through the middle of the scans are drawn. `warning` is written above
    the rows.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown: list[Cluster | None] = [*clusters[:MOST]] or [None]
    rows = len(shown) * len(scans)
    figure = Figure(figsize=(7.8, (1.2 if warning else 0.9) + 2.7 * rows), facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    headline = "no cluster found (slices through the middle)" if not clusters else counted(len(clusters), "cluster")
    more = f", the first {MOST} drawn" if len(clusters) > MOST else ""
    figure.suptitle(f"{warning}\n{case}: {headline}{more}".strip(), color=ORANGE if warning else "white", fontsize=12,
                    parse_math=False)
    views = [_View(scan) for scan in scans]
    cells = iter(figure.subplots(rows, 3, squeeze=False))
    for cluster in shown:
        for view in views:
            axes = next(cells)
            position = view.middle() if cluster is None else view.at(focus_mm(labels, cluster))
            for ax, plane in zip(axes, PLANES, strict=True):
                view.draw(ax, plane, position)
            axes[0].set_title(f"{view.name}{_label(cluster)}", color="white", fontsize=9, loc="left", parse_math=False)
    figure.supxlabel(f"{CONVENTION}\n{RESEARCH_USE}", color="0.75", fontsize=8)
    with atomic(output) as temporary:
        figure.savefig(temporary, dpi=130, format="png")


def _label(cluster: Cluster | None) -> str:
    if cluster is None:
        return ""
    region = cluster.region.split(":")[0]  # of several lobes or regions, the table has the names
    return f", cluster {cluster.rank}" + ("" if cluster.side == "unknown" else f": {cluster.side}, {region}")


class _View:
    """A scan with its axes reoriented to left, front and up."""

    def __init__(self, scan: Scan):
        self.name, self.from_t1 = scan.name, scan.from_t1
        self.image, self.sizes_mm = turned(scan.image)
        self.mask = turned(scan.mask)[0].astype(bool)
        turn = nib.orientations.ornt_transform(nib.io_orientation(scan.image.affine),
                                               nib.orientations.axcodes2ornt("LAS"))
        self.affine = scan.image.affine @ nib.orientations.inv_ornt_aff(turn, scan.image.shape)
        inside = self.image[self.image != 0]
        low, high = np.percentile(inside, (1, 99.5)) if inside.size else (0.0, 1.0)
        self.window = (float(low), float(max(high, low + 1e-6)))

    def at(self, t1_mm: np.ndarray) -> tuple[int, ...]:
        """Voxel at a point of the T1w's scanner coordinates, at the border if it is outside."""
        index = transform(np.linalg.inv(self.affine), self.from_t1.apply(t1_mm))
        return tuple(int(value) for value in np.rint(index).clip(0, np.array(self.image.shape) - 1))

    def middle(self) -> tuple[int, ...]:
        """Centre of the nonzero voxels."""
        there = np.argwhere(self.image[::4, ::4, ::4] != 0)
        return tuple(int(4 * value) for value in there.mean(axis=0)) if there.size else tuple(
            side // 2 for side in self.image.shape)

    def draw(self, ax, plane: tuple[str, int, int, str, str], position: tuple[int, ...]) -> None:
        """One slice with the outline of every cluster in it."""
        from matplotlib.collections import LineCollection

        _, across, up, _, _ = plane
        through = ({0, 1, 2} - {across, up}).pop()
        image, mask = (np.take(array, position[through], axis=through) for array in (self.image, self.mask))
        extent = (0, image.shape[0] * self.sizes_mm[across], 0, image.shape[1] * self.sizes_mm[up])
        ax.imshow(image.T, cmap="gray", vmin=self.window[0], vmax=self.window[1], extent=extent, origin="lower")
        ax.add_collection(LineCollection(list(outline(mask, self.sizes_mm[across], self.sizes_mm[up])),
                                         colors=[YELLOW], linewidths=1.1))
        ax.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[], aspect="equal", facecolor="black")
        write_letters(ax, plane)

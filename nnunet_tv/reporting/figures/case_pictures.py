"""One picture per case: the slice through the largest cluster in three planes, a row for each group."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from nnunet_tv.imaging.clusters import label_clusters
from nnunet_tv.imaging.drawing import CONVENTION, PLANES, draw_scan, outline, turned, write_letters
from nnunet_tv.imaging.volume import Volume, read_mask, read_volume
from nnunet_tv.postprocessing import ClusterFilter
from nnunet_tv.scoring.case_scoring import on_grid_of
from nnunet_tv.scoring.contrast import IMAGE_ENDINGS, find_image
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import atomic

GREEN, BLUE, YELLOW = (0.15, 0.85, 0.25), (0.25, 0.5, 1.0), (1.0, 0.9, 0.1)


@dataclass(frozen=True)
class Layer:
    """One row of a picture: the prediction of a group."""

    name: str
    raw: np.ndarray
    filtered: np.ndarray
    caption: str = ""


@dataclass(frozen=True)
class PictureJob:
    """Files and settings with which :func:`draw_files` draws a case."""

    case: str
    reference: Path
    runs: tuple[Run, ...]
    captions: tuple[str, ...]
    images: Path | None
    output: Path
    cluster_filter: ClusterFilter
    connectivity: int = 26


def draw_files(job: PictureJob) -> str:
    """Draw a case from its files; return a warning about the background image, or an empty string."""
    truth = read_mask(job.reference, case=job.case)
    background, warning = _background(job, truth)
    layers = []
    for run, caption in zip(job.runs, job.captions, strict=True):
        raw = _prediction(run.raw, job, truth)
        filtered = (job.cluster_filter.filter_volume(raw) if run.filtered is None
                    else _prediction(run.filtered, job, truth))
        layers.append(Layer(f"{run.group}, run {run.run}", raw.data, filtered.data, caption))
    draw_case(job.case, truth, layers, job.output, background=background, connectivity=job.connectivity)
    return warning


def draw_case(
    case: str, reference: Volume, layers: Sequence[Layer], output: str | Path, *,
    background: np.ndarray | None = None, connectivity: int = 26,
) -> None:
    """Draw one case as PNG: reference green, prediction blue, post-processed prediction outlined in yellow.

    All arrays are on the grid of the reference, whose affine determines which side is left; `background` is a scan.
    """

    def oriented(array: np.ndarray) -> np.ndarray:
        return turned(Volume(array, reference.affine))[0]

    truth, sizes_mm = turned(reference)
    truth = truth.astype(bool)
    masks = [(oriented(layer.raw).astype(bool), oriented(layer.filtered).astype(bool)) for layer in layers]
    position, place = slice_position(truth, [raw for raw, _ in masks], connectivity=connectivity)
    scan = None if background is None else oriented(background)

    figure = Figure(figsize=(9.6, 0.9 + 3.2 * len(layers)), facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{case}: slices through {place}", color="white", fontsize=12, parse_math=False)
    rows = figure.subplots(len(layers), 3, squeeze=False)
    for axes, layer, (raw, filtered) in zip(rows, layers, masks, strict=True):
        for ax, plane in zip(axes, PLANES, strict=True):
            _draw_plane(ax, plane, position, sizes_mm, scan, truth, raw, filtered)
        axes[0].set_title(layer.name, color="white", fontsize=9, loc="left", parse_math=False)
        axes[1].set_title(layer.caption, color="0.75", fontsize=8, loc="left", parse_math=False)
    handles = [Patch(color=GREEN, label="reference"), Patch(color=BLUE, label="prediction"),
               Patch(facecolor="none", edgecolor=YELLOW, label="after post-processing")]
    figure.legend(handles=handles, loc="outside lower left", ncols=3, frameon=False, labelcolor="white", fontsize=8)
    figure.text(0.99, 0.012, CONVENTION, color="0.75", fontsize=8, ha="right")
    with atomic(output) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


def slice_position(
    truth: np.ndarray, predictions: Sequence[np.ndarray], *, connectivity: int = 26
) -> tuple[tuple[int, ...], str]:
    """Return the index along each axis where the largest cluster has most voxels, and the name of that cluster."""
    predicted = [(mask, "the largest predicted cluster (empty reference)") for mask in predictions]
    for mask, place in [(truth, "the largest reference cluster"), *predicted]:
        if mask.any():
            labels, _ = label_clusters(mask, connectivity=connectivity)
            cluster = labels == np.bincount(labels[labels > 0]).argmax()
            return tuple(int(cluster.sum(axis=tuple({0, 1, 2} - {axis})).argmax()) for axis in range(3)), place
    return tuple(side // 2 for side in truth.shape), "the middle (no reference, no prediction)"


def _draw_plane(
    ax: Axes, plane: tuple[str, int, int, str, str], position: tuple[int, ...], sizes_mm: tuple[float, float, float],
    scan: np.ndarray | None, truth: np.ndarray, raw: np.ndarray, filtered: np.ndarray,
) -> None:
    _, across, up, _, _ = plane
    through = ({0, 1, 2} - {across, up}).pop()
    truth, raw, filtered = (np.take(mask, position[through], axis=through).T for mask in (truth, raw, filtered))
    height, width = truth.shape
    extent = (0, width * sizes_mm[across], 0, height * sizes_mm[up])
    draw_scan(ax, scan, through, position[through], extent)
    for mask, colour in ((truth, GREEN), (raw, BLUE)):
        ax.imshow(np.where(mask[..., None], (*colour, 0.4), 0.0), extent=extent, origin="lower",
                  interpolation="nearest")
    for mask, colour, line in ((truth, GREEN, 0.8), (raw, BLUE, 0.8), (filtered, YELLOW, 1.4)):
        ax.add_collection(LineCollection(list(outline(mask.T, sizes_mm[across], sizes_mm[up])),
                                         colors=[colour], linewidths=line))
    ax.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[], aspect="equal")
    write_letters(ax, plane)


def _prediction(folder: Path, job: PictureJob, truth: Volume) -> Volume:
    """A prediction on the grid of the reference; empty if it is missing, which scoring reported or refused."""
    path = folder / job.reference.name
    volume = on_grid_of(read_mask(path, case=job.case), truth) if path.exists() else Volume(
        np.zeros_like(truth.data), truth.affine)
    if volume is None:
        raise CaseError(job.case, "changed since it was scored: no longer on the reference's grid; run again", path)
    return volume


def _background(job: PictureJob, truth: Volume) -> tuple[np.ndarray | None, str]:
    if job.images is None:
        return None, ""
    path = find_image(job.images, job.case)
    try:
        if path is None:
            names = " or ".join(f"{job.case}{ending}" for ending in IMAGE_ENDINGS)
            raise CaseError(job.case, f"no image {names} in {job.images}")
        image = on_grid_of(read_volume(path, case=job.case), truth)
        if image is None:
            raise CaseError(job.case, f"{path} is not on the reference's grid")
    except CaseError as error:
        return None, f"{error}; drawn on a plain background"
    return image.data, ""

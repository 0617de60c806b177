"""One picture per case to check its preparation at a glance: alignment, brain mask, sides."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunet_tv.imaging.clusters import bounding_box
from nnunet_tv.imaging.drawing import CONVENTION, PLANES, outline, turned, write_letters
from nnunet_tv.imaging.resample import resample_image
from nnunet_tv.imaging.volume import Volume
from nnunet_tv.preparation.chain import PreparedCase
from nnunet_tv.registration.template import load_template
from nnunet_tv.utils.files import atomic

MASK, T1_EDGES, TEMPLATE_EDGES = (1.0, 0.85, 0.1), (1.0, 0.35, 0.3), (0.3, 0.9, 1.0)
LESION = (1.0, 0.3, 1.0)
#: Rows of a picture.
_BRAIN, _FIELDS, _SCANS, _TEMPLATE, _LESION = range(5)
#: Side of a checkerboard's field.
FIELD_MM = 24.0


def draw_prepared(prepared: PreparedCase, output: str | Path) -> None:
    """Draw :func:`draw_qc`'s picture of a prepared case with a T1w and a FLAIR."""
    record = prepared.record
    t1, flair = prepared.images.values() if prepared.brain is None else (
        resample_image(scan, record.grid, world=record.to_grid(name).inverse())
        for name, scan in prepared.scans.items())
    axes = ", ".join(f"{name} {grid.orientation}" for name, grid in record.sources.items())
    draw_qc(record.case, t1, flair, output, brain=prepared.brain,
            template=load_template().t1 if record.registration == "mni" else None,
            lesion=prepared.label if prepared.label.data.any() else None,
            lines=[f"axes of the scans as they came: {axes}; registration: {record.registration}",
                   *(f"! {flag}" for flag in record.flags)])


def draw_qc(case: str, t1: Volume, flair: Volume, output: str | Path, *, brain: Volume | None = None,
            template: Volume | None = None, lesion: Volume | None = None, lines: Sequence[str] = ()) -> None:
    """Draw the picture of a prepared case as PNG, atomically, with `lines` below the title.

    All volumes are on one grid, whose affine determines the sides; the scans are with the skull, which shows what the
    mask leaves out. The border of `brain` and the edges of `template` are drawn on the T1w, and the border of `lesion`
    on the FLAIR, in slices through its centre.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    inside = None if brain is None else turned(brain)[0].astype(bool)
    mask = None if lesion is None else turned(lesion)[0].astype(bool)
    images: dict[str, np.ndarray] = {}
    for name, volume in (("t1", t1), ("flair", flair), *((("template", template),) if template else ())):
        array, sizes_mm = turned(volume)
        images[name] = _scaled(array, None if name == "template" else inside)
    centre = _centre(images["t1"] > 0.05 if inside is None else inside)

    rows = {_BRAIN: "T1w" if inside is None else "T1w and the border of the brain mask",
            _FIELDS: "T1w and FLAIR, alternating", _SCANS: "FLAIR and edges of the T1w",
            **({_TEMPLATE: "T1w and edges of the template"} if template else {}),
            **({} if mask is None else {_LESION: "FLAIR and the border of the lesion mask, through its centre"})}
    figure = Figure(figsize=(9.6, 0.9 + 0.2 * len(lines) + 2.9 * len(rows)), facecolor="black", layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("\n".join([case, *(_cut(line) for line in lines)]), color="white", fontsize=9, parse_math=False)
    for axes, (row, title) in zip(figure.subplots(len(rows), 3), rows.items(), strict=True):
        axes[0].set_title(title, color="white", fontsize=9, loc="left", parse_math=False)
        outlined, through = (mask, _middle(mask)) if row == _LESION and mask is not None else (inside, centre)
        for ax, plane in zip(axes, PLANES, strict=True):
            axis = ({0, 1, 2} - set(plane[1:3])).pop()
            cuts = {name: np.take(array, through[axis], axis=axis) for name, array in images.items()}
            across_mm, up_mm = sizes_mm[plane[1]], sizes_mm[plane[2]]
            border = None if outlined is None else np.take(outlined, through[axis], axis=axis)
            _draw(ax, row, cuts, border, (across_mm, up_mm))
            write_letters(ax, plane, ends=True)
    figure.supxlabel(f"{CONVENTION} For research use only.", color="0.75", fontsize=8)
    with atomic(output) as temporary:
        figure.savefig(temporary, dpi=100, format="png")


def _draw(ax, row: int, cuts: dict[str, np.ndarray], border: np.ndarray | None, size_mm: tuple[float, float]) -> None:
    from matplotlib.collections import LineCollection

    t1, flair = cuts["t1"], cuts["flair"]
    shown = (t1, np.where(checkerboard(t1.shape, size_mm), t1, flair), flair, t1, flair)[row]
    extent = (0, t1.shape[0] * size_mm[0], 0, t1.shape[1] * size_mm[1])
    ax.imshow(shown.T, cmap="gray", vmin=0, vmax=1, extent=extent, origin="lower")
    if row in (_BRAIN, _LESION) and border is not None:
        colour = MASK if row == _BRAIN else LESION
        ax.add_collection(LineCollection(list(outline(border, *size_mm)), colors=[colour], linewidths=0.9))
    if row in (_SCANS, _TEMPLATE):
        picture, colour = (t1, T1_EDGES) if row == _SCANS else (cuts["template"], TEMPLATE_EDGES)
        # all of the template, also where the scan has no brain
        within = border if row == _SCANS else cuts["template"] > 0
        layer = np.zeros((*picture.shape[::-1], 4))
        layer[edges(picture, size_mm, within).T] = (*colour, 0.6)
        ax.imshow(layer, extent=extent, origin="lower", interpolation="nearest")
    ax.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[], aspect="equal", facecolor="black")


def checkerboard(shape: tuple[int, int], size_mm: tuple[float, float], *, field_mm: float = FIELD_MM) -> np.ndarray:
    """True on every other square field, shape `shape`."""
    first, second = (np.arange(count) * size // field_mm for count, size in zip(shape, size_mm, strict=True))
    return (first[:, None] + second[None, :]) % 2 == 0


def edges(picture: np.ndarray, size_mm: tuple[float, float], within: np.ndarray | None = None) -> np.ndarray:
    """Strongest gradients of a 2D picture smoothed by 1.5 mm: a tenth of it, or a fifth of the pixels `within`."""
    from scipy import ndimage

    magnitude = ndimage.gaussian_gradient_magnitude(picture, [1.5 / size for size in size_mm])
    percentile = 90 if within is None else 80
    within = np.ones(picture.shape, bool) if within is None else within
    if not within.any():
        return within
    return within & (magnitude > max(float(np.percentile(magnitude[within], percentile)), 1e-4))


def _scaled(array: np.ndarray, inside: np.ndarray | None) -> np.ndarray:
    """Values scaled to 0 to 1 by percentiles of the brain, else of all but the background; a flat image is all 0."""
    chosen = array > array.min()
    if inside is not None and (chosen & inside).any():  # fat is up to three times as bright as white matter
        chosen &= inside
    values = array[chosen]
    if not values.size:
        return np.zeros(array.shape, np.float32)
    low, high = min(float(array.min()), 0.0), float(np.percentile(values, 99.5))
    return np.clip((array - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def _centre(mask: np.ndarray) -> tuple[int, int, int]:
    """A voxel in the middle of `mask`, a little off the midline; the middle of the array where it is empty."""
    shares = zip(bounding_box(mask), (0.4, 0.5, 0.6), strict=True)
    x, y, z = (side // 2 for side in mask.shape) if not mask.any() else (
        int(side.start + share * (side.stop - 1 - side.start)) for side, share in shares)
    return x, y, z


def _middle(mask: np.ndarray) -> tuple[int, int, int]:
    """The voxel of `mask` that is nearest to the middle of its voxels."""
    voxels = np.argwhere(mask)
    x, y, z = voxels[np.linalg.norm(voxels - voxels.mean(axis=0), axis=1).argmin()].tolist()
    return x, y, z


def _cut(line: str, length: int = 130) -> str:
    line = " ".join(line.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"

"""Curves as figures: PNG for the page, SVG for a paper."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from nnunet_tv.reporting.figures.curves import Curve, SizeClass
from nnunet_tv.utils.files import atomic

#: The palette of Okabe and Ito, suited to colour-blind readers; line styles and markers differ as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def draw_froc(curves: Sequence[Curve], output: Path) -> list[Path]:
    """Draw detection against false clusters per subject, with bands and the segmentations' operating points."""

    def draw(ax: Axes) -> None:
        for number, curve in enumerate(curves):
            _draw_curve(ax, curve, number, step="post")
            for position, (name, x, y) in enumerate(curve.marks):
                ax.plot([x], [y], MARKERS[number % len(MARKERS)], color=colour(number), markersize=9,
                        markerfacecolor="none" if position else None, label=plain_label(name), zorder=5, clip_on=False)
        ax.set(xlabel="False clusters per subject", ylabel="Share of subjects with a lesion detected", ylim=(0, 1.02))
        most = max((x for curve in curves for x in (*curve.x, *(mark[1] for mark in curve.marks))), default=1)
        if most > 10:
            ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(left=0)

    return save_figure(draw, output)


def draw_precision_recall(curves: Sequence[Curve], output: Path) -> list[Path]:
    """Draw precision against recall of voxels, with bands."""

    def draw(ax: Axes) -> None:
        for number, curve in enumerate(curves):
            _draw_curve(ax, curve, number, step="pre")  # the steps that the area sums
        ax.set(xlabel="Recall (voxels)", ylabel="Precision (voxels)", xlim=(0, 1), ylim=(0, 1.02))

    return save_figure(draw, output)


def draw_size(classes: dict[str, list[SizeClass]], output: Path) -> list[Path]:
    """Draw the share detected by lesion size: for each class a point with its interval, and a line over its range."""

    def draw(ax: Axes) -> None:
        for number, (name, found) in enumerate(classes.items()):
            shift = 1.3 ** ((number + 0.5) / len(classes) - 0.5)  # side by side, and apart from the next class
            middles = [(one.low_mm3 * one.high_mm3) ** 0.5 * shift for one in found]
            low, share, high = np.array([(one.share.low, one.share.value, one.share.high) for one in found], float).T
            ax.errorbar(middles, share, yerr=np.nan_to_num([share - low, high - share]), color=colour(number),
                        fmt=MARKERS[number % len(MARKERS)], capsize=4, label=plain_label(name))
            for one, value in zip(found, share, strict=True):
                ax.plot([one.low_mm3, one.high_mm3], [value, value], color=colour(number), alpha=0.4)
        ax.set(xscale="log", xlabel="Volume of the reference (mm³)", ylabel="Share of subjects detected",
               ylim=(-0.02, 1.02))
        ax.xaxis.set_major_formatter(LogFormatter())  # 200, not 2×10²
        ax.xaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False))

    return save_figure(draw, output)


def _draw_curve(ax: Axes, curve: Curve, number: int, *, step: Literal["pre", "post"]) -> None:
    ax.plot(curve.x, curve.y, LINES[number % len(LINES)], color=colour(number), drawstyle=f"steps-{step}",
            label=plain_label(f"{curve.name} (n = {curve.n_lesion})"))
    ax.fill_between(curve.grid, curve.low, curve.high, color=colour(number), alpha=0.15, linewidth=0, step=step)


def save_figure(draw: Callable[[Axes], None], output: Path) -> list[Path]:
    """Draw a figure and write `output` as PNG and SVG: identical files for the same data."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    draw(ax)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    files = {output.with_suffix(".png"): {"Software": None}, output.with_suffix(".svg"): {"Date": None}}
    with matplotlib.rc_context({"svg.hashsalt": "nnunet-tv"}):
        for path, metadata in files.items():
            with atomic(path) as temporary:
                figure.savefig(temporary, dpi=130, format=path.suffix[1:], metadata=metadata)
    return [*files]


def colour(number: int) -> str:
    """Colour of a group, by its place."""
    return COLOURS[number % len(COLOURS)]


def plain_label(text: str) -> str:
    """Label without math text, and not hidden for a leading underscore."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text

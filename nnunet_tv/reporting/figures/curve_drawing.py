"""Curves as pictures: PNG for the page, SVG for a paper."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nnunet_tv.reporting.figures.curves import Curve, SizePart
from nnunet_tv.utils.files import atomic

#: Okabe and Ito's colours, which colour-blind readers tell apart; line styles repeat the distinction.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def draw_froc(curves: Sequence[Curve], output: Path) -> list[Path]:
    """Detection against false clusters per subject, with bands and the hard segmentations' points."""

    def draw(ax) -> None:
        for number, curve in enumerate(curves):
            _draw_line(ax, curve, number, drawstyle="steps-post", step="post")
            for position, (name, x, y) in enumerate(curve.marks):
                ax.plot([x], [y], MARKERS[number % len(MARKERS)], color=_colour(number), markersize=9,
                        markerfacecolor="none" if position else None, label=_plain(name), zorder=5, clip_on=False)
        ax.set(xlabel="False clusters per subject", ylabel="Share of subjects with a lesion detected", ylim=(0, 1.02))
        most = max((x for curve in curves for x in (*curve.x, *(mark[1] for mark in curve.marks))), default=1)
        if most > 10:
            ax.set_xscale("symlog", linthresh=1)
        ax.set_xlim(left=0)

    return _save(draw, output)


def draw_precision_recall(curves: Sequence[Curve], output: Path) -> list[Path]:
    """Precision against recall of voxels, with bands."""

    def draw(ax) -> None:
        for number, curve in enumerate(curves):
            _draw_line(ax, curve, number, drawstyle="steps-pre", step="pre")  # as its area is counted
        ax.set(xlabel="Recall (voxels)", ylabel="Precision (voxels)", xlim=(0, 1), ylim=(0, 1.02))

    return _save(draw, output)


def draw_size(parts: dict[str, list[SizePart]], output: Path) -> list[Path]:
    """Detected share by lesion size: a point with its interval for each part, as wide as the part."""

    def draw(ax) -> None:
        for number, (name, found) in enumerate(parts.items()):
            middles = [(part.low_mm3 * part.high_mm3) ** 0.5 * 1.07 ** number for part in found]
            shares = [part.share for part in found]
            ax.errorbar(
                middles, [share.value for share in shares],
                yerr=[[share.value - _or(share.low, share.value) for share in shares],
                      [_or(share.high, share.value) - share.value for share in shares]],
                fmt=MARKERS[number % len(MARKERS)], color=_colour(number), capsize=4, label=_plain(name))
            for part in found:
                ax.plot([part.low_mm3, part.high_mm3], [part.share.value] * 2, color=_colour(number), alpha=0.4)
        ax.set(xscale="log", xlabel="Volume of the reference (mm³)", ylabel="Share of subjects detected",
               ylim=(-0.02, 1.02))

    return _save(draw, output)


def _draw_line(ax, curve: Curve, number: int, *, drawstyle: str, step: str) -> None:
    ax.plot(curve.x, curve.y, LINES[number % len(LINES)], color=_colour(number), drawstyle=drawstyle,
            label=_plain(f"{curve.name} (n = {curve.n_lesion})"))
    ax.fill_between(curve.grid, curve.low, curve.high, color=_colour(number), alpha=0.15, linewidth=0, step=step)


def _save(draw: Callable, output: Path) -> list[Path]:
    """Draw on a figure and write `output` as PNG and SVG: the same bytes for the same data."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    draw(ax)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    written = []
    with matplotlib.rc_context({"svg.hashsalt": "nnunet-tv"}):
        for ending, date in ((".png", {"Software": None}), (".svg", {"Date": None})):
            path = output.with_suffix(ending)
            with atomic(path) as temporary:
                figure.savefig(temporary, dpi=130, format=ending[1:], metadata=date)
            written.append(path)
    return written


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _plain(text: str) -> str:
    """A name as it is: no formula between dollar signs, and not left out for a leading underscore."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _or(bound: float | None, value: float) -> float:
    return value if bound is None else bound

"""ROC curves as figures."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from nnunet_tv.reporting.figures.curve_drawing import LINES, MARKERS, colour, plain_label, save_figure
from nnunet_tv.reporting.figures.roc import RocCurve


def draw_roc(curves: Sequence[RocCurve], output: Path) -> list[Path]:
    """Draw share of patients against share of controls, with the segmentations and their intervals."""

    def draw(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], ":", color="0.6", linewidth=1, label="no information")
        for number, curve in enumerate(curves):
            size = f"{curve.patients} patients, {curve.controls} controls"
            ax.plot(curve.x, curve.y, LINES[number % len(LINES)], color=colour(number),
                    label=plain_label(f"{curve.name} ({size})"))
            for position, (name, false, found) in enumerate(curve.marks):
                if false.value is None or found.value is None:
                    continue
                bars = [[[one.value - one.low], [one.high - one.value]]
                        if one.value is not None and one.low is not None and one.high is not None else None
                        for one in (false, found)]
                ax.errorbar([false.value], [found.value], xerr=bars[0], yerr=bars[1], color=colour(number),
                            fmt=MARKERS[number % len(MARKERS)], markersize=8, capsize=3, elinewidth=0.8,
                            markerfacecolor="none" if position else None, label=plain_label(name), zorder=5,
                            clip_on=False)
        ax.set(xlabel="Share of controls positive", ylabel="Share of patients positive", xlim=(-0.01, 1.01),
               ylim=(-0.01, 1.02))

    return save_figure(draw, output)

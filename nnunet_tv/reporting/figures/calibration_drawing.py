"""Reliability diagrams as figures."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from nnunet_tv.reporting.figures.calibration import Calibration
from nnunet_tv.reporting.figures.curve_drawing import LINES, MARKERS, _colour, _plain, _save


def draw_reliability(found: Sequence[Calibration], output: Path, *, probability: str, share: str) -> list[Path]:
    """Draw the share that is lesion against probability, bin by bin with intervals; the arguments name the axes."""

    def draw(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], ":", color="0.5", linewidth=1, label="calibrated")
        for number, one in enumerate(found):
            x, y = ([each.probability for each in one.bins], [each.share.value or 0.0 for each in one.bins])
            bars = [[max(0.0, value - low) for value, low in zip(y, (each.share.low or 0.0 for each in one.bins),
                                                                 strict=True)],
                    [max(0.0, (value if each.share.high is None else each.share.high) - value)
                     for value, each in zip(y, one.bins, strict=True)]]
            ax.errorbar(x, y, yerr=bars, color=_colour(number), linestyle=LINES[number % len(LINES)],
                        marker=MARKERS[number % len(MARKERS)], markersize=5, linewidth=1.2, elinewidth=0.8, capsize=2,
                        clip_on=False, label=_plain(f"{one.name} (n = {one.brier.n})"))
        ax.set(xlabel=probability, ylabel=share, xlim=(0, 1), ylim=(0, 1.02))

    return _save(draw, output)

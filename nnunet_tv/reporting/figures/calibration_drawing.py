"""Reliability diagrams as figures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from nnunet_tv.reporting.figures.calibration import Calibration
from nnunet_tv.reporting.figures.curve_drawing import LINES, MARKERS, colour, plain_label, save_figure

#: Distance between groups, in probability.
_STEP = 0.008


def draw_reliability(found: Sequence[Calibration], output: Path, *, labels: tuple[str, str]) -> list[Path]:
    """Draw the share that is lesion against probability, bin by bin with intervals; `labels` name the axes."""

    def draw(ax: Axes) -> None:
        ax.plot([0, 1], [0, 1], ":", color="0.5", linewidth=1, label="calibrated")
        for number, one in enumerate(found):
            low, share, high = np.array([(each.share.low, each.share.value, each.share.high) for each in one.bins],
                                        float).reshape(-1, 3).T
            aside = _STEP * (number - (len(found) - 1) / 2)  # so that the bars of the groups are side by side
            bars = np.nan_to_num([share - low, high - share]).clip(min=0)
            ax.errorbar([each.probability + aside for each in one.bins], share, yerr=bars, color=colour(number),
                        linestyle=LINES[number % len(LINES)], marker=MARKERS[number % len(MARKERS)], markersize=5,
                        linewidth=1.2, elinewidth=0.8, capsize=2, clip_on=False,
                        label=plain_label(f"{one.name} (n = {one.brier.n})"))
        ax.set(xlabel=labels[0], ylabel=labels[1], xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))

    return save_figure(draw, output)

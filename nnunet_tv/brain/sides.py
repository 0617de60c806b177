"""On which side of the patient points of the template's space are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEFT, RIGHT, MIDLINE, BOTH = "left", "right", "midline", "both sides"
#: Least share on one side of the template's middle plane that makes points left or right.
ONE_SIDED = 0.75
#: Points on both sides are at the midline if nine tenths of them are within this distance of it, in mm.
NEAR_MIDLINE_MM = 20.0


def side_of(points_mm: np.ndarray) -> str:
    """Side of the patient on which template points are, shape (n, 3) in mm, RAS+."""
    left = float((points_mm[:, 0] < 0).mean())
    if left >= ONE_SIDED:
        return LEFT
    if left <= 1 - ONE_SIDED:
        return RIGHT
    import numpy as np  # not above: nnunet-tv-convert takes the words for the sides from here, and starts without it

    return MIDLINE if np.quantile(np.abs(points_mm[:, 0]), 0.9) <= NEAR_MIDLINE_MM else BOTH

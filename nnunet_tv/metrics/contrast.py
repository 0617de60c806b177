"""Contrast of a lesion on a scan."""

import numpy as np
from scipy.ndimage import distance_transform_edt

from nnunet_tv.imaging.clusters import bounding_box

#: Width of the border around a lesion that it is compared with.
BORDER_MM = 5.0


def lesion_contrast(scan: np.ndarray, lesion: np.ndarray, spacing_mm: tuple[float, ...]) -> float | None:
    """Mean of the lesion minus mean of the 5 mm around it, over the standard deviation of the brain.

    None without a lesion, without brain around it, or on a scan of one value. `scan`, shape (X, Y, Z), is 0 outside
    of the brain; `lesion` is its mask, bool.
    """
    if not lesion.any():
        return None
    brain = scan != 0
    box = tuple(slice(max(0, side.start - reach), side.stop + reach) for side, reach in
                zip(bounding_box(lesion), (int(BORDER_MM / size) + 1 for size in spacing_mm), strict=True))
    away = distance_transform_edt(~lesion[box], sampling=spacing_mm)
    border = (away > 0) & (away <= BORDER_MM) & brain[box]
    spread = float(scan[brain].std()) if brain.any() else 0.0
    if not border.any() or not spread:
        return None
    return float((scan[lesion].mean() - scan[box][border].mean()) / spread)

"""Contrast of a lesion on a scan."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

from nnunet_tv.imaging.clusters import bounding_box

#: Width of the border around a lesion that it is compared with.
BORDER_MM = 5.0


def lesion_contrast(scan: np.ndarray, lesion: np.ndarray, spacing_mm: tuple[float, ...]) -> float | None:
    """Mean of the lesion minus mean of the 5 mm around it, over the standard deviation of the brain.

    Parameters
    ----------
    scan, lesion : ndarray, shape (X, Y, Z)
        Scan, 0 outside of the brain; mask of the lesion, bool.
    spacing_mm : tuple of 3 floats
        Voxel size.

    Returns
    -------
    float or None
        None without a lesion, without brain around it, or on a scan of one value.
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

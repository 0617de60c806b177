"""Small masks for the tests of measures."""

import numpy as np

ISOTROPIC = (1.0, 1.0, 1.0)


def mask(*boxes, shape=(12, 12, 12)):
    """Boxes ((x0, x1), (y0, y1), (z0, z1)) of ones."""
    result = np.zeros(shape, np.uint8)
    for box in boxes:
        result[tuple(slice(*side) for side in box)] = 1
    return result


def voxels(*places, shape=(12, 12, 12)):
    """Single voxels of one."""
    return mask(*(tuple((index, index + 1) for index in place) for place in places), shape=shape)

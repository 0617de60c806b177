"""Checks of loss settings."""

import math


def check_weight(name: str, value: float) -> float:
    """`value`; ValueError unless it is a finite number of at least 0.

    >>> check_weight("tv_weight", 0.1)
    0.1
    """
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number >= 0, found {value}")
    return value


def check_positive(name: str, value: float, why: str) -> float:
    """`value`; ValueError unless it is a finite number above 0, with the reason `why`.

    >>> check_positive("alpha", 2.0, "an exponent")
    2.0
    """
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number > 0 ({why}), found {value}")
    return value

"""Checks of loss settings."""

from __future__ import annotations

import math


def check_weight(name: str, value: float) -> float:
    """`value` if it can weight a loss term.

    >>> check_weight("tv_weight", 0.1)
    0.1

    Raises
    ------
    ValueError
        Negative, infinite or NaN.
    """
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be a finite number >= 0, found {value}")
    return value


def check_positive(name: str, value: float, why: str) -> float:
    """`value` if it is a finite number above 0; `why` ends the message.

    >>> check_positive("alpha", 2.0, "an exponent")
    2.0

    Raises
    ------
    ValueError
        Zero, negative, infinite or NaN.
    """
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be a finite number > 0 ({why}), found {value}")
    return value

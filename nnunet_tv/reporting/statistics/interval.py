"""An estimate with its interval, and the level of all intervals."""

from dataclasses import dataclass

#: Confidence level of every interval, all of which are two-sided.
LEVEL = 0.95
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
#: Relative tolerance for ties: sums in another order differ by rounding.
TIE = 1e-9


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval."""

    value: float | None  #: None if undefined
    low: float | None  #: None, as `high`, if there is no interval
    high: float | None
    n: int  #: number of subjects
    method: str

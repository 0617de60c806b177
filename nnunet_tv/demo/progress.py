"""Progress of a command, with the time left, from the lines that it prints."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

#: Seconds between two lines of progress, which stay readable in a terminal and in a log.
EVERY_S = 10.0


@dataclass(frozen=True)
class Counted:
    """How the output of a command shows what it has done.

    A line that matches `begins` is the beginning of a unit; its first group, if there is one, is the unit's number from
    0 (a continued training does not begin with 0).
    """

    unit: str  #: what is counted, such as ``epoch``
    total: int
    begins: str  #: regular expression
    detail: str | None = None  #: regular expression whose first group is shown with the progress: its latest match


class Progress:
    """Lines of progress of one command; `clock` gives seconds."""

    def __init__(self, counted: Counted, *, clock: Callable[[], float] = time.monotonic):
        self.counted, self.clock = counted, clock
        self.begun = 0  # units, the one that runs included
        self.detail = ""
        self._first: tuple[int, float] | None = None  # unit and time of the first beginning in this run
        self._shown = -EVERY_S

    def read(self, line: str) -> str | None:
        """Take a line of the output; return what is to be shown, if anything."""
        if self.counted.detail is not None and (match := re.search(self.counted.detail, line)):
            self.detail = match[1]
        if (match := re.search(self.counted.begins, line)) is None:
            return None
        now = self.clock()
        self.begun = int(match[1]) + 1 if match.groups() else self.begun + 1
        self._first = self._first or (self.begun, now)
        if now - self._shown < EVERY_S and self.begun < self.counted.total:
            return None
        self._shown = now
        return f"{self.counted.unit} {self.begun} of {self.counted.total}{self._left(now)}" + (
            f"; {self.detail}" if self.detail else "")

    def _left(self, now: float) -> str:
        """Time left by the mean of the units that this run has finished; nothing before the first is."""
        assert self._first is not None
        first, since = self._first
        if self.begun == first:
            return ""
        return f", {duration((now - since) / (self.begun - first) * (self.counted.total - self.begun + 1))} left"


def duration(seconds: float) -> str:
    """Seconds for readers.

    Examples
    --------
    >>> duration(0.4), duration(59), duration(61), duration(200)
    ('under 5 s', '1 min', '1 min', '3 min')
    >>> duration(31)
    '30 s'
    """
    if seconds < 5:
        return "under 5 s"
    if seconds < 55:
        return f"{5 * round(seconds / 5)} s"
    return f"{round(seconds / 60)} min"

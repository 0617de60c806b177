"""Memory of large arrays on the CPU: kept by C's allocator, not given back to the system after every operation.

glibc maps every array of more than 32 MiB anew and unmaps it when it is freed, and the kernel clears each of its
pages again: four tenths of a training step's time on the CPU (docs/speed.md). Kept memory is used again instead. It
lies in pieces that not every array fits into, so the process grows by up to the half.
"""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

# Numbers of glibc's malloc.h, see mallopt(3).
_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1
#: With one of these the user has chosen how memory is handled.
CHOSEN_BY_USER = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
#: Room that keeping needs, in peaks so far of the process; 1.02 to 1.47 were measured.
GROWTH = 1.6
_SLOWER = "Freed memory is given back after every operation, which is slower:"


def cannot_keep() -> str | None:
    """Why this process cannot keep freed memory, whatever there is of it: a line for the log; None if it can."""
    if chosen := [name for name in CHOSEN_BY_USER if os.environ.get(name)]:
        return f"Freed memory is handled as {', '.join(chosen)} says."
    if platform.libc_ver()[0] != "glibc":  # macOS, Windows, Alpine
        return f"{_SLOWER} keeping it needs glibc."
    return None


def keep_freed_memory() -> str:
    """Have this process keep what its arrays free, for the arrays that come next, if there is room.

    To be called when the process has done once what it will go on doing: whether there is room is judged by its peak
    so far. Numbers stay as they are.

    Returns
    -------
    str
        What was decided and why, for the log.
    """
    if reason := cannot_keep():
        return reason
    try:
        peak, room = peak_bytes(), room_bytes()
    except (OSError, ValueError, KeyError) as error:
        return f"{_SLOWER} the size of memory cannot be read ({error})."
    if peak * GROWTH > room:
        return f"{_SLOWER} keeping it may need {peak * GROWTH / 1e9:.1f} GB, there are {room / 1e9:.1f}."
    mallopt = ctypes.CDLL(None).mallopt
    if not (mallopt(_M_TRIM_THRESHOLD, -1) and mallopt(_M_MMAP_MAX, 0)):
        return f"{_SLOWER} the allocator refused (mallopt)."
    return f"Freed memory is kept and used again: it may take {peak * GROWTH / 1e9:.1f} of {room / 1e9:.1f} GB."


def peak_bytes() -> int:
    """Largest size of this process so far (Linux)."""
    return _of_table(Path("/proc/self/status"), "VmHWM:")


def size_bytes(*, process: Path = Path("/proc/self")) -> int:
    """What a process holds now (Linux)."""
    return _of_table(process / "status", "VmRSS:")


def room_bytes(*, process: Path = Path("/proc/self"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """What this process may grow to in all: its own size and what is free on the machine and in its control groups.

    Control groups are how containers and cluster jobs are limited; all processes of one share its limit.
    """
    free = _of_table(Path("/proc/meminfo"), "MemAvailable:")
    for line in (process / "cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            where, names = groups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            where, names = groups / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        inner = where / path.strip("/")
        for folder in (inner, *inner.parents):
            free = min(free, _free_in_group(folder, *names))
            if folder == where:
                break
    return size_bytes(process=process) + free


def _free_in_group(folder: Path, limit: str, used: str, reclaimable: str) -> float:
    """Bytes below a control group's limit; infinite where it has none or cannot be seen from here."""
    if not (folder / limit).is_file() or (most := (folder / limit).read_text(encoding="ascii").strip()) == "max":
        return float("inf")
    held = int((folder / used).read_text(encoding="ascii")) - _of_table(folder / "memory.stat", reclaimable, unit=1)
    return max(0, int(most) - held)


def _of_table(path: Path, name: str, *, unit: int = 1024) -> int:
    """Bytes of a line such as ``VmHWM:   123 kB``."""
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] == [name]:
            return unit * int(words[1])
    raise KeyError(f"{path} has no line {name}")

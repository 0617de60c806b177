"""Memory of large arrays on the CPU: kept by C's allocator, not given back to the system after every operation.

glibc maps every array of more than 32 MiB anew and unmaps it when it is freed, and the kernel clears each of its
pages again: four tenths of a training step's time on the CPU (docs/speed.md). Kept memory is used again instead. It
lies in pieces that not every array fits into, so the process grows by up to the half.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
from pathlib import Path

log = logging.getLogger(__name__)
# Numbers of glibc's malloc.h, see mallopt(3).
_M_MMAP_MAX, _M_TRIM_THRESHOLD = -4, -1
#: With one of these the user has chosen how memory is handled.
CHOSEN_BY_USER = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")
#: Room that keeping needs, in peaks so far of the process; 1.27 to 1.47 were measured.
GROWTH = 1.6


def keep_freed_memory() -> bool:
    """Have this process keep what its arrays free, for the arrays that come next.

    To be called when the process has done once what it will go on doing: whether there is room is judged by its peak
    so far. Numbers stay as they are. Does nothing but say why in the log where there is no room, where C's library is
    not glibc (macOS, Windows, Alpine), or where the environment chooses otherwise (:data:`CHOSEN_BY_USER`).

    Returns
    -------
    bool
        Whether it does.
    """
    if chosen := [name for name in CHOSEN_BY_USER if os.environ.get(name)]:
        log.info("freed memory: handled as %s says", ", ".join(chosen))
        return False
    if platform.libc_ver()[0] != "glibc":
        log.info("freed memory: given back after every operation, since this is not glibc")
        return False
    try:
        peak, room = peak_bytes(), room_bytes()
    except (OSError, KeyError) as error:
        log.info("freed memory: given back after every operation (slower): the size of memory cannot be read (%s)",
                 error)
        return False
    if peak * GROWTH > room:
        log.info("freed memory: given back after every operation (slower): keeping it may need %.1f GB, there are %.1f",
                 peak * GROWTH / 1e9, room / 1e9)
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_MMAP_MAX, 0)) and bool(mallopt(_M_TRIM_THRESHOLD, -1))


def peak_bytes() -> int:
    """Largest size of this process so far (Linux)."""
    return _of_table(Path("/proc/self/status"), "VmHWM")


def room_bytes(*, groups: Path = Path("/sys/fs/cgroup")) -> int:
    """What this process may grow to in all: its own size and what is free, within a container's limit (Linux)."""
    room = _of_table(Path("/proc/self/status"), "VmRSS") + _of_table(Path("/proc/meminfo"), "MemAvailable")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # control groups of version 2, of version 1
        try:
            limit = (groups / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if limit != "max":
            room = min(room, int(limit))
    return room


def _of_table(path: Path, name: str) -> int:
    """Bytes of a line such as ``VmHWM:   123 kB``."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise KeyError(f"{path} has no line {name}")

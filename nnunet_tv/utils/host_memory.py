"""Reuse of freed memory on the CPU."""

import ctypes
import os
import platform

#: Environment variable; ``0`` leaves the allocator as it is.
VARIABLE = "NNUNET_TV_KEEP_MEMORY"
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # mallopt(3)


def keep_freed_memory() -> str:
    """Let glibc's allocator keep the memory of freed arrays for the next ones; return a line for the log.

    By default glibc maps every array of more than 32 MiB anew and the kernel clears its pages, which takes half of a
    training step on the CPU (docs/speed.md). The process grows by up to a half; numbers stay the same.
    """
    if os.environ.get(VARIABLE) == "0":
        return f"Freed memory is returned to the system ({VARIABLE}=0), which is slower."
    if platform.libc_ver()[0] != "glibc":  # macOS, Windows, Alpine
        return "Freed memory is returned to the system, which is slower: keeping it needs glibc."
    mallopt = ctypes.CDLL(None).mallopt
    if not (mallopt(_M_TRIM_THRESHOLD, -1) and mallopt(_M_MMAP_MAX, 0)):
        return "Freed memory is returned to the system, which is slower: mallopt failed."
    return f"Freed memory is kept and reused ({VARIABLE}=0 returns it, which needs less memory and is slower)."

"""Processes of this machine that work in a folder, for the tests that kill them."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path


def wait_for(found: Callable[[], object], seconds: float = 300.0) -> None:
    """Wait until `found` is true."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.1)


def processes_of(folder: Path, *words: str) -> list[int]:
    """Other processes with the folder's path in their command line or environment, and all words in the first."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line, environment = ((process / name).read_bytes().replace(b"\0", b" ").decode(errors="replace")
                                 for name in ("cmdline", "environ"))
        except OSError:
            continue
        if line and str(folder) in line + environment and all(word in line for word in words):
            found.append(int(process.name))
    return [number for number in found if number != os.getpid()]


def kill(folder: Path, *words: str) -> None:
    """Kill them, as a power cut does."""
    for number in processes_of(folder, *words):
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue

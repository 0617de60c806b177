"""Contestants in processes of their own, taking turns: how memory is handled, caches and peaks belong to a process."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

GIB = 2**30


@dataclass
class Turns:
    """What a contestant did.

    Attributes
    ----------
    seconds : list of float
        Of each round.
    peak_gib : float
        Largest memory of the calls that count: allocated on the GPU, else the size of the process.
    result : object
        What its last call returned.
    """

    seconds: list[float]
    peak_gib: float
    result: Any


def alternate_processes(
    makers: Mapping[str, Callable[[], Callable[[], Any]]], *, repeats: int, device: str = "cpu", calls: int = 1,
    warm: bool = False,
) -> dict[str, Turns]:
    """Let contestants take turns, each in its process; one that fails is named and left out.

    Parameters
    ----------
    makers : dict of str to callable
        Each can be pickled and gives, in its process, what is timed.
    repeats : int
        Rounds.
    device : str
        ``cuda``: waited for before and after each call.
    calls : int
        Calls that count in each turn; a round's time is their mean.
    warm : bool
        What is timed has been done once by its maker. Otherwise the first call of all and that of each turn are not
        counted, and after a turn unused memory is given back, so that all fit.
    """
    context = multiprocessing.get_context("spawn")
    workers: dict[str, tuple[Any, Connection]] = {}
    seconds: dict[str, list[float]] = {}
    turns: dict[str, Turns] = {}
    try:
        for name, make in makers.items():
            here, there = context.Pipe()
            process = context.Process(target=_work, args=(make, device, calls, warm, there))
            process.start()
            there.close()
            workers[name] = process, here
            if _answer(name, here) is not None:
                seconds[name] = []
        for _ in range(repeats):
            for name in list(seconds):
                workers[name][1].send("turn")
                if (taken := _answer(name, workers[name][1])) is None:
                    del seconds[name]
                else:
                    seconds[name].append(taken)
        for name, times in seconds.items():
            workers[name][1].send("end")
            if (last := _answer(name, workers[name][1])) is not None:
                turns[name] = Turns(times, *last)
    finally:
        for process, connection in workers.values():
            connection.close()
            process.join(5)
            process.terminate()
    return turns


def _answer(name: str, connection: Connection) -> Any:
    """What a worker sent; None, after a line that says so, if it failed."""
    try:
        good, content = connection.recv()
    except EOFError:  # killed, for memory say
        good, content = False, "its process ended"
    if good:
        return content
    print(f"left out: {name} ({content})", flush=True)
    return None


def _work(make: Callable[[], Callable[[], Any]], device: str, calls: int, warm: bool,
          connection: Connection) -> None:
    """A contestant's process."""
    try:
        call = make()
        if not warm:
            call()
        memory = _Memory(device)
        memory.start()
        connection.send((True, "ready"))
        result = None
        while connection.recv() == "turn":
            if not warm:
                call()
                memory.wait()
            start = time.perf_counter()
            for _ in range(calls):
                result = call()
            memory.wait()
            taken = (time.perf_counter() - start) / calls
            if not warm:
                memory.release()
            connection.send((True, taken))
        if hasattr(result, "numpy"):  # a tensor would be shared with a process that ends
            result = result.cpu().numpy()
        connection.send((True, (memory.peak() / GIB, result)))
    except Exception as error:  # whatever it is, the others go on
        connection.send((False, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"))


def start_peak() -> None:
    """Have this process's peak, :func:`peak_bytes`, count from here: see proc(5)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_bytes() -> int:
    """Largest size of this process so far (Linux)."""
    return _status("VmHWM")


def size_bytes() -> int:
    """Size of this process now (Linux)."""
    return _status("VmRSS")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


class _Memory:
    """The device's memory, or the process's."""

    def __init__(self, device: str):
        self.cuda = None
        if device == "cuda":
            import torch

            self.cuda = torch.cuda

    def start(self) -> None:
        """The peak counts from here."""
        self.wait()
        if self.cuda:
            self.cuda.reset_peak_memory_stats()
        else:
            start_peak()

    def peak(self) -> int:
        """Bytes."""
        if self.cuda:
            return self.cuda.max_memory_allocated()
        return peak_bytes()

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.cuda:
            self.cuda.synchronize()

    def release(self) -> None:
        """Leave the memory to the others."""
        gc.collect()
        if self.cuda:
            self.cuda.empty_cache()
        elif platform.libc_ver()[0] == "glibc":
            ctypes.CDLL(None).malloc_trim(0)

"""Contestants in processes of their own that take turns, and commands measured in theirs (Linux).

How memory is handled, caches and peaks belong to a process.
"""

import ctypes
import gc
import json
import multiprocessing
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

GIB = 2**30


@dataclass
class Turns:
    """Seconds of each round, peak memory (allocated on the GPU, else of the process), and the last call's result."""

    seconds: list[float]
    peak_gib: float
    result: Any


def status_bytes(name: str) -> int:
    """A size of this process: ``VmRSS``, or ``VmHWM``, the largest since :func:`start_peak`."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def start_peak() -> None:
    """Reset this process's peak to its present size; see proc(5)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def measured(module: str, *arguments: object) -> dict[str, float]:
    """Run ``module.main(arguments)`` in a new process.

    Returns
    -------
    dict
        ``seconds``, ``cpu_seconds`` of the main process, ``main_gib`` and ``worker_gib`` (peaks of the main process
        and of the largest process below it).
    """
    code = ("import json, resource, sys, time\nfrom importlib import import_module\n"
            "from processes import status_bytes\nstart = time.perf_counter()\n"
            "status = import_module(sys.argv[1]).main(sys.argv[2:])\n"
            "used, below = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))\n"
            "print(json.dumps([status, time.perf_counter() - start, used.ru_utime + used.ru_stime,\n"
            "                  status_bytes('VmHWM') / 2**30, below.ru_maxrss / 2**20]), file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code, module, *map(str, arguments)], capture_output=True, text=True,
                          check=True, cwd=Path(__file__).parent)
    status, *values = json.loads(done.stderr.splitlines()[-1])
    if status:
        raise SystemExit(f"{module} ended with exit status {status}: {done.stderr[-500:]}")
    return dict(zip(("seconds", "cpu_seconds", "main_gib", "worker_gib"), values, strict=True))


def alternate_processes(
    makers: Mapping[str, Callable[[], Callable[[], Any]]], *, repeats: int, device: str = "cpu", calls: int = 1,
    warm: bool = False,
) -> dict[str, Turns]:
    """Let contestants take turns, each in its process; one that fails is reported and left out.

    Parameters
    ----------
    makers : dict of str to callable
        Each can be pickled and returns, in its process, the function to time.
    repeats : int
        Rounds.
    device : str
        On ``cuda`` a call ends with a synchronisation.
    calls : int
        Timed calls in each turn; a round's time is their mean.
    warm : bool
        The maker has warmed its function up. Otherwise the first call of all and that of each turn are not timed, and
        unused memory is given back after a turn, so that all contestants fit.
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
            if _receive(name, here) is not None:
                seconds[name] = []
        for _ in range(repeats):
            for name in list(seconds):
                workers[name][1].send("turn")
                if (taken := _receive(name, workers[name][1])) is None:
                    del seconds[name]
                else:
                    seconds[name].append(taken)
        for name, times in seconds.items():
            workers[name][1].send("end")
            if (last := _receive(name, workers[name][1])) is not None:
                turns[name] = Turns(times, *last)
    finally:
        for process, connection in workers.values():
            connection.close()
            process.join(5)
            process.terminate()
    return turns


def _receive(name: str, connection: Connection) -> Any:
    """Content of a worker's message; None, after a printed line, if the worker failed."""
    try:
        good, content = connection.recv()
    except EOFError:  # killed, perhaps for memory
        good, content = False, "its process ended"
    if good:
        return content
    print(f"left out: {name} ({content})", flush=True)
    return None


def _work(make: Callable[[], Callable[[], Any]], device: str, calls: int, warm: bool,
          connection: Connection) -> None:
    """Body of a contestant's process."""
    try:
        call = make()
        if not warm:
            call()
        cuda = None
        if device == "cuda":
            from torch import cuda
        wait = cuda.synchronize if cuda else lambda: None
        wait()
        (cuda.reset_peak_memory_stats if cuda else start_peak)()
        connection.send((True, "ready"))
        result = None
        while connection.recv() == "turn":
            if not warm:
                call()
                wait()
            start = time.perf_counter()
            for _ in range(calls):
                result = call()
            wait()
            taken = (time.perf_counter() - start) / calls
            if not warm:
                gc.collect()
                if cuda:
                    cuda.empty_cache()
                elif platform.libc_ver()[0] == "glibc":
                    ctypes.CDLL(None).malloc_trim(0)
            connection.send((True, taken))
        if hasattr(result, "numpy"):  # a tensor would be shared with a process that ends
            result = result.cpu().numpy()
        peak = cuda.max_memory_allocated() if cuda else status_bytes("VmHWM")
        connection.send((True, (peak / GIB, result)))
    except Exception as error:  # whatever it is, the others go on
        connection.send((False, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"))

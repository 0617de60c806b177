"""The same work for many cases, in order, with a progress bar; an error of one case does not stop the others."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from typing import TypeVar

from tqdm import tqdm

from nnunet_tv.utils.errors import CaseError, NnunetTVError

Item = TypeVar("Item")
Result = TypeVar("Result")
#: In a worker: whether Ctrl-C was pressed.
_INTERRUPTED = threading.Event()


def each_case(
    function: Callable[[Item], Result], items: Sequence[Item], *, processes: int = 1, label: str = ""
) -> list[Result | CaseError]:
    """Results of `function` for all `items`, in their order.

    Parameters
    ----------
    function : callable
        Its result, or the :class:`CaseError` that it raises, is returned; it is pickled when `processes` > 1.
    items : sequence
        One per case.
    processes : int
        Worker processes, started by "spawn", which is safe where the parent uses a GPU; 1 works in this process.
    label : str
        Text of the progress bar, which is shown on terminals only.

    Raises
    ------
    NnunetTVError
        A worker process died, most often for lack of memory.
    """
    if processes < 1:
        raise ValueError(f"expected at least one process, found {processes}")
    processes = min(processes, len(items))
    bar = {"total": len(items), "desc": label, "disable": None, "leave": False}
    if processes <= 1:
        return [_outcome(function, item) for item in tqdm(items, **bar)]
    pool = ProcessPoolExecutor(processes, mp_context=get_context("spawn"), initializer=_start_worker)
    try:
        # workers start with Ctrl-C blocked, until their handler is installed; here it is delivered right after
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            futures = [pool.submit(_at_work, function, item) for item in items]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return [future.result() for future in tqdm(futures, **bar)]
    except BrokenProcessPool as error:
        raise NnunetTVError(
            f"{label or 'work'}: a worker process died, most often for lack of memory; use fewer than "
            f"{processes} (-np)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _at_work(function: Callable[[Item], Result], item: Item) -> Result | CaseError:
    """In a worker: the outcome. Ctrl-C is unblocked here only.

    While a result is sent, an interrupt would keep the lock of the queue, and all workers would wait for ever.
    """
    if _INTERRUPTED.is_set():
        raise SystemExit(1)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return _outcome(function, item)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _outcome(function: Callable[[Item], Result], item: Item) -> Result | CaseError:
    try:
        return function(item)
    except CaseError as error:
        return error


def _start_worker() -> None:
    """In a worker: stop at Ctrl-C, and as soon as the parent is gone, even if it was killed."""
    signal.signal(signal.SIGINT, _interrupted)  # blocked since the start, also in the thread below
    parent = parent_process()
    assert parent is not None  # this is a worker

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _interrupted(*_) -> None:
    """Unwind, so that temporary files are removed, without a traceback of every worker."""
    _INTERRUPTED.set()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    raise SystemExit(1)

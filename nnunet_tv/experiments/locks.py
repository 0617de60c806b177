"""Locks that end with the processes that hold them, so that a killed job frees its training and its GPU.

The kernel drops a lock (``flock``) when the last process that has the file open is gone. Commands inherit the file, so
a training whose parent was killed keeps its locks until it ends.
"""

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Seconds between two attempts at a lock that another process holds.
_PAUSE_S = 1.0
#: Folder of the GPUs' locks; by default one in the machine's folder of temporary files, for all users and studies.
GPU_LOCKS = "NNUNET_TV_GPU_LOCKS"


def try_lock(path: Path, holder: str) -> int | None:
    """File descriptor of the locked file, with `holder` written into it; None if another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, holder.encode(), 0)
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@contextmanager
def locked(path: Path, holder: str, *, notice: Callable[[str], None]) -> Iterator[int]:
    """Hold a lock, after waiting for it; `notice` is given the present holder once."""
    descriptor = try_lock(path, holder)
    if descriptor is None:
        notice(path.read_text(encoding="utf-8", errors="replace"))
    while descriptor is None:
        time.sleep(_PAUSE_S)
        descriptor = try_lock(path, holder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def free_gpu(devices: Sequence[str], holder: str, *, notice: Callable[[str], None]) -> Iterator[tuple[str, int]]:
    """Hold one of the GPUs (as ``CUDA_VISIBLE_DEVICES`` names them), after waiting until one is free."""
    folder = _gpu_folder()
    paths = {device: folder / f"gpu-{''.join(c if c.isalnum() else '-' for c in device)}.lock" for device in devices}
    waited = False
    while True:
        for device, path in paths.items():
            if (descriptor := try_lock(path, holder)) is not None:
                _share(path)
                try:
                    yield device, descriptor
                finally:
                    os.close(descriptor)
                return
        if not waited:
            notice(f"all of the GPUs {', '.join(devices)}")
            waited = True
        time.sleep(_PAUSE_S)


def _gpu_folder() -> Path:
    folder = Path(os.environ.get(GPU_LOCKS) or Path(tempfile.gettempdir(), "nnunet-tv-gpus"))
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o1777)
    return folder


def _share(path: Path) -> None:
    """Let other users lock the file, too."""
    if path.stat().st_uid == os.getuid():
        path.chmod(0o666)

"""Files that are whole or not there: write to a temporary name, then move into place."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TEMPORARY_PREFIX = ".partial-"


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it to `path` on success, delete it on any error.

    The temporary name keeps the ending (``.nii.gz``), which libraries use to choose a format.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial(folder: str | Path) -> None:
    """Delete what killed processes left in `folder` (temporary files only, not in subfolders)."""
    for left in Path(folder).glob(f"{TEMPORARY_PREFIX}*"):
        if abandoned(left):
            left.unlink(missing_ok=True)


def abandoned(temporary: Path) -> bool:
    """Whether nobody else is still writing to a temporary path: its process is gone, or is this one."""
    process = temporary.name.removeprefix(TEMPORARY_PREFIX).partition("-")[0]
    if not process.isdecimal() or int(process) == os.getpid():
        return True
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # somebody else's, and running
        return False
    return False


def write_text(text: str, path: str | Path) -> None:
    """Write `text` (UTF-8) to `path` atomically; bytes of file names that are no UTF-8 are written as ``\\udcfc``."""
    with atomic(path) as temporary:
        temporary.write_text(_writable(text), encoding="utf-8")


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_if_changed(text: str, path: str | Path) -> None:
    """:func:`write_text`, unless the file already says so: a run that changes nothing touches nothing."""
    path = Path(path)
    if not path.is_file() or path.read_text(encoding="utf-8") != _writable(text):
        write_text(text, path)


def write_json(content: Any, path: str | Path, *, indent: int = 2) -> None:
    """Write `content` as JSON to `path` atomically; NaN is refused, write None."""
    write_text(json.dumps(content, indent=indent, allow_nan=False) + "\n", path)


def read_json(path: str | Path) -> Any:
    """Content of a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

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
        process = left.name.removeprefix(TEMPORARY_PREFIX).split("-")[0]
        if not (process.isdecimal() and int(process) != os.getpid() and Path("/proc", process).exists()):
            left.unlink(missing_ok=True)


def write_text(text: str, path: str | Path) -> None:
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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

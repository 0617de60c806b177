"""Atomic files: written to a temporary name, then moved into place."""

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
    """Yield a temporary path with the same ending beside `path`; move it to `path` on success, else delete it."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial(folder: str | Path) -> None:
    """Delete temporary files of killed processes in `folder` (not in subfolders)."""
    for left in Path(folder).glob(f"{TEMPORARY_PREFIX}*"):
        if abandoned(left):
            left.unlink(missing_ok=True)


def abandoned(temporary: Path) -> bool:
    """Whether the process that writes a temporary file is gone, or is this one."""
    process = temporary.name.removeprefix(TEMPORARY_PREFIX).partition("-")[0]
    try:
        if process.isdecimal() and int(process) != os.getpid():
            os.kill(int(process), 0)
            return False
    except PermissionError:  # another user's, and running
        return False
    except (ProcessLookupError, OverflowError):
        pass
    return True


def write_text(text: str, path: str | Path) -> None:
    """Write `text` to `path` as UTF-8; bytes of file names that are not UTF-8 are written as ``\\udcfc``."""
    with atomic(path) as temporary:
        temporary.write_text(_writable(text), encoding="utf-8")


def _writable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def write_if_changed(text: str, path: str | Path) -> None:
    """Write `text` as :func:`write_text` unless the file has this content, so that its time stamp stays."""
    path = Path(path)
    if not path.is_file() or path.read_bytes() != _writable(text).encode():
        write_text(text, path)


def json_text(content: Any) -> str:
    """Indented JSON; NaN is an error, use None."""
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def write_json(content: Any, path: str | Path) -> None:
    """Write `content` to `path` as :func:`json_text`."""
    write_text(json_text(content), path)


def write_json_rows(content: dict[str, Any], path: str | Path) -> None:
    """Write an object as JSON with one line for each element of its lists: half the size of :func:`write_json`."""
    parts = []
    for name, value in content.items():
        text = json.dumps(value, indent=2, allow_nan=False)
        if isinstance(value, list) and value:
            text = "[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in value) + "\n]"
        parts.append(f"{json.dumps(name)}: {text}")
    write_text("{\n" + ",\n".join(parts) + "\n}\n", path)


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

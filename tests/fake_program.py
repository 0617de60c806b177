"""Stand-ins for installed programs."""

import stat
import sys
from pathlib import Path

_PYTHON = sys.executable  # tests may replace it


def fake_program(folder: Path, name: str, body: str) -> Path:
    """An executable ``folder/bin/NAME`` that runs the Python code `body`."""
    path = folder / "bin" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    code = path.with_suffix(".py")
    code.write_text(body)
    path.write_text(f"#!/bin/sh\nexec '{_PYTHON}' '{code}' \"$@\"\n")  # a path with spaces fits no shebang
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path

"""External programs: where they are installed, and their error messages."""

import os
import shutil
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from subprocess import CompletedProcess

from nnunet_tv.utils.errors import NnunetTVError


def find_program(program: str, home: str = "") -> str | None:
    """Path of an executable: in the ``bin`` of the folder named by the variable `home`, else on ``PATH``."""
    folder = os.environ.get(home) if home else None
    return (shutil.which(program, path=str(Path(folder) / "bin")) if folder else None) or shutil.which(program)


def find_script(name: str) -> Path:
    """Path of the console script `name` beside the interpreter, else on the PATH."""
    folders = (str(Path(sys.executable).parent), sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath))
    found = shutil.which(name, path=os.pathsep.join(folders))
    if found is None:
        raise NnunetTVError(f"{name}: no such command beside {sys.executable} or on the PATH: install this package "
                            "in its environment (pip install .)")
    return Path(found)


def package_version(name: str) -> str:
    """Version of an installed package, or ``unknown``."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def error_text(done: CompletedProcess[str]) -> str:
    """Last 300 characters of a failed program's output on one line, or its exit status."""
    return " ".join((done.stderr or done.stdout).split())[-300:] or f"exit status {done.returncode}"

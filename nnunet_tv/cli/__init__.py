"""The commands: each file has a parser and ``main(argv=None) -> int``, which calls one function of the library."""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from nnunet_tv import __version__
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.numbers import counted

if TYPE_CHECKING:
    from nnunet_tv.inference.trained_on import TrainedOn


def parser(command: str, description: str) -> argparse.ArgumentParser:
    """Argument parser with ``--version``, and with a ``--help`` that keeps line breaks."""
    result = argparse.ArgumentParser(
        prog=command, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--version", action="version", version=f"nnunet-tv {__version__}")
    return result


def run(action: Callable[[], int]) -> int:
    """Exit status of `action`: 0 done, 1 error (one line on stderr), 130 interrupted; argparse exits with 2.

    Characters of file names that the terminal's encoding does not have are printed as escapes.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("numexpr").setLevel(logging.WARNING)  # else the number of its threads is printed on import
    try:
        return action()
    except NnunetTVError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: no partial files are left; run the same command again", file=sys.stderr)
        return 130


def print_failed(failed: Mapping[str, str], place: str, advice: str) -> None:
    """List the cases that are not in the output, with their problems, on stderr."""
    if failed:
        lines = [f"  {case}: {problem}" for case, problem in failed.items()]
        print(f"\n{counted(len(failed), 'case')} failed, not in the {place}:", *lines, *([advice] if advice else []),
              sep="\n", file=sys.stderr)


def print_origin(trained_on: TrainedOn) -> None:
    """Print whether a model was trained on synthetic data, or that this is not recorded; nothing if it was not."""
    from nnunet_tv.inference.trained_on import UNKNOWN_ORIGIN

    if trained_on.warning:
        print(f"warning: {trained_on.warning}", file=sys.stderr)
    elif trained_on.synthetic is None:
        print(f"note: {UNKNOWN_ORIGIN}")

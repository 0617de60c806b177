"""Commands: one file each, with a parser and ``main(argv=None) -> int``. They only parse and call."""

from __future__ import annotations

import argparse
import io
import logging
import sys
from collections.abc import Callable

from nnunet_tv import __version__
from nnunet_tv.utils.errors import NnunetTVError


def parser(command: str, description: str) -> argparse.ArgumentParser:
    """Argument parser with what every command shares: ``--version``, and ``--help`` that keeps line breaks."""
    result = argparse.ArgumentParser(
        prog=command, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    result.add_argument("--version", action="version", version=f"nnunet-tv {__version__}")
    return result


def run(action: Callable[[], int]) -> int:
    """Exit status of `action`; an error for the user is one line on stderr and status 1.

    0: done; 1: something could not be done, and was named; 2: usage (argparse); 130: interrupted.
    """
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what the terminal's encoding does not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        return action()
    except NnunetTVError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing half-written is left; run the same command again", file=sys.stderr)
        return 130

"""Arguments of several commands."""

from __future__ import annotations

import os
from argparse import ArgumentParser, ArgumentTypeError, _ActionsContainer
from collections.abc import Callable

from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.nnunet_paths import check_dataset_name


def whole_number(least: int) -> Callable[[str], int]:
    """Argument type: a whole number of at least `least`."""

    def convert(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ArgumentTypeError(f"expected a whole number of at least {least}, found {text!r}")
        return int(text)

    return convert


def dataset_name(text: str) -> str:
    """Argument type: a name that nnU-Net accepts as a data set's folder."""
    try:
        return check_dataset_name(text)
    except NnunetTVError as error:
        raise ArgumentTypeError(str(error)) from error


def add_processes(parser: ArgumentParser) -> None:
    """Add ``-np``; the default is at most four, since each worker holds a case in memory."""
    parser.add_argument("-np", dest="processes", type=whole_number(1), default=max(1, min(4, os.cpu_count() or 1)),
                        metavar="N", help="worker processes (default: %(default)s)")


def add_preparation(parser: _ActionsContainer, *, brain: str | None = "auto") -> None:
    """Add ``--registration`` and ``--brain``; the names are those of the library's tables, which a test compares.

    `brain` is the default; None leaves it to the model.
    """
    parser.add_argument("--registration", choices=("simpleitk", "fsl", "greedy"), default="simpleitk",
                        help="what registers; fsl and greedy must be installed (default: %(default)s)")
    parser.add_argument("--brain", choices=("auto", "deepbet", "template", "fsl", "hd-bet", "synthstrip", "none"),
                        default=brain,
                        help="brain mask; auto: deepbet if it is installed, else the template's mask refined by "
                             "intensity; fsl, hd-bet and synthstrip must be installed (default: "
                             + ("as the model's training scans)" if brain is None else "%(default)s)"))

"""Arguments of several commands."""

import os
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, _ActionsContainer
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nnunet_tv.brain.registry import BRAIN_METHODS, WITHOUT_TEMPLATE
from nnunet_tv.registration.registry import BACKENDS
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.nnunet_paths import check_dataset_name


def whole_number(least: int) -> Callable[[str], int]:
    """Argument type: a whole number of at least `least`."""

    def convert(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise ArgumentTypeError(f"expected a whole number of at least {least}, found {text!r}")
        return int(text)

    return convert


def number(expected: str, valid: Callable[[float], bool]) -> Callable[[str], float]:
    """Argument type: a number that is `valid`; `expected` describes it in the error."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not valid(value):
            raise ArgumentTypeError(f"expected {expected}, found {text!r}")
        return value

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


def add_space(parser: _ActionsContainer, *, help: str, default: str | None = None, **options: Any) -> None:
    """Add ``--space``, and its former name ``--register`` without help; `options` as of ``add_argument``."""
    parser.add_argument("--space", default=default, help=help, **options)
    parser.add_argument("--register", dest="space", default=SUPPRESS, help=SUPPRESS, **options)


def add_preparation(parser: _ActionsContainer, *, brain: str | None = WITHOUT_TEMPLATE) -> None:
    """Add ``--registration-backend``, its former name ``--registration``, and ``--brain`` (None: as the model)."""
    backends = "; ".join(f"{row.key}: {row.help}" for row in BACKENDS.values())
    parser.add_argument("--registration-backend", choices=tuple(BACKENDS), default=next(iter(BACKENDS)),
                        help=f"{backends} (default: %(default)s)")
    parser.add_argument("--registration", dest="registration_backend", choices=tuple(BACKENDS), default=SUPPRESS,
                        help=SUPPRESS)
    methods = "; ".join(f"{key}: {text}" for key, text in BRAIN_METHODS.items())
    parser.add_argument("--brain", choices=tuple(BRAIN_METHODS), default=brain,
                        help=f"brain mask; {methods} (default: "
                             + ("as the model's training scans)" if brain is None else "%(default)s)"))


def add_scan_options(parser: _ActionsContainer) -> None:
    """Add ``--pair``, ``--pairs`` and ``--keep-ids``."""
    parser.add_argument("--pair", action="extend", nargs="+", default=[], metavar="CASE,T1,FLAIR",
                        help="which scans a case has: paths below IN, or series as listed (DICOM; of another study "
                             "CASE/series-5)")
    parser.add_argument("--pairs", type=Path, metavar="TABLE",
                        help="the same as a tab-separated table with the columns case, t1, flair, such as a "
                             "preparation.tsv")
    parser.add_argument("--keep-ids", action="store_true",
                        help="name DICOM cases by the patient's id, and show descriptions as they are")

"""Participants table (BIDS ``participants.tsv``)."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from nnunet_tv.utils.errors import NnunetTVError

ID = "participant_id"
#: Columns by subject.
Participants = dict[str, dict[str, str]]
#: Replaces missing and unknown values.
NOT_GIVEN = "not given"
_UNKNOWN = {"", "n/a", "na", "nan", "unknown"}


def read_participants(path: str | Path) -> Participants:
    """Read the columns of each subject, without the identifier; unknown values become :data:`NOT_GIVEN`.

    Raises
    ------
    NnunetTVError
        The file is missing or not a tab-separated table with ``participant_id``, or a subject has two rows.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # the public table starts with a byte order mark
            lines = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise NnunetTVError(f"{path}: not a readable table of participants ({error}); expected tab-separated UTF-8 "
                            "text") from error
    if not lines or ID not in lines[0]:
        raise NnunetTVError(f"{path}: expected a tab-separated table with a column {ID} and at least one row")
    found: Participants = {}
    for line in lines:
        subject = (line.pop(ID) or "").strip()
        if subject in found:
            raise NnunetTVError(f"{path}: {subject} has two rows; keep one")
        found[subject] = {column: _known(value) for column, value in line.items() if column}
    return found


def of_cases(participants: Participants, cases: Iterable[str]) -> tuple[Participants, list[str]]:
    """Return the columns of the cases that are in the table, and the names of those that are not.

    Cases match subjects with or without the prefix ``sub-``.
    """
    found: Participants = {}
    absent = []
    for case in cases:
        names = (case, f"sub-{case}", case.removeprefix("sub-"))
        if name := next((name for name in names if name in participants), None):
            found[case] = participants[name]
        else:
            absent.append(case)
    return found, absent


def _known(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    return NOT_GIVEN if text.lower() in _UNKNOWN else text

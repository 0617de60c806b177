"""A participants table (BIDS ``participants.tsv``): what is recorded of the subjects besides their scans."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pandas as pd

from nnunet_tv.utils.errors import NnunetTVError

ID = "participant_id"
#: A subject's columns.
Participants = dict[str, dict[str, str]]
#: Text of an unknown value.
NOT_GIVEN = "not given"
_UNKNOWN = {"", "n/a", "na", "nan", "unknown"}


def read_participants(path: str | Path) -> Participants:
    """Columns by subject, without the identifier; unknown values are :data:`NOT_GIVEN`.

    Raises an NnunetTVError for no tab-separated table with ``participant_id``, or a subject twice.
    """
    try:  # the public table starts with a byte order mark
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except (OSError, ValueError) as error:
        raise NnunetTVError(f"{path}: not a readable table of participants ({error}); expected tab-separated UTF-8 "
                            "text") from error
    if ID not in table or table.empty:
        raise NnunetTVError(f"{path}: expected a tab-separated table with a column {ID} and at least one row")
    table = table.map(str.strip).set_index(ID)
    if table.index.has_duplicates:
        raise NnunetTVError(f"{path}: {table.index[table.index.duplicated()][0]} has two rows; keep one")
    known = table.mask(table.apply(lambda column: column.str.lower().isin(_UNKNOWN)), NOT_GIVEN)
    return cast(Participants, known.to_dict("index"))


def of_cases(participants: Participants, cases: Iterable[str]) -> tuple[Participants, list[str]]:
    """Columns of the cases in the table, found with or without ``sub-``, and the names of the others."""
    found: Participants = {}
    absent = []
    for case in cases:
        key = next((name for name in (case, f"sub-{case}", case.removeprefix("sub-")) if name in participants), None)
        if key is None:
            absent.append(case)
        else:
            found[case] = participants[key]
    return found, absent

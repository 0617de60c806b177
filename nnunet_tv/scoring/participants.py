"""A participants table (BIDS ``participants.tsv``): what is recorded of the subjects besides their scans."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pandas as pd

from nnunet_tv.utils.errors import NnunetTVError

ID = "participant_id"
#: A subject's columns.
Participants = dict[str, dict[str, str]]
#: Text of an unknown value.
NOT_GIVEN = "not given"
_UNKNOWN = {"", "n/a", "na", "nan", "unknown"}


@dataclass(frozen=True)
class Column:
    """What the table's sidecar states of a column."""

    units: str = ""  #: such as ``year``
    levels: dict[str, str] = field(default_factory=dict)  #: meaning of each value, in the sidecar's order


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


def sidecar(path: str | Path) -> Path:
    """Where BIDS describes the columns of a table: ``participants.json`` beside ``participants.tsv``."""
    return Path(path).with_suffix(".json")


def read_columns(path: str | Path) -> dict[str, Column]:
    """Units and levels of the columns, from the table's :func:`sidecar`; empty without one.

    Raises an NnunetTVError for a sidecar that is not of BIDS' form: columns of unknown units would be guessed at.
    """
    path = sidecar(path)
    if not path.is_file():
        return {}
    try:
        return {name: Column(str(each.get("Units", "")), {value: _meaning(level) for value, level
                                                          in (each.get("Levels") or {}).items()})
                for name, each in json.loads(path.read_text(encoding="utf-8-sig")).items()}
    except (OSError, ValueError, AttributeError) as error:
        raise NnunetTVError(f"{path}: expected a description of the columns of the participants table as in BIDS "
                            f"(Units, Levels), found something else ({error}); correct it or take it away") from error


def _meaning(level: str | Mapping[str, Any]) -> str:
    """A level as a text, or as an object with a description."""
    return " ".join(str(level if isinstance(level, str) else level.get("Description", "")).split())


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

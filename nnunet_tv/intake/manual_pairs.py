"""Pairs of scans chosen by hand: ``--pair case,t1,flair`` and rows of a small table."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_tv.utils.errors import NnunetTVError

_COLUMNS = ("case", "t1", "flair")


@dataclass(frozen=True)
class ManualPair:
    """The names of a case's scans; see :meth:`nnunet_tv.intake.catalogue.Catalogue.find`."""

    case: str
    t1: str
    flair: str
    table: bool = field(default=False, compare=False)  #: whether it is a row of a table


def read_manual_pairs(pairs: Iterable[str] = (), table: str | Path | None = None) -> dict[str, ManualPair]:
    """Pairs by case, from ``case,t1,flair`` texts and a tab-separated table with those columns.

    Names with commas are put in double quotes, or in the table. Rows without scans are skipped, so that a
    ``preparation.tsv`` can be completed and used again. Anything else is a :class:`NnunetTVError`.
    """
    result: dict[str, ManualPair] = {}
    rows = [*((*row, False) for row in _of_options(pairs)), *((*row, True) for row in _of_table(table))]
    for where, cells, in_table in rows:
        pair = ManualPair(cells[0], cells[1], cells[2], table=in_table)
        if result.setdefault(pair.case, pair) != pair:
            raise NnunetTVError(f"{where}: case {pair.case} is paired twice, and differently")
    return result


def _of_options(pairs: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    for text in pairs:
        cells = [cell.strip() for cell in next(csv.reader([text]), [])]
        if len(cells) != 3 or not all(cells):
            raise NnunetTVError(f"--pair {text!r}: expected CASE,T1,FLAIR, found {len(cells)} parts or an empty one")
        yield f"--pair {text!r}", cells


def _of_table(table: str | Path | None) -> Iterator[tuple[str, list[str]]]:
    if table is None:
        return
    try:
        text = Path(table).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NnunetTVError(f"{table}: the table of pairs cannot be read ({error})") from error
    reader = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise NnunetTVError(f"{table}: expected a tab-separated table with the columns case, t1 and flair in its "
                            f"first line, found no {', '.join(missing)}")
    for row in reader:
        where, cells = f"{table}, line {reader.line_num}", [(row.get(column) or "").strip() for column in _COLUMNS]
        if all(cells):
            yield where, cells
        elif any(cells[1:]):
            raise NnunetTVError(f"{where}: expected case, t1 and flair, found {cells}")

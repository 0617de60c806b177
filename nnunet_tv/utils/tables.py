"""Tab-separated tables: those that this program writes, and those that people write."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import write_if_changed


def write_tsv(columns: Sequence[str], rows: Iterable[Sequence[str]], path: Path) -> None:
    """Write a header and rows without quoting; an equal file stays untouched. Cells must not contain tabs."""
    write_if_changed("".join("\t".join(cells) + "\n" for cells in (columns, *rows)), path)


def read_tsv(path: Path) -> tuple[list[str], dict[int, dict[str, str]]]:
    """Column names, and rows by their line in the file, without surrounding blanks.

    Rows without any text, as spreadsheets leave them at the end, are left out.

    Raises
    ------
    NnunetTVError
        Not a UTF-8 table.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            reader.fieldnames = columns = [name.strip() for name in reader.fieldnames or ()]
            rows = {}
            for row in reader:
                rows[reader.line_num] = {key: (value or "").strip() for key, value in row.items() if key is not None}
    except (UnicodeDecodeError, csv.Error) as error:
        raise NnunetTVError(f"{path}: expected a tab-separated UTF-8 table ({error}): save or download it "
                            "again") from error
    return columns, {line: row for line, row in rows.items() if any(row.values())}

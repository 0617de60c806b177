"""What layouts have in common: tables that people wrote, names of image files, one file of each kind."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnunet_tv.utils.errors import NnunetTVError

#: Image files that can be read, longest ending first.
ENDINGS = (".nii.gz", ".nii", ".mha")
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def read_rows(path: Path) -> tuple[list[str], dict[int, dict[str, str]]]:
    """Column names and rows of a tab-separated table with a header; names and cells without surrounding blanks.

    Rows are by their line in the file. Those without any text, as spreadsheets leave them at the end, are left out.

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


def image_stem(name: str) -> str:
    """A file's name without the ending of an image; empty for other and for hidden files.

    >>> image_stem("a_FLAIR.nii.gz"), image_stem("a-ADC_ss.mha"), image_stem("a.txt"), image_stem("._a.nii")
    ('a_FLAIR', 'a-ADC_ss', '', '')
    """
    if not name.startswith("."):
        for ending in ENDINGS:
            if name.endswith(ending):
                return name.removesuffix(ending)
    return ""


def usable_name(case: str) -> bool:
    """Whether a case identifier can be part of nnU-Net's file names: letters, digits, ``-`` and ``_``.

    >>> usable_name("MGHNICU_306-VISIT_01"), usable_name("../x"), usable_name("P 1")
    (True, False, False)
    """
    return bool(_CASE.fullmatch(case))


def not_one_of_each(found: Mapping[str, Sequence[Path]], wanted: Mapping[str, int], names: Mapping[str, str]) -> str:
    """What differs from the wanted numbers of files, such as ``2 × T1w, 0 × lesion mask``; empty if nothing.

    Parameters
    ----------
    found : dict of str to list of Path
        Files by kind.
    wanted : dict of str to int
        How many there should be.
    names : dict of str to str
        What a reader calls each kind.
    """
    return ", ".join(f"{len(found[kind])} × {names[kind]}" for kind, count in wanted.items()
                     if len(found[kind]) != count)

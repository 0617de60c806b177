"""Phantoms as anyone may have them: a folder of T1w and FLAIR scans with masks, and a table that says what is what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_tv.demo.cohort import TRUTH, check_counts, claim, each_member
from nnunet_tv.demo.phantom import make_phantom
from nnunet_tv.imaging.volume import write_volume
from nnunet_tv.utils.files import remove_partial, write_text

TABLE = "table.tsv"
#: Files of a case, by the table's columns.
FILES = {"T1w": "t1", "FLAIR": "flair", "label": "lesion"}
_VERSION = 1


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    case: str
    number: int
    split: str


def make_dataset(folder: str | Path, *, patients: int, controls: int = 0, test: int = 3, seed: int = 0,
                 progress: bool = True) -> list[str]:
    """Write the scans and the table; a second call completes them.

    Parameters, result and errors are those of :func:`nnunet_tv.demo.dataset.make_dataset`, on phantoms of one kind.
    Controls are cases whose label is ``none``; `test` of the patients are the table's test cases.
    """
    check_counts(patients, controls, test)
    folder = Path(folder)
    claim(folder, TRUTH, {"version": _VERSION, "layout": "pairs", "patients": patients, "controls": controls,
                          "test": test, "seed": seed})
    rows = [Row(f"p{number:02d}", number, "test" if number <= test else "train") for number in range(1, patients + 1)]
    healthy = [Row(f"h{number - patients:02d}", number, "test")
               for number in range(patients + 1, patients + controls + 1)]
    each_member(folder, TRUTH, rows, lambda row: _make(folder, row, seed, patient=True), progress=progress)
    each_member(folder, TRUTH, healthy, lambda row: _make(folder, row, seed, patient=False), progress=progress)
    _write_table(folder, rows, healthy)
    return [row.case for row in (*rows, *healthy)]


def _path(row: Row, column: str) -> str:
    return f"scans/{row.case}_{FILES[column]}.nii.gz"


def _make(folder: Path, row: Row, seed: int, *, patient: bool) -> dict:
    phantom = make_phantom(np.random.default_rng([seed, row.number]), patient=patient)
    remove_partial(folder / "scans")
    for column, volume in zip(FILES, (phantom.t1, phantom.flair, phantom.roi), strict=True):
        if volume is not None:
            write_volume(volume, folder / _path(row, column))
    return {"case": row.case, **phantom.truth()}


def _write_table(folder: Path, rows: list[Row], healthy: list[Row]) -> None:
    lines = [("case", *FILES, "split")]
    for row in rows:
        lines.append((row.case, *(_path(row, column) for column in FILES), row.split))
    for row in healthy:
        lines.append((row.case, _path(row, "T1w"), _path(row, "FLAIR"), "none", row.split))
    write_text("".join("\t".join(cells) + "\n" for cells in lines), folder / TABLE)

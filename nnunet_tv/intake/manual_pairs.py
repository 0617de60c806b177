"""Pairs of scans chosen by hand: ``--pair case,t1,flair`` and rows of a small table."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_tv.intake.recognise import recognise
from nnunet_tv.intake.scan_pair import CHANNELS, ScanPair
from nnunet_tv.intake.series_metadata import ENDINGS, Series, nifti_series
from nnunet_tv.utils.errors import CaseError, NnunetTVError

_COLUMNS = ("case", "t1", "flair")


@dataclass(frozen=True)
class ManualPair:
    """The labels or paths of a case's scans."""

    case: str
    t1: str
    flair: str


def read_manual_pairs(pairs: Iterable[str] = (), table: str | Path | None = None) -> dict[str, ManualPair]:
    """Pairs by case, from ``case,t1,flair`` texts and a tab-separated table with those columns.

    Names with commas are put in double quotes, or in the table. Rows without scans are skipped, so that a
    ``preparation.tsv`` can be completed and used again. Anything else is a :class:`NnunetTVError`.
    """
    result: dict[str, ManualPair] = {}
    for where, cells in (*_of_options(pairs), *_of_table(table)):
        pair = ManualPair(*cells)
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


def find_manual_pair(
    pair: ManualPair, scans: Sequence[Series], folder: Path, *, elsewhere: Mapping[str, Series]
) -> ScanPair:
    """The scans that `pair` names: labels of `scans`, or paths (below `folder`, or as they are).

    `elsewhere` maps ``CASE/series-5`` to series of other studies. A :class:`CaseError` is raised for a label or path
    that is not a scan of the case, and for the same scan twice.
    """
    if pair.t1 == pair.flair:
        raise CaseError(pair.case, f"the pair names {pair.t1} as T1w and as FLAIR: name two scans")
    found = {kind: _find(pair.case, name, scans, folder, elsewhere)
             for kind, name in zip(CHANNELS, (pair.t1, pair.flair), strict=True)}
    notes = []
    for kind, scan in found.items():
        verdict = recognise(scan.metadata)
        if verdict.kind in CHANNELS and verdict.kind != kind:  # swapped scans raise no error later
            notes.append(f"{scan.label} was chosen by hand as {kind}, but seems to be a {verdict.kind} "
                         f"({verdict.reason}): are the two swapped?")
    return ScanPair(found, dict.fromkeys(CHANNELS, "chosen by hand"), tuple(notes))


def _find(case: str, name: str, scans: Sequence[Series], folder: Path, elsewhere: Mapping[str, Series]) -> Series:
    if name in elsewhere:
        return elsewhere[name]
    for scan in scans:
        if name in (scan.label, scan.label.removeprefix("series-")):
            return scan
    ends = [scan for scan in scans if scan.label.endswith(f"/{name}")]
    if len(ends) == 1:
        return ends[0]
    for path in (folder / name, Path(name)):
        if path.is_file() and path.name.lower().endswith(ENDINGS):
            label = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
            return nifti_series(path, label=label, case=case)
    seen = ", ".join(scan.label for scan in scans) or "nothing"
    raise CaseError(case, f"the pair names {name!r}, which is neither a NIfTI file below {folder} nor a scan of this "
                    f"case; seen: {seen}")

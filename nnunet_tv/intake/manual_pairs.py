"""Pairs that a person named: ``--pair case,t1,flair`` and rows of a small table."""

from __future__ import annotations

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
    """Pins by case, of ``case,t1,flair`` texts and of a tab-separated table with those columns.

    Names with commas stand in double quotes, or in the table. Rows that name no scan are skipped, so that a
    ``preparation.tsv`` can be completed and given back.

    Raises
    ------
    NnunetTVError
        Not three parts, a part missing, no such table or column, a case named twice.
    """
    manual_pairs: dict[str, ManualPair] = {}
    for text in pairs:
        cells = [cell.strip() for cell in next(csv.reader([text]), [])]
        if len(cells) != 3 or not all(cells):
            raise NnunetTVError(f"--pair {text!r}: expected CASE,T1,FLAIR, found {len(cells)} parts or an empty one")
        _add(manual_pairs, ManualPair(*cells), f"--pair {text!r}")
    for number, row in _rows(table):
        cells = [(row.get(column) or "").strip() for column in _COLUMNS]
        if not any(cells[1:]):
            continue
        if not all(cells):
            raise NnunetTVError(f"{table}, line {number}: expected case, t1 and flair, found {cells}")
        _add(manual_pairs, ManualPair(*cells), f"{table}, line {number}")
    return manual_pairs


def _rows(table: str | Path | None) -> list[tuple[int, Mapping[str, str]]]:
    if table is None:
        return []
    try:
        text = Path(table).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NnunetTVError(f"{table}: the table of pairs cannot be read ({error})") from error
    reader = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    missing = [column for column in _COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise NnunetTVError(f"{table}: expected a tab-separated table with the columns case, t1 and flair in its "
                            f"first line, found no {', '.join(missing)}")
    return [(reader.line_num, row) for row in reader]


def _add(manual_pairs: dict[str, ManualPair], pin: ManualPair, where: str) -> None:
    if pin.case in manual_pairs and manual_pairs[pin.case] != pin:
        raise NnunetTVError(f"{where}: case {pin.case} is paired twice, and differently")
    manual_pairs[pin.case] = pin


def choose_manual_pair(
    pin: ManualPair, candidates: Sequence[Series], folder: Path, *, elsewhere: Mapping[str, Series] | None = None
) -> ScanPair:
    """The pair that `pin` names: labels of `candidates`, or paths (below `folder`, or as they are).

    `elsewhere` holds series of other studies, by ``CASE/series-5``.

    Raises
    ------
    CaseError
        A label or path that is none of the case's scans; the same scan twice.
    """
    if pin.t1 == pin.flair:
        raise CaseError(pin.case, f"the pair names {pin.t1} as T1w and as FLAIR: name two scans")
    scans = {kind: _find(pin.case, name, candidates, folder, elsewhere or {})
             for kind, name in zip(CHANNELS, (pin.t1, pin.flair), strict=True)}
    return ScanPair(scans, dict.fromkeys(CHANNELS, "pinned"), tuple(_doubts(scans)))


def _doubts(scans: Mapping[str, Series]) -> Iterator[str]:
    """A person's word stands, but a T1w in the FLAIR's place would give no error later, and wrong results."""
    for kind, scan in scans.items():
        verdict = recognise(scan.metadata)
        if verdict.kind in CHANNELS and verdict.kind != kind:
            yield (f"{scan.label} is pinned as {kind}, but looks like a {verdict.kind} ({verdict.reason}): are they "
                   "mixed up?")


def _find(
    case: str, name: str, candidates: Sequence[Series], folder: Path, elsewhere: Mapping[str, Series]
) -> Series:
    if name in elsewhere:
        return elsewhere[name]
    for candidate in candidates:
        if name in (candidate.label, candidate.label.removeprefix("series-")):
            return candidate
    ends = [candidate for candidate in candidates if candidate.label.endswith(f"/{name}")]
    if len(ends) == 1:
        return ends[0]
    for path in (folder / name, Path(name)):
        if path.is_file() and path.name.lower().endswith(ENDINGS):
            label = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
            return nifti_series(path, label=label, case=case)
    seen = ", ".join(candidate.label for candidate in candidates) or "nothing"
    raise CaseError(case, f"the pair names {name!r}, which is no NIfTI file below {folder} and none of this case's "
                    f"scans; seen: {seen}")

"""Your own scans: a table of the files of each case, its lesion mask, and its side of the split.

Layout: a tab-separated table with the columns ``case``, ``label`` and one column per channel, named for it and in the
network's order; ``split`` (train, selection or test), ``patient`` (for patients with several cases) and ``side`` (of
the lesion, left or right) are optional.
Files are relative to the table's folder. ``none`` as label is a case without a lesion.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nnunet_tv.brain.sides import LEFT, RIGHT
from nnunet_tv.conversion.dataset_spec import CV5, DatasetSpec, Option
from nnunet_tv.conversion.lists import ENDINGS, image_stem, usable_name
from nnunet_tv.conversion.source import CONTROL, PATIENT, SELECTION, TEST, TRAIN, SourceCase, SourceDataset
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.tables import read_tsv

SPEC = DatasetSpec(
    title="a table of your own: case, channel files, label, split",
    folder_name="DatasetPairs",
    splits={"table": "the table's column split", "seeded": "69/14/17 % of the patients train/select/test, our own "
            "seeded draw", "cv5": CV5},
    spaces=("none", "t1", "mni"),
    controls=True,
    source="the table (.tsv)",
    options=(Option("--label-name", "name of the lesion in dataset.json", "lesion"),
             Option("--label-on", "channel on which the masks were drawn (default: the first)")),
)
CASE, LABEL, SPLIT, PERSON, SIDE = "case", "label", "split", "patient", "side"
_SIDES = {"": "", "l": LEFT, "left": LEFT, "r": RIGHT, "right": RIGHT}
NO_LESION = "none"


def read(folder: str | Path, *, label_name: str = "lesion", label_on: str | None = None) -> SourceDataset:
    """Read the table `folder`; the files are not opened.

    A case whose row is not as expected has a ``problem``; the others are usable.

    Raises
    ------
    NnunetTVError
        Not such a table, no such channel, an impossible name.
    """
    table = Path(folder)
    if not table.is_file():
        raise NnunetTVError(f"{table}: expected a table (.tsv) with the columns case, one per channel, label and "
                            f"split, found {'a folder' if table.is_dir() else 'nothing'}: give the table itself (-i)")
    if not usable_name(label_name) or label_name in ("background", "ignore"):
        raise NnunetTVError(f"--label-name {label_name!r}: expected letters, digits, - and _, and neither background "
                            "nor ignore")
    columns, rows = read_tsv(table)
    channels = _channels(table, columns, list(rows.values()))
    label_on = label_on or channels[0]
    if label_on not in channels:
        raise NnunetTVError(f"--label-on {label_on}: the table's channels are {', '.join(channels)}")
    names = Counter(row[CASE].lower() for row in rows.values())
    places = Counter(_place(table, file) for row in rows.values() for file in _files(row, channels))
    cases = []
    for number, row in rows.items():
        repeats = names[row[CASE].lower()]
        problem = _problem(row, channels, repeats) or next(
            (f"{file} is named {places[_place(table, file)]} times in the table, expected once: one of the cells is "
             "wrong" for file in _files(row, channels) if places[_place(table, file)] > 1), "")
        name = row[CASE] if usable_name(row[CASE]) and repeats == 1 else f"{row[CASE]} (row {number})"
        cases.append(_case(row, name, table.parent, channels, problem))
    return SourceDataset(
        folder=table.parent, channels=channels, labels={"background": 0, label_name: 1}, label_on=label_on,
        cases=tuple(cases), name=f"{table.name}: {', '.join(channels)}",
        options={"label_on": label_on},
    )


def _channels(table: Path, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> tuple[str, ...]:
    """Names of the columns of scans, in their order."""
    channels = tuple(name for name in columns if name not in (CASE, LABEL, SPLIT, PERSON, SIDE))
    if not {CASE, LABEL} <= set(columns) or not channels or not all(columns) or len(set(columns)) < len(columns):
        raise NnunetTVError(f"{table}: expected the columns case, one named for each channel, label and, if wanted, "
                            f"split, patient and side, each once; found {', '.join(map(repr, columns)) or 'nothing'}")
    if not rows:
        raise NnunetTVError(f"{table}: expected a row for each case, found the header alone")
    for name in channels:
        if not any(image_stem(Path(row[name]).name) for row in rows):
            raise NnunetTVError(f"{table}: column {name!r} is taken for a channel, but names no image "
                                f"({', '.join(ENDINGS)}): leave it out, or name files")
    return channels


def _files(row: dict[str, str], channels: Sequence[str]) -> list[str]:
    return [row[name] for name in channels] + ([] if row[LABEL] == NO_LESION else [row[LABEL]])


def _place(table: Path, file: str) -> str:
    """Absolute path, the same for all ways to write it."""
    return os.path.abspath(table.parent / file)


def _problem(row: dict[str, str], channels: Sequence[str], repeats: int) -> str:
    case, label, split, side = row[CASE], row[LABEL], row.get(SPLIT, ""), row.get(SIDE, "")
    if not usable_name(case):
        return "expected a case of letters, digits, - and _, since nnU-Net makes file names of it: rename it"
    if repeats > 1:
        return f"{repeats} rows have the case {case}: give each its own name"
    if split not in ("", TRAIN, SELECTION, TEST):
        return f"expected split {TRAIN}, {SELECTION}, {TEST} or nothing, found {split!r}: repair the row"
    if side.lower() not in _SIDES or (side and label == NO_LESION):
        return (f"expected side {LEFT}, {RIGHT} or nothing, and nothing for a case without a lesion, found {side!r}: "
                "repair the row")
    for name in channels:
        if not image_stem(Path(row[name]).name):
            return f"expected a file ({', '.join(ENDINGS)}) for the {name}, found {row[name]!r}: complete the row"
    if label != NO_LESION and not image_stem(Path(label).name):
        return (f"expected a file ({', '.join(ENDINGS)}) as label, or {NO_LESION} for a case without a lesion, found "
                f"{label!r}: complete the row")
    return ""


def _case(row: dict[str, str], name: str, folder: Path, channels: Sequence[str], problem: str) -> SourceCase:
    group = CONTROL if row[LABEL] == NO_LESION else PATIENT
    case = SourceCase(name, group, assigned=row.get(SPLIT, ""), problem=problem, person=row.get(PERSON, ""),
                      side=_SIDES.get(row.get(SIDE, "").lower(), ""))
    if problem:
        return case
    return replace(case, channels={name: folder / row[name] for name in channels},
                   label=None if group == CONTROL else folder / row[LABEL])

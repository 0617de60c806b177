"""The table that describes patients and controls, from the participants table and the references."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.tables.controls import SETUP_COLUMNS
from nnunet_tv.reporting.tables.strata import side_of_lesion
from nnunet_tv.reporting.tables.table import Cell, Table
from nnunet_tv.scoring.participants import NOT_GIVEN, Column
from nnunet_tv.utils.numbers import fixed

SUMMARY = "median (quartiles; range)"
_AGE, _CATEGORY = "age", "category"
#: Values of a category that are listed; the rest is pooled.
_LISTED = 12
#: Longer meanings of a value are given below the table.
_LONG = 30
#: Values of a column of MRI diagnoses that mean that no lesion was seen.
_MRI_NEGATIVE = ("none", "negative", "mri-negative", "normal")
_SIDES = {"l": "L", "left": "L", "r": "R", "right": "R"}
_SEXES = {"m": "male", "male": "male", "f": "female", "female": "female"}


@dataclass(frozen=True)
class _Characteristic:
    """What is described, and the columns that record it: of ds004199, and usual ones of BIDS."""

    title: str
    columns: tuple[str, ...]
    kind: str = _CATEGORY
    wanted: str = ""  #: its name among what a reader misses; empty if few data sets have it


_SEX = _Characteristic("Sex", ("sex", "gender"), wanted="sex")
_SETUP = _Characteristic("", SETUP_COLUMNS, wanted="scanner or site")  # titled by their columns
_MRI = _Characteristic("MRI diagnosis", ("mri_diagnosis", "mri_negative", "mri_status"), wanted="MRI diagnosis")
_HEMISPHERE = _Characteristic("Hemisphere", ("hemisphere", "side", "laterality"))
_CHARACTERISTICS = (
    _Characteristic("Group", ("group", "diagnosis")), _SEX,
    _Characteristic("Age", ("age",), _AGE, "age"),
    _Characteristic("Age at the scan", ("age_scan", "age_at_scan", "age_mri"), _AGE, "age"),
    _Characteristic("Age at the first seizure", ("age_epilepsyonset", "age_onset", "age_at_onset"), _AGE),
    _Characteristic("Handedness", ("handedness",)), _SETUP, _MRI,
    _Characteristic("Histopathology", ("histopathology", "histology", "pathology"), wanted="histopathology"),
    _HEMISPHERE, _Characteristic("Lobe", ("lobe",)),
)
_Row = tuple[Cell, ...]


def description_table(record: Record) -> Table:
    """Patients and controls side by side, with the numbers known and unknown of each characteristic."""
    references = {row.case: row.score for row in record.rows if row.score is not None}
    controls = list(dict.fromkeys(row.case for row in record.controls))
    groups = [list(references), *([controls] if controls else [])]
    described = _Described(record, groups)
    rows: list[_Row] = [("Subjects", "", *(cell for cases in groups for cell in (str(len(cases)), len(cases), 0)))]
    for characteristic in _CHARACTERISTICS:
        for column in described.columns(characteristic):
            rows += described.rows(characteristic, column)
    rows += _lesions(references, lacking=("–", 0, 0) * (len(groups) - 1))
    names = ("Patients", *(("Controls",) if controls else ()))
    return Table(
        "test-set", "Characteristics of patients and controls" if controls else "Characteristics of the patients",
        ("Characteristic", "Value", *(text for name in names for text in (name, f"{name} known", f"{name} unknown"))),
        tuple(rows), prose=True,
        warnings=(*described.missing(), *described.warnings, *_wrong_sides(record, references)),
        notes=(
            "Patients: the cases with a reference, which may be empty. Percentages are of those of whom the "
            "characteristic is known. Quartiles by linear interpolation; of classes, the first up to which a quarter, "
            "half and three quarters of the subjects lie.",
            "Lesions are described from the references: volume of all lesions of a subject together, number of "
            "connected components, and side by the sign of the scanner x of their centroid (below 0 is left), which is "
            "right where the midline is near x = 0.",
            *(() if controls else ("No controls were given (--controls).",)), *described.notes))


class _Described:
    """Rows from the columns of the participants table, with the warnings and notes that they need."""

    def __init__(self, record: Record, groups: Sequence[Sequence[str]]):
        self.record, self.groups = record, groups
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.present = {name for line in record.participants.values() for name in line}

    def columns(self, characteristic: _Characteristic) -> list[str]:
        """Columns of the table that record a characteristic, whatever the case of their letters."""
        return sorted((name for name in self.present if name.lower() in characteristic.columns),
                      key=lambda name: characteristic.columns.index(name.lower()))

    def rows(self, characteristic: _Characteristic, column: str) -> list[_Row]:
        values = [{case: self.record.participants.get(case, {}).get(column, NOT_GIVEN) for case in cases}
                  for cases in self.groups]
        about = self.record.columns.get(column, Column())
        if characteristic.kind == _AGE:
            return [self._ages(characteristic, column, about, values)]
        title = f"{characteristic.title} ({column})" if characteristic.title else column
        labels = {value: self._label(characteristic, column, about, value)
                  for group in values for value in group.values() if value != NOT_GIVEN}
        known = [[labels[value] for value in group.values() if value in labels] for group in values]
        return _categories(title, known, [len(cases) for cases in self.groups])

    def missing(self) -> list[str]:
        """A warning on what a reader expects and the table does not record of any patient."""
        recorded = {characteristic.wanted for characteristic in _CHARACTERISTICS
                    for column in self.columns(characteristic)
                    if any(self.record.participants.get(case, {}).get(column, NOT_GIVEN) != NOT_GIVEN
                           for case in self.groups[0])}
        lacking = [wanted for wanted in dict.fromkeys(each.wanted for each in _CHARACTERISTICS)
                   if wanted and wanted not in recorded]
        if not self.record.meta.get("participants") and not self.record.participants:
            return [f"No participants table was given (--participants): {', '.join(lacking)} of the subjects are not "
                    "described here."]
        return [f"Of the patients, the participants table has not recorded: {', '.join(lacking)}."] if lacking else []

    def _label(self, characteristic: _Characteristic, column: str, about: Column, value: str) -> str:
        meaning = about.levels.get(value, "").rstrip(".")
        if len(meaning) > _LONG:
            note = f"{column} {value}: {meaning}."
            self.notes += [] if note in self.notes else [note]
            meaning = ""
        if characteristic is _MRI and value.lower() in _MRI_NEGATIVE:
            return f"{meaning or value} (MRI-negative)"
        if meaning and meaning.lower() != value.lower():
            return f"{meaning} ({value})"
        return _SEXES.get(value.lower(), value) if characteristic is _SEX else value

    def _ages(self, characteristic: _Characteristic, column: str, about: Column,
              values: Sequence[Mapping[str, str]]) -> _Row:
        """Quartiles of an age in its unit, or of its classes where the sidecar lists levels."""
        order = list(about.levels)
        number: Callable[[str], float | None] = _index_in(order) if order else _number
        units = about.units or ("years" if column.lower() == "age" else "")
        cells: list[Cell] = []
        for group in values:
            given = {case: text for case, text in group.items() if text != NOT_GIVEN}
            known = [found for text in given.values() if (found := number(text)) is not None]
            unusable = [f"{text} ({case})" for case, text in given.items() if number(text) is None]
            if unusable:
                self.warnings.append(f"{column}: {'not among the levels' if order else 'no numbers'}, counted as "
                                     f"unknown: {', '.join(unusable[:6])}{', …' if len(unusable) > 6 else ''}.")
            text = _summary(known, lambda place: about.levels[order[int(place)]] or order[int(place)],
                            classes=True) if order else _summary(known, _short)
            cells += [text, len(known), len(group) - len(known)]
        if not units and not order:
            self.warnings.append(f"{column}: no unit is stated; these may be classes, as in ds004199, and not years. "
                                 "Put the data set's participants.json beside the table.")
        how = ", classes" if order else f" in {units}" if units else ", unit not stated"
        return (f"{characteristic.title}{how} ({column})", SUMMARY, *cells)


def _lesions(references: Mapping[str, CaseScore], *, lacking: _Row) -> list[_Row]:
    """Volume, number and side of the lesions in the references."""
    with_lesion = [score for score in references.values() if score.n_lesions]
    volumes = [score.reference_mm3 / 1000 for score in with_lesion]
    numbers = [f"{score.n_lesions}" if score.n_lesions else "0 (empty reference)" for score in references.values()]
    sides = [{"L": "left", "R": "right"}[side] for score in with_lesion if (side := side_of_lesion(score)) in "LR"]
    rows: list[_Row] = [
        ("Lesion volume in ml (reference)", SUMMARY, _summary(volumes, lambda value: fixed(value, 2)), len(volumes), 0)]
    rows += _categories("Lesions per subject (reference)", [numbers], [len(references)])
    rows += _categories("Side of the lesion (centroid of the reference)", [sides], [len(with_lesion)])
    return [(*row, *lacking) for row in rows]


def _wrong_sides(record: Record, references: Mapping[str, CaseScore]) -> list[str]:
    """A warning on lesions whose recorded side is not that of the reference: one of the two may be exchanged."""
    wrong = []
    for case, score in references.items():
        side = side_of_lesion(score) if score.n_lesions else ""
        for column, text in record.participants.get(case, {}).items():
            stated = _SIDES.get(text.lower()) if column.lower() in _HEMISPHERE.columns else None
            if side in ("L", "R") and stated not in (None, side):
                wrong.append(f"{case} ({column} {text}, reference {side})")
    return [f"Side in the participants table and side of the reference's centroid differ: {', '.join(wrong)}. One of "
            "the two may be exchanged; look at these cases."] if wrong else []


def _categories(title: str, groups: Sequence[Sequence[str]], sizes: Sequence[int]) -> list[_Row]:
    """A row for each value: its number and share in each group, and how many are known and unknown."""
    counts = Counter(value for group in groups for value in group)
    listed = sorted(sorted(counts, key=lambda value: (-counts[value], value))[:_LISTED], key=_by_number)
    lines: list[tuple[str, set[str]]] = [(value, {value}) for value in listed]
    if pooled := set(counts) - set(listed):
        lines.append((f"{len(pooled)} other values", pooled))
    return [(title, name, *(cell for group, size in zip(groups, sizes, strict=True) for cell in (
        _share(sum(value in matching for value in group), len(group)), len(group), size - len(group))))
        for name, matching in lines or [("–", set())]]


def _by_number(value: str) -> tuple[float, str]:
    """Values that start with a number in its order, before all others."""
    number = _number(value.split()[0]) if value.split() else None
    return (math.inf if number is None else number, value)


def _share(count: int, known: int) -> str:
    return f"{count} ({fixed(100 * count / known)} %)" if known else "–"


def _summary(values: Sequence[float], text: Callable[[float], str], *, classes: bool = False) -> str:
    """Median, quartiles and range; of classes, observed ones."""
    if not values:
        return "–"
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), method="inverted_cdf" if classes else "linear").tolist()
    return f"{text(middle)} ({text(low)} to {text(high)}; {text(min(values))} to {text(max(values))})"


def _short(value: float) -> str:
    return fixed(value, 1).removesuffix(".0")


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _index_in(order: Sequence[str]) -> Callable[[str], float | None]:
    places = {value: float(place) for place, value in enumerate(order)}
    return places.get

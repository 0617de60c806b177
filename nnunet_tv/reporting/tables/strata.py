"""Subjects grouped by what is recorded of them (histology, lobe, size, contrast, ...), with n in every cell."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnunet_tv.metrics.registry import ENDPOINTS, leading
from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.tables.measures import endpoint_notes
from nnunet_tv.reporting.tables.table import FEW, Table
from nnunet_tv.scoring.participants import NOT_GIVEN, Participants
from nnunet_tv.utils.errors import NnunetTVError

#: Strata that need no column.
SIZE, CONTRAST, HEMISPHERE = OWN = ("size", "contrast", "hemisphere")
NO_LESION = "no lesion"
#: A column of numbers with more values than this is cut into thirds.
_MANY = 6
_TITLES = {SIZE: "lesion size, thirds", CONTRAST: "lesion contrast, thirds"}
_NOTES = {
    SIZE: "Thirds of the volume of the whole reference among subjects with a lesion.",
    CONTRAST: "Contrast: mean of the lesion minus mean of the 5 mm around it, over the standard deviation of the brain "
              "(nonzero voxels), in the first scan of --images; thirds.",
    HEMISPHERE: "Side of the participants table; where it gives none, of the lesion's centroid in scanner coordinates "
                "(x below 0 is left), which is right where the midline is near x = 0.",
}


def make_strata(
    names: Sequence[str], references: Mapping[str, CaseScore], *, participants: Participants | None = None,
    contrast: Mapping[str, float] | None = None,
) -> dict[str, dict[str, str]]:
    """Level of every case in every stratum; errors are those of :func:`check_strata`.

    Parameters
    ----------
    names : sequence of str
        ``size`` and ``contrast`` (thirds of the scored lesions), ``hemisphere`` (a column of that name, else the
        side of the lesion's centroid), or columns of the participants table.
    references : mapping of str to CaseScore
        Any score of each case, for its reference.
    participants, contrast : mapping, optional
        Columns and lesion contrast by case.
    """
    check_strata(names, participants, has_images=contrast is not None)
    return {name: _levels(name, references, participants or {}, contrast or {}) for name in dict.fromkeys(names)}


def check_strata(names: Sequence[str], participants: Participants | None, *, has_images: bool) -> None:
    """Raise NnunetTVError for a name that is no column and not in :data:`OWN`, or ``contrast`` without images."""
    columns = _columns(participants)
    for name in names:
        if name not in (*OWN, *columns):
            raise NnunetTVError(f"stratum {name!r}: neither a column of the participants table "
                                f"({', '.join(columns) or 'none for these cases'}) nor one of {', '.join(OWN)}")
        if name == CONTRAST and name not in columns and not has_images:
            raise NnunetTVError("stratum contrast: the contrast of a lesion is measured on the scans; give --images")


def _columns(participants: Participants | None) -> list[str]:
    return sorted({column for line in (participants or {}).values() for column in line})


def _levels(
    name: str, references: Mapping[str, CaseScore], participants: Participants, contrast: Mapping[str, float]
) -> dict[str, str]:
    column = {case: participants.get(case, {}).get(name, NOT_GIVEN) for case in references}
    if name == HEMISPHERE:
        return {case: side_of_lesion(score) if column[case] == NOT_GIVEN else column[case]
                for case, score in references.items()}
    if name in _columns(participants):
        return _numbers_in_thirds(column)
    if name == SIZE:
        sizes = {case: score.reference_mm3 for case, score in references.items() if score.n_lesions}
        levels = thirds(sizes, unit=" mm³", digits=0)
    else:
        levels = thirds(contrast, digits=2)
    return {case: levels.get(case, NOT_GIVEN if score.n_lesions else NO_LESION) for case, score in references.items()}


def thirds(values: Mapping[str, float], *, unit: str = "", digits: int = 1) -> dict[str, str]:
    """Case to its third, named by its limits; fewer parts where values are equal.

    Examples
    --------
    >>> thirds({"a": 1.0, "b": 2.0, "c": 3.0}, unit=" mm³", digits=0)
    {'a': '1: up to 1 mm³', 'b': '2: 2 to 2 mm³', 'c': '3: 3 mm³ and more'}
    """
    if not values:
        return {}
    ordered = np.sort(np.array(list(values.values()), float))
    limits = np.unique([ordered[max(0, -(-len(ordered) * part // 3) - 1)] for part in (1, 2)])
    places = {case: int(np.searchsorted(limits, value, side="left")) for case, value in values.items()}
    first, last = min(places.values()), max(places.values())
    names = {}
    for place in set(places.values()):
        inside = [values[case] for case in places if places[case] == place]
        low, high = (f"{value:.{digits}f}" for value in (min(inside), max(inside)))
        range_text = (f"up to {high}{unit}" if place == first else
                      f"{low}{unit} and more" if place == last else f"{low} to {high}{unit}")
        names[place] = f"{place + 1}: {range_text}"
    return {case: names[place] for case, place in places.items()}


def _numbers_in_thirds(column: dict[str, str]) -> dict[str, str]:
    """Columns of many numbers, such as the age, in thirds; others are not changed."""
    try:
        numbers = {case: float(text) for case, text in column.items() if text != NOT_GIVEN}
    except ValueError:
        return column
    if len(set(numbers.values())) <= _MANY:
        return column
    return {**column, **thirds(numbers, digits=0 if all(value.is_integer() for value in numbers.values()) else 1)}


def side_of_lesion(score: CaseScore) -> str:
    """L or R, by the sign of the scanner x of the whole reference's centroid."""
    if not score.n_lesions:
        return NO_LESION
    if not any(lesion.volume_mm3 for lesion in score.lesions):
        return NOT_GIVEN
    return "L" if sum(lesion.centroid_mm[0] * lesion.volume_mm3 for lesion in score.lesions) < 0 else "R"


def stratum_table(
    groups: Sequence[GroupStage], name: str, levels: Mapping[str, str], *, settings: Mapping[str, Any], seed: int = 0
) -> Table:
    """The endpoints of each level of a stratum, with n and intervals; `settings` are those of the report."""
    rows, endpoints = [], [endpoint.with_settings(settings) for endpoint in leading(ENDPOINTS.values(), "sSens")]
    for level in sorted(set(levels.values()), key=lambda level: (level in (NOT_GIVEN, NO_LESION), level)):
        for group in groups:
            part = group.only({case for case, found in levels.items() if found == level})
            rows.append((level, part.group, part.stage, len(part.scores),
                         *(part.interval(endpoint, seed=seed) for endpoint in endpoints),
                         "descriptive" if len(part.scores) < FEW else ""))
    key = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
    return Table(
        f"strata-{key}", f"By {_TITLES.get(name, name)}",
        ("Level", "Group", "Stage", "Subjects", *(endpoint.short_label for endpoint in endpoints), "Reading"),
        tuple(rows), folded=True,
        digits={endpoint.short_label: endpoint.digits for endpoint in endpoints},
        notes=(_NOTES.get(name, f"Levels of the column {name} of the participants table."),
               f"Cells with fewer than {FEW} subjects are descriptive. Differences between levels are not tested here; "
               "levels differ in more than their name.",
               *endpoint_notes(endpoints, seed=seed)),
    )

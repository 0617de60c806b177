"""How many subjects have a mark at each voxel, and the places where it is more than chance allows."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnunet_tv.imaging.clusters import label_clusters
from nnunet_tv.imaging.grid import Grid
from nnunet_tv.metrics.components import find_components
from nnunet_tv.metrics.scores import Point
from nnunet_tv.reporting.cohort.brain import CohortBrain
from nnunet_tv.reporting.cohort.chance import count_limit
from nnunet_tv.scoring.case_scoring import grid_text
from nnunet_tv.scoring.marks import Marks

#: Folder of the maps in a report folder.
FOLDER = "cohort"


@dataclass(frozen=True)
class Place:
    """Voxels that touch each other and that more subjects mark than chance allows.

    Counts are those at its most marked voxel, which is at `peak_mm`.
    """

    centroid_mm: Point  #: scanner mm, RAS+
    peak_mm: Point
    volume_mm3: float
    n_subjects: int
    n_false: int  #: of these, subjects in whom the voxel is in a false cluster by the primary rule
    n_controls: int
    region: str = ""  #: side and anatomical region; empty outside of the template's space


@dataclass(frozen=True)
class CohortMap:
    """The map of one group at one stage."""

    group: str
    stage: str
    stem: str  #: of its files
    n_subjects: int
    n_controls: int  #: of the subjects, those without a reference
    n_marked: int  #: subjects with any voxel
    most: int  #: subjects that mark the same voxel, at most
    peak_mm: Point | None  #: where; None if no subject marks any
    limit: int | None  #: subjects from which a place is flagged; None if no number is beyond chance
    places: tuple[Place, ...] = ()  #: those with the most false clusters first

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CohortMap:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        places = tuple(Place(**{**each, **{name: tuple(each[name]) for name in ("centroid_mm", "peak_mm")}})
                       for each in content["places"])
        peak = content["peak_mm"]
        return cls(**{**content, "places": places, "peak_mm": None if peak is None else tuple(peak)})


@dataclass(frozen=True)
class Cohort:
    """Maps of all groups, or the reason why there is none."""

    maps: tuple[CohortMap, ...] = ()
    reason: str = ""
    brain: str = ""  #: what was taken as the brain
    background: str = ""  #: what the pictures show
    connectivity: int = 26  #: which voxels touch

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Cohort:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        return cls(**{**content, "maps": tuple(CohortMap.from_dict(each) for each in content["maps"])})


def other_grid(marks: Sequence[Marks]) -> str:
    """The reason why marks share no grid, with the first that differs; an empty string if they do."""
    first = marks[0]
    other = next((one for one in marks if not one.grid.matches(first.grid)), None)
    return "" if other is None else (f"{first.case} is on a grid of {grid_text(first.grid)}, {other.case} on one of "
                                     f"{grid_text(other.grid)}")


def count_marks(marks: Sequence[Marks], *, false: bool = False) -> np.ndarray:
    """Number of subjects with a mark at each voxel, or with one in a false cluster; shape of the grid, int16."""
    counts = np.zeros(int(np.prod(marks[0].grid.shape)), np.int16)
    for one in marks:
        counts[one.voxels[one.false] if false else one.voxels] += 1
    return counts.reshape(marks[0].grid.shape)


def make_map(
    marks: Sequence[Marks], brain: CohortBrain, *, controls: Collection[str] = (), stem: str = "",
    connectivity: int = 26, region: Callable[[np.ndarray], str] | None = None,
) -> tuple[CohortMap, np.ndarray]:
    """Return the map of one group at one stage and the number of subjects at each voxel.

    `marks` are on one grid, one for each subject; some of the subjects are `controls`. The limit is that of
    :func:`nnunet_tv.reporting.cohort.chance.count_limit` for the clusters of each subject's marks; voxels are searched
    in the brain and wherever a subject has a mark outside of it. `region` names a place by its points in mm, shape
    (n, 3).
    """
    first, grid, counts = marks[0], marks[0].grid, count_marks(marks)
    searched = counts.size if brain.mask is None else int((brain.mask | (counts > 0)).sum())
    limit = count_limit([brain.chance(_cluster_sizes(one, connectivity)) for one in marks], searched_voxels=searched)
    false = count_marks(marks, false=True)
    places = []
    if limit is not None and counts.max() >= limit:
        parts = find_components(counts >= limit, connectivity=connectivity)
        for number, centre in enumerate(parts.centres()):
            voxels = parts.voxels[parts.numbers == number]
            peak = _peak(voxels, counts, false)
            at_peak = int(np.ravel_multi_index(peak, grid.shape))
            there = [one.case for one in marks if _has(one.voxels, at_peak)]
            places.append(Place(_point(grid, centre), _point(grid, np.array(peak)), len(voxels) * grid.voxel_mm3,
                                len(there), int(false[peak]), sum(case in controls for case in there),
                                region(grid.to_mm(voxels)) if region is not None else ""))
    places.sort(key=lambda place: (-place.n_false, -place.n_subjects, -place.volume_mm3, place.centroid_mm))
    most = int(counts.max())
    top = _peak(np.argwhere(counts == most), counts, false) if most else None
    return CohortMap(
        first.group, first.stage, stem, len(marks), sum(one.case in controls for one in marks),
        sum(len(one.voxels) > 0 for one in marks), most, None if top is None else _point(grid, np.array(top)), limit,
        tuple(places)), counts


def file_stems(groups: Sequence[str]) -> dict[str, str]:
    """Names of files for names of groups, which may contain any character: letters, digits, and no two alike."""
    stems: dict[str, str] = {}
    for group in dict.fromkeys(groups):
        plain = re.sub(r"[^\w+-]+", "_", group).strip("_")[:60] or "group"
        stem, number = plain, 2
        while stem.casefold() in {taken.casefold() for taken in stems.values()}:
            stem, number = f"{plain}-{number}", number + 1
        stems[group] = stem
    return stems


def _peak(voxels: np.ndarray, counts: np.ndarray, false: np.ndarray) -> tuple[int, ...]:
    """Of the voxels, shape (n, 3), the most marked; of several the one with most false clusters, in their middle."""
    for values in (counts, false):
        here = values[tuple(voxels.T)]
        voxels = voxels[here == here.max()]
    nearest = ((voxels - voxels.mean(axis=0)) ** 2).sum(axis=1).argmin()
    return tuple(int(index) for index in voxels[nearest])


def _cluster_sizes(marks: Marks, connectivity: int) -> np.ndarray:
    """Voxels of each cluster of a subject's marks, shape (clusters,)."""
    if not len(marks.voxels):
        return np.zeros(0, np.int64)
    indices = np.array(np.unravel_index(marks.voxels, marks.grid.shape))
    indices -= indices.min(axis=1, keepdims=True)
    mask = np.zeros(indices.max(axis=1) + 1, bool)
    mask[tuple(indices)] = True
    labels, _ = label_clusters(mask, connectivity=connectivity)
    return np.bincount(labels[mask])[1:]


def _has(voxels: np.ndarray, position: int) -> bool:
    place = np.searchsorted(voxels, position)
    return bool(place < len(voxels) and voxels[place] == position)


def _point(grid: Grid, index: np.ndarray) -> Point:
    x, y, z = (round(float(value), 3) + 0.0 for value in grid.to_mm(index))
    return x, y, z

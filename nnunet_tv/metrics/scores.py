"""Scores of one case as plain data, without images: ready for tables and for JSON (``dataclasses.asdict``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCORED = "scored"
EMPTY_REFERENCE = "empty reference"
EMPTY_PREDICTION = "empty prediction"
BOTH_EMPTY = "both empty"

Point = tuple[float, float, float]


@dataclass(frozen=True)
class HitCounts:
    """Counts under one hit rule; `detected` is None without a lesion."""

    detected: bool | None
    n_false_clusters: int
    n_true_clusters: int
    n_lesions_found: int


@dataclass(frozen=True)
class ClusterScore:
    """One cluster of a prediction.

    `rank` counts from 1, in the order of :func:`nnunet_tv.metrics.components.confidence_key`.
    `centroid_mm` is the centre of mass, scanner mm, RAS+. `distance_mm` is the smallest distance to the reference
    between voxel centres, None without a lesion or where distances are not measured. `true` is by hit rule.
    """

    rank: int
    voxels: int
    volume_mm3: float
    centroid_mm: Point
    overlap_voxels: int
    distance_mm: float | None
    peak_probability: float | None
    mean_probability: float | None
    true: dict[str, bool]


@dataclass(frozen=True)
class LesionScore:
    """One component of a reference; `index` counts from 1, the largest, and `found` is by hit rule."""

    index: int
    voxels: int
    volume_mm3: float
    centroid_mm: Point
    overlap_voxels: int
    found: dict[str, bool]


@dataclass(frozen=True)
class CaseScore:
    """Score of one prediction; counts of hits are under the primary (first) hit rule."""

    status: str  #: ``scored``, ``empty reference``, ``empty prediction`` or ``both empty``
    tp: int  #: true positive voxels
    fp: int
    fn: int
    dice: float
    detected: bool | None
    n_clusters: int  #: components of the prediction
    n_false_clusters: int
    n_lesions: int  #: components of the reference
    n_lesions_hit: int
    reference_mm3: float
    predicted_mm3: float
    worst_mm: float = 0.0  #: the image's diagonal, between the centres of opposite corner voxels
    hits: dict[str, HitCounts] = field(default_factory=dict)  #: by hit rule
    measures: dict[str, float | None] = field(default_factory=dict)  #: by key; None where undefined or not measured
    clusters: tuple[ClusterScore, ...] = ()  #: by rank
    lesions: tuple[LesionScore, ...] = ()  #: by size

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CaseScore:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        content = dict(content)
        content["hits"] = {rule: HitCounts(**counts) for rule, counts in content.get("hits", {}).items()}
        for name, kind in (("clusters", ClusterScore), ("lesions", LesionScore)):
            content[name] = tuple(kind(**{**part, "centroid_mm": tuple(part["centroid_mm"])})
                                  for part in content.get(name, ()))
        return cls(**content)

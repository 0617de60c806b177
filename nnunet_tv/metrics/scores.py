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

    `rank` counts from 1: by mean probability, then peak, then volume; by volume where there are no probabilities.
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
    """Score of one prediction.

    Attributes
    ----------
    status : str
        ``scored``, ``empty reference``, ``empty prediction`` or ``both empty``.
    tp, fp, fn : int
        Voxels: true positive, false positive, false negative.
    dice, detected, n_false_clusters
        Measures, see :mod:`nnunet_tv.metrics.registry`; the last two under the primary (first) hit rule.
    n_clusters, n_lesions : int
        Components of the prediction and of the reference.
    n_lesions_hit : int
        Lesions found under the primary hit rule.
    reference_mm3, predicted_mm3 : float
        Volumes in mm³.
    worst_mm : float
        The image's diagonal, between the centres of opposite corner voxels: no distance is larger, and a penalised
        mean takes it for an undefined one.
    hits : dict of str to HitCounts
        By hit rule; the first is the primary one.
    measures : dict of str to float or None
        All other measures by key; None where undefined or not requested.
    clusters, lesions : tuple
        Components of the prediction by rank, and of the reference by size.
    """

    status: str
    tp: int
    fp: int
    fn: int
    dice: float
    detected: bool | None
    n_clusters: int
    n_false_clusters: int
    n_lesions: int
    n_lesions_hit: int
    reference_mm3: float
    predicted_mm3: float
    worst_mm: float = 0.0
    hits: dict[str, HitCounts] = field(default_factory=dict)
    measures: dict[str, float | None] = field(default_factory=dict)
    clusters: tuple[ClusterScore, ...] = ()
    lesions: tuple[LesionScore, ...] = ()

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CaseScore:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        content = dict(content)
        content["hits"] = {rule: HitCounts(**counts) for rule, counts in content.get("hits", {}).items()}
        for name, kind in (("clusters", ClusterScore), ("lesions", LesionScore)):
            content[name] = tuple(kind(**{**part, "centroid_mm": tuple(part["centroid_mm"])})
                                  for part in content.get(name, ()))
        return cls(**content)

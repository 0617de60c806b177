"""What scoring gives: plain data without images, ready for tables and for JSON (``dataclasses.asdict``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SCORED = "scored"
EMPTY_REFERENCE = "empty reference"
EMPTY_PREDICTION = "empty prediction"
BOTH_EMPTY = "both empty"
MISSING = "missing prediction"
MISMATCH = "geometry mismatch"
UNUSABLE = "unusable file"
UNFILTERED = "cannot be filtered"

RAW, FILTERED = "raw", "filtered"
STAGES = (RAW, FILTERED)

#: Keys of :attr:`CaseScore.measures`.
DISTANCES_MM = ("hd95_mm", "masd_mm", "assd_mm")
MEASURE_KEYS = ("sensitivity", "precision", "f2", *DISTANCES_MM, "nsd", "lesion_precision", "lesion_recall",
                "lesion_f1", "average_precision")

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

    Attributes
    ----------
    rank : int
        From 1: by mean probability, then peak, then volume; by volume where there are no probabilities.
    voxels, volume_mm3 : int, float
        Size.
    centroid_mm : tuple of 3 floats
        Centre of mass, scanner mm, RAS+.
    overlap_voxels : int
        Voxels shared with the reference.
    distance_mm : float or None
        Smallest distance to the reference between voxel centres, 0 where they share one; None without a
        lesion, or where no distance was asked for.
    peak_probability, mean_probability : float or None
        Over its voxels.
    true : dict of str to bool
        Whether it is a true cluster, by hit rule.
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
    """One component of a reference; `index` counts from 1, the largest.

    The other attributes are those of :class:`ClusterScore`; `overlap_voxels` are shared with the prediction, and
    `found` says by hit rule whether the lesion is found.
    """

    index: int
    voxels: int
    volume_mm3: float
    centroid_mm: Point
    overlap_voxels: int
    found: dict[str, bool]


@dataclass(frozen=True)
class CaseScore:
    """How one prediction meets its reference.

    Attributes
    ----------
    status : str
        ``scored``, ``empty reference``, ``empty prediction`` or ``both empty``.
    tp, fp, fn : int
        Voxels: true positive, false positive, false negative.
    dice : float
        2·tp / (2·tp + fp + fn); 1 when both are empty, 0 when one is.
    detected : bool or None
        Whether the primary hit rule (the first) is met; None without a lesion.
    n_clusters, n_false_clusters : int
        Components of the prediction; those of them that are not true under the primary rule.
    n_lesions, n_lesions_hit : int
        Components of the reference; those of them that are found under the primary rule.
    reference_mm3, predicted_mm3 : float
        Volumes in mm³.
    worst_mm : float
        The image's diagonal, between the centres of opposite corner voxels: no distance is larger, and a
        penalised mean takes it for an undefined one.
    hits : dict of str to HitCounts
        By hit rule; the first is the primary one.
    measures : dict of str to float or None
        By :data:`MEASURE_KEYS`; None is undefined, or was not asked for. See
        :func:`nnunet_tv.metrics.case_metrics.score_case`.
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
        """The score that ``dataclasses.asdict`` (and JSON) made `content` of."""
        content = dict(content)
        content["hits"] = {rule: HitCounts(**counts) for rule, counts in content.get("hits", {}).items()}
        for name, kind in (("clusters", ClusterScore), ("lesions", LesionScore)):
            content[name] = tuple(kind(**{**part, "centroid_mm": tuple(part["centroid_mm"])})
                                  for part in content.get(name, ()))
        return cls(**content)


@dataclass(frozen=True)
class LostLesions:
    """True lesions that the filter cost: found raw under the primary rule, not found filtered.

    `by_opening` of the `by_filter` were lost once opened and filled, `by_size` in the step after. Both are None
    where the filtered segmentation came as a file.
    """

    by_filter: int
    by_opening: int | None
    by_size: int | None


@dataclass(frozen=True)
class CaseRow:
    """One case of one run at one stage; `score` is None where there is nothing to score, and `problem` why.

    A missing prediction that was allowed has the status ``missing prediction`` and the score of an empty one.
    """

    case: str
    group: str
    run: int
    stage: str
    status: str
    score: CaseScore | None
    problem: str = ""
    lost: LostLesions | None = None

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> CaseRow:
        """The row that ``dataclasses.asdict`` (and JSON) made `content` of."""
        content = dict(content)
        for name, build in (("score", CaseScore.from_dict), ("lost", lambda part: LostLesions(**part))):
            content[name] = None if content.get(name) is None else build(content[name])
        return cls(**content)


@dataclass(frozen=True)
class Candidates:
    """Candidate clusters of one probability map, for curves over their confidence.

    See :func:`nnunet_tv.metrics.froc_candidates.find_candidates`.

    Attributes
    ----------
    case, group, run : str, str, int
        Whose map it is; `run` as in :class:`CaseRow`.
    threshold : float
        Least probability of a candidate's voxels.
    n_lesions : int
        Lesions of the reference; 0 for a subject without.
    confidence : tuple of float
        Peak probability of each candidate, falling.
    true : dict of str to tuple of bool
        By hit rule, for each candidate.
    lesions : dict of str to tuple of tuple of int
        By hit rule, for each candidate, the lesions (from 1) that it finds on its own.
    lesion_histogram, background_histogram : tuple of int
        Voxels inside and outside of the reference by probability, in equal bins from 0 to 1.
    """

    case: str
    group: str
    run: int
    threshold: float
    n_lesions: int
    confidence: tuple[float, ...]
    true: dict[str, tuple[bool, ...]]
    lesions: dict[str, tuple[tuple[int, ...], ...]]
    lesion_histogram: tuple[int, ...]
    background_histogram: tuple[int, ...]

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Candidates:
        """The candidates that ``dataclasses.asdict`` (and JSON) made `content` of."""
        content = dict(content)
        content["true"] = {rule: tuple(values) for rule, values in content["true"].items()}
        content["lesions"] = {rule: tuple(tuple(ids) for ids in values) for rule, values in content["lesions"].items()}
        for name in ("confidence", "lesion_histogram", "background_histogram"):
            content[name] = tuple(content[name])
        return cls(**content)

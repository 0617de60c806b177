"""Measures of one case: pure functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nnunet_tv.metrics.components import Components, as_mask, find_components
from nnunet_tv.metrics.distances import SurfaceDistances, between_surfaces
from nnunet_tv.metrics.hit_rules import DISTANCE, HitRule, parse_rules
from nnunet_tv.metrics.lesion_matching import Meeting
from nnunet_tv.metrics.scores import (
    BOTH_EMPTY,
    EMPTY_PREDICTION,
    EMPTY_REFERENCE,
    MEASURE_KEYS,
    SCORED,
    CaseScore,
    ClusterScore,
    HitCounts,
    LesionScore,
)

__all__ = ["average_precision", "score_case", "score_components"]


def score_case(
    prediction: np.ndarray,
    reference: np.ndarray,
    spacing_mm: Sequence[float],
    *,
    connectivity: int = 26,
    hits: Sequence[str | HitRule] = ("any",),
    affine: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    distances: bool = False,
    nsd_tolerance_mm: float = 2.0,
) -> CaseScore:
    """Score one prediction.

    Measures, by key of :attr:`CaseScore.measures` (TP, FP, FN are voxels):

    - ``sensitivity`` TP / (TP + FN), undefined without a lesion; ``precision`` TP / (TP + FP), undefined
      without a prediction; ``f2`` 5·TP / (5·TP + 4·FN + FP), 1 when both are empty, 0 when one is;
    - ``lesion_recall`` lesions found / lesions, ``lesion_precision`` true clusters / clusters, both under the
      primary rule and undefined where there is none to count; ``lesion_f1`` their harmonic mean, 1 when both
      masks are empty, 0 when one is;
    - ``hd95_mm``, ``masd_mm``, ``assd_mm``, ``nsd`` with `distances`, see
      :func:`nnunet_tv.metrics.distances.surface_distances` for definitions and empties;
    - ``average_precision`` with `probability`, see :func:`average_precision`; undefined without a lesion.

    Parameters
    ----------
    prediction, reference : ndarray, shape (X, Y, Z), bool or integer
        Masks of 0 and 1 on one grid.
    spacing_mm : sequence of 3 floats
        Voxel size in mm, in the order of the axes.
    connectivity : {26, 18, 6}
        Which neighbours make one cluster.
    hits : sequence of str or HitRule
        Hit rules; the first is the primary one.
    affine : ndarray, shape (4, 4), optional
        Voxel indices to scanner mm, for centroids; without it they are counted from the first voxel.
    probability : ndarray, shape (X, Y, Z), float, optional
        Lesion probability, 0 to 1, on the same grid.
    distances : bool
        Whether surface distances and the clusters' distances are measured.
    nsd_tolerance_mm : float
        Distance up to which surfaces agree.

    Returns
    -------
    CaseScore

    Raises
    ------
    ValueError
        Different shapes, not 3D, values other than 0 and 1, spacing not of three positive numbers, probabilities
        outside of 0..1, an affine that is not 4×4, a tolerance below 0, another connectivity or hit rule.
    """
    prediction, reference = as_mask(prediction, "prediction"), as_mask(reference, "reference")
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction {prediction.shape} and reference {reference.shape} differ in shape: "
                         "bring them onto one grid first")
    return score_components(
        find_components(prediction, connectivity=connectivity), find_components(reference, connectivity=connectivity),
        spacing_mm, hits=hits, affine=affine, probability=probability, distances=distances,
        nsd_tolerance_mm=nsd_tolerance_mm)


def score_components(
    clusters: Components,
    lesions: Components,
    spacing_mm: Sequence[float],
    *,
    hits: Sequence[str | HitRule] = ("any",),
    affine: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    distances: bool = False,
    nsd_tolerance_mm: float = 2.0,
) -> CaseScore:
    """As :func:`score_case`, of components found before: a reference's are the same for all its predictions."""
    rules, meeting = parse_rules(hits), Meeting(clusters, lesions, spacing_mm)
    _check(spacing_mm, affine, nsd_tolerance_mm)
    probability = None if probability is None else check_probability(probability, lesions.mask.shape)
    n_predicted, n_reference = len(clusters.voxels), len(lesions.voxels)
    tp = int(meeting.lesion_overlap.sum())
    voxel_mm3 = float(math.prod(spacing_mm))
    true = {str(rule): meeting.true_clusters(rule) for rule in rules}
    found = {str(rule): meeting.found_lesions(rule) for rule in rules}
    counts = {name: _counts(true[name], found[name]) for name in true}
    primary = counts[str(rules[0])]
    affine = np.diag([*spacing_mm, 1.0]) if affine is None else np.asarray(affine, float)
    measured = distances or any(rule.kind == DISTANCE for rule in rules)
    return CaseScore(
        status=_status(n_predicted, n_reference),
        tp=tp,
        fp=n_predicted - tp,
        fn=n_reference - tp,
        dice=2 * tp / (n_predicted + n_reference) if n_predicted + n_reference else 1.0,
        detected=primary.detected,
        n_clusters=len(clusters),
        n_false_clusters=primary.n_false_clusters,
        n_lesions=len(lesions),
        n_lesions_hit=primary.n_lesions_found,
        reference_mm3=n_reference * voxel_mm3,
        predicted_mm3=n_predicted * voxel_mm3,
        worst_mm=float(np.linalg.norm((np.array(lesions.mask.shape) - 1) * np.asarray(spacing_mm, float))),
        hits=counts,
        measures=dict(zip(MEASURE_KEYS, (
            *_overlap_measures(tp, n_predicted - tp, n_reference - tp),
            *(_distances(meeting, nsd_tolerance_mm) if distances else (None,) * 4),
            *_lesion_measures(primary, len(clusters), len(lesions)),
            None if probability is None else average_precision(probability, lesions.mask)), strict=True)),
        clusters=_cluster_scores(meeting, true, affine, voxel_mm3, probability, measured),
        lesions=_lesion_scores(meeting, found, affine, voxel_mm3),
    )


def average_precision(probability: np.ndarray, reference: np.ndarray) -> float | None:
    """Area under the precision-recall curve of a case: the sum over thresholds of (R_n - R_(n-1)) · P_n.

    Every probability in the reference is a threshold; nothing is interpolated. None without a lesion.

    Parameters
    ----------
    probability : ndarray, shape (X, Y, Z), float
        Lesion probability.
    reference : ndarray, shape (X, Y, Z), bool
        The lesion.
    """
    inside = probability[reference]
    if not inside.size:
        return None
    thresholds, counts = np.unique(inside, return_counts=True)
    high = (probability >= thresholds[0]) & ~reference
    outside = np.searchsorted(thresholds, probability[high], side="right")  # thresholds that it reaches
    false = np.bincount(outside, minlength=len(thresholds) + 1)[1:]
    tp, fp = np.cumsum(counts[::-1]), np.cumsum(false[::-1])
    return float((counts[::-1] / len(inside) * (tp / (tp + fp))).sum())


def check_probability(probability: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`probability` as an array; ValueError unless it has the shape and its values lie in 0..1."""
    probability = np.asarray(probability)
    if probability.shape != tuple(shape):
        raise ValueError(f"probability {probability.shape} and reference {tuple(shape)} differ in shape: bring them "
                         "onto one grid first")
    low, high = (float(probability.min()), float(probability.max())) if probability.size else (0.0, 0.0)
    if not (-1e-3 <= low and high <= 1 + 1e-3):  # NaN fails too
        raise ValueError(f"expected probabilities from 0 to 1, found {low:g} to {high:g}")
    return probability


def _check(spacing_mm: Sequence[float], affine: np.ndarray | None, nsd_tolerance_mm: float) -> None:
    if len(spacing_mm) != 3 or not all(0 < size < math.inf for size in spacing_mm):
        raise ValueError(f"expected spacing_mm of three positive numbers, found {tuple(spacing_mm)}")
    if affine is not None and np.shape(affine) != (4, 4):
        raise ValueError(f"expected an affine of shape (4, 4), found {np.shape(affine)}")
    if not 0 <= nsd_tolerance_mm < math.inf:
        raise ValueError(f"expected nsd_tolerance_mm from 0, found {nsd_tolerance_mm}")


def _counts(true: np.ndarray, found: np.ndarray) -> HitCounts:
    n_true = int(np.count_nonzero(true))
    return HitCounts(bool(found.any()) if len(found) else None, len(true) - n_true, n_true,
                     int(np.count_nonzero(found)))


def _overlap_measures(tp: int, fp: int, fn: int) -> tuple[float | None, float | None, float]:
    """Sensitivity, precision and F2."""
    sensitivity = tp / (tp + fn) if tp + fn else None
    precision = tp / (tp + fp) if tp + fp else None
    return sensitivity, precision, 5 * tp / (5 * tp + 4 * fn + fp) if tp + fp + fn else 1.0


def _lesion_measures(counts: HitCounts, clusters: int, lesions: int) -> tuple[float | None, float | None, float]:
    """Precision over clusters, recall over lesions, and their harmonic mean."""
    precision = counts.n_true_clusters / clusters if clusters else None
    recall = counts.n_lesions_found / lesions if lesions else None
    if precision is None and recall is None:
        return None, None, 1.0
    return precision, recall, 2 * precision * recall / (precision + recall) if precision and recall else 0.0


def _distances(meeting: Meeting, tolerance_mm: float) -> SurfaceDistances:
    predicted, reference = meeting.surface_points_mm()
    return between_surfaces(predicted, reference, tolerance_mm=tolerance_mm)


def _cluster_scores(
    meeting: Meeting, true: dict[str, np.ndarray], affine: np.ndarray, voxel_mm3: float,
    probability: np.ndarray | None, measured: bool,
) -> tuple[ClusterScore, ...]:
    parts = meeting.clusters
    n = len(parts)
    distances = meeting.distances_mm[0].tolist() if measured and meeting.distances_mm is not None else [None] * n
    peaks = means = [None] * n
    order = np.arange(n)
    if probability is not None:
        values = probability[tuple(parts.voxels.T)].astype(float)
        peaks, means = parts.largest(values), parts.means(values)
        order = np.lexsort((order, -parts.sizes, -peaks, -means))
        peaks, means = peaks.tolist(), means.tolist()
    centres = _world(parts, affine)
    return tuple(
        ClusterScore(rank, int(parts.sizes[i]), int(parts.sizes[i]) * voxel_mm3, centres[i],
                     int(meeting.cluster_overlap[i]), distances[i], peaks[i], means[i],
                     {rule: bool(values[i]) for rule, values in true.items()})
        for rank, i in enumerate(order.tolist(), 1))


def _lesion_scores(
    meeting: Meeting, found: dict[str, np.ndarray], affine: np.ndarray, voxel_mm3: float
) -> tuple[LesionScore, ...]:
    parts = meeting.lesions
    centres = _world(parts, affine)
    return tuple(
        LesionScore(i + 1, int(parts.sizes[i]), int(parts.sizes[i]) * voxel_mm3, centres[i],
                    int(meeting.lesion_overlap[i]), {rule: bool(values[i]) for rule, values in found.items()})
        for i in range(len(parts)))


def _world(parts: Components, affine: np.ndarray) -> list[tuple[float, float, float]]:
    return [tuple(point) for point in (parts.centres() @ affine[:3, :3].T + affine[:3, 3]).tolist()]


def _status(n_predicted: int, n_reference: int) -> str:
    if n_reference:
        return SCORED if n_predicted else EMPTY_PREDICTION
    return EMPTY_REFERENCE if n_predicted else BOTH_EMPTY

"""Score of one case: a pure function of arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_tv.metrics.average_precision import check_probability
from nnunet_tv.metrics.components import Components, as_mask, find_components
from nnunet_tv.metrics.distances import SurfaceDistances, between_points
from nnunet_tv.metrics.hit_rules import DISTANCE, HitRule, parse_rules
from nnunet_tv.metrics.lesion_counts import detected, n_false_clusters
from nnunet_tv.metrics.lesion_matching import LesionMatching
from nnunet_tv.metrics.registry import HEADLINE, MEASURES
from nnunet_tv.metrics.scores import (
    BOTH_EMPTY,
    EMPTY_PREDICTION,
    EMPTY_REFERENCE,
    SCORED,
    CaseScore,
    ClusterScore,
    HitCounts,
    LesionScore,
    Point,
)


@dataclass(frozen=True)
class MeasureInputs:
    """Arguments of the measures in :mod:`nnunet_tv.metrics.registry`.

    `n_true_clusters` and `n_lesions_found` count under the primary hit rule; `reference` is the mask, shape (X, Y, Z),
    bool; `probability` and `surface_distances` are None where they are not given or not measured.
    """

    tp: int
    fp: int
    fn: int
    n_clusters: int
    n_true_clusters: int
    n_lesions: int
    n_lesions_found: int
    predicted_mm3: float
    reference_mm3: float
    reference: np.ndarray
    probability: np.ndarray | None
    surface_distances: SurfaceDistances | None
    nsd_tolerance_mm: float


def score_case(
    prediction: np.ndarray | Components,
    reference: np.ndarray | Components,
    spacing_mm: Sequence[float],
    *,
    connectivity: int = 26,
    hits: Sequence[str | HitRule] = ("any",),
    affine: np.ndarray | None = None,
    probability: np.ndarray | None = None,
    distances: bool = False,
    nsd_tolerance_mm: float = 2.0,
) -> CaseScore:
    """Score one prediction by every measure of :mod:`nnunet_tv.metrics.registry`.

    Parameters
    ----------
    prediction, reference : ndarray, shape (X, Y, Z), bool or integer, or Components
        Masks of 0 and 1 on one grid; or their components, so that those of a reference are found once for all its
        predictions.
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

    Examples
    --------
    >>> reference = np.zeros((8, 8, 8), bool)
    >>> reference[2:6, 2:6, 2:6] = True
    >>> score = score_case(np.roll(reference, 1, axis=0), reference, (1.0, 1.0, 1.0))
    >>> score.dice, score.detected, score.n_false_clusters
    (0.75, True, 0)
    """
    _check(spacing_mm, affine, nsd_tolerance_mm)
    clusters, lesions = (part if isinstance(part, Components)
                         else find_components(as_mask(part, name), connectivity=connectivity)
                         for part, name in ((prediction, "prediction"), (reference, "reference")))
    shape = lesions.mask.shape
    if clusters.mask.shape != shape:
        raise ValueError(f"prediction {clusters.mask.shape} and reference {shape} differ in shape: bring them onto one "
                         "grid first")
    probability = None if probability is None else check_probability(probability, shape)
    matching, rules = LesionMatching(clusters, lesions, spacing_mm), parse_rules(hits)
    counts = {str(rule): _counts(matching, rule) for rule in rules}
    primary, tp, voxel_mm3 = counts[str(rules[0])], int(matching.lesion_overlap.sum()), float(math.prod(spacing_mm))
    inputs = MeasureInputs(
        tp, len(clusters.voxels) - tp, len(lesions.voxels) - tp, len(clusters), primary.n_true_clusters, len(lesions),
        primary.n_lesions_found, len(clusters.voxels) * voxel_mm3, len(lesions.voxels) * voxel_mm3, lesions.mask,
        probability, between_points(*matching.surface_points_mm()) if distances else None, nsd_tolerance_mm)
    measures = {measure.key: measure.compute(inputs) for measure in MEASURES}
    nearest = matching.distances_mm if distances or any(rule.kind == DISTANCE for rule in rules) else None
    affine = np.diag([*spacing_mm, 1.0]) if affine is None else np.asarray(affine, float)
    return CaseScore(
        status=(SCORED if clusters else EMPTY_PREDICTION) if lesions else (EMPTY_REFERENCE if clusters else BOTH_EMPTY),
        tp=inputs.tp,
        fp=inputs.fp,
        fn=inputs.fn,
        n_clusters=len(clusters),
        n_lesions=len(lesions),
        n_lesions_hit=primary.n_lesions_found,
        reference_mm3=inputs.reference_mm3,
        predicted_mm3=inputs.predicted_mm3,
        worst_mm=float(np.linalg.norm((np.array(shape) - 1) * np.asarray(spacing_mm, float))),
        hits=counts,
        **{key: measures.pop(key) for key in [measure.key for measure in HEADLINE]},
        measures=measures,
        clusters=_cluster_scores(matching, rules, affine, probability,
                                 None if nearest is None else nearest[0].tolist()),
        lesions=_lesion_scores(matching, rules, affine),
    )


def _check(spacing_mm: Sequence[float], affine: np.ndarray | None, nsd_tolerance_mm: float) -> None:
    if len(spacing_mm) != 3 or not all(0 < size < math.inf for size in spacing_mm):
        raise ValueError(f"expected spacing_mm of three positive numbers, found {tuple(spacing_mm)}")
    if affine is not None and np.shape(affine) != (4, 4):
        raise ValueError(f"expected an affine of shape (4, 4), found {np.shape(affine)}")
    if not 0 <= nsd_tolerance_mm < math.inf:
        raise ValueError(f"expected nsd_tolerance_mm from 0, found {nsd_tolerance_mm}")


def _counts(matching: LesionMatching, rule: HitRule) -> HitCounts:
    true, found = int(matching.true_clusters(rule).sum()), int(matching.found_lesions(rule).sum())
    false = n_false_clusters(true, len(matching.clusters))
    return HitCounts(detected(found, len(matching.lesions)), false, true, found)


def _cluster_scores(
    matching: LesionMatching, rules: Sequence[HitRule], affine: np.ndarray, probability: np.ndarray | None,
    distances: list[float] | None,
) -> tuple[ClusterScore, ...]:
    parts, unknown = matching.clusters, [None] * len(matching.clusters)
    order, peaks, means = np.arange(len(parts)), unknown, unknown
    if probability is not None:
        values = probability[tuple(parts.voxels.T)].astype(float)
        peak, mean = parts.largest(values), parts.means(values)
        order, peaks, means = np.lexsort((order, -parts.sizes, -peak, -mean)), peak.tolist(), mean.tolist()
    described = _described(parts, matching.cluster_overlap, matching.spacing_mm, affine)
    true = _by_part(rules, matching.true_clusters)
    scores = []
    for rank, i in enumerate(order.tolist(), 1):
        voxels, volume_mm3, centroid_mm, overlap = described[i]
        scores.append(ClusterScore(rank, voxels, volume_mm3, centroid_mm, overlap, (distances or unknown)[i],
                                   peaks[i], means[i], true[i]))
    return tuple(scores)


def _lesion_scores(
    matching: LesionMatching, rules: Sequence[HitRule], affine: np.ndarray
) -> tuple[LesionScore, ...]:
    described = _described(matching.lesions, matching.lesion_overlap, matching.spacing_mm, affine)
    found = _by_part(rules, matching.found_lesions)
    return tuple(LesionScore(i + 1, *described[i], found[i]) for i in range(len(described)))


def _described(
    parts: Components, overlap: np.ndarray, spacing_mm: Sequence[float], affine: np.ndarray
) -> list[tuple[int, float, Point, int]]:
    """Voxels, volume in mm³, centroid in mm and overlap of each component."""
    voxel_mm3 = float(math.prod(spacing_mm))
    centres = (parts.centres() @ affine[:3, :3].T + affine[:3, 3]).tolist()
    return [(size, size * voxel_mm3, tuple(centre), shared)
            for size, centre, shared in zip(parts.sizes.tolist(), centres, overlap.tolist(), strict=True)]


def _by_part(rules: Sequence[HitRule], hit: Callable[[HitRule], np.ndarray]) -> list[dict[str, bool]]:
    """For each component, whether each rule is met."""
    values = {str(rule): hit(rule).tolist() for rule in rules}
    return [dict(zip(values, each, strict=True)) for each in zip(*values.values(), strict=True)]

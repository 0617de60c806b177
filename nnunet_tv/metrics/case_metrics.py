"""Score of one case: a pure function of arrays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_tv.metrics.components import Components, as_mask, find_components
from nnunet_tv.metrics.distances import SurfaceDistances, between_points
from nnunet_tv.metrics.hit_rules import DISTANCE, HitRule, parse_rules
from nnunet_tv.metrics.lesion_counts import detected, n_false_clusters
from nnunet_tv.metrics.lesion_matching import LesionMatching
from nnunet_tv.metrics.probability import check_probability
from nnunet_tv.metrics.registry import HEADLINE, MEASURES, NSD_TOLERANCE_MM
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

    `n_true_clusters`, `n_lesions_found` and `n_matched` (pairs, one to one) count under the primary hit rule;
    `reference` is the mask, shape (X, Y, Z), bool; `probability` and `surface_distances` are None where they are not
    given or not measured.
    """

    tp: int
    fp: int
    fn: int
    n_clusters: int
    n_true_clusters: int
    n_lesions: int
    n_lesions_found: int
    n_matched: int
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
    nsd_tolerance_mm: float = NSD_TOLERANCE_MM,
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
    hit = {str(rule): matching.hits(rule) for rule in rules}
    counts = {rule: _counts(*each) for rule, each in hit.items()}
    primary, tp, voxel_mm3 = counts[str(rules[0])], int(matching.overlap[1].sum()), float(math.prod(spacing_mm))
    surfaces = [points for points, _ in matching.surfaces] if distances else []
    inputs = MeasureInputs(
        tp=tp, fp=len(clusters.voxels) - tp, fn=len(lesions.voxels) - tp,
        n_clusters=len(clusters), n_true_clusters=primary.n_true_clusters,
        n_lesions=len(lesions), n_lesions_found=primary.n_lesions_found, n_matched=matching.n_matched(rules[0]),
        predicted_mm3=len(clusters.voxels) * voxel_mm3, reference_mm3=len(lesions.voxels) * voxel_mm3,
        reference=lesions.mask, probability=probability,
        surface_distances=between_points(*surfaces) if distances else None, nsd_tolerance_mm=nsd_tolerance_mm)
    measures = {measure.key: measure.compute(inputs) for measure in MEASURES}
    measured = lesions and (distances or any(rule.kind == DISTANCE for rule in rules))
    nearest = matching.distances_mm[0].tolist() if measured else [None] * len(clusters)
    affine = np.diag([*spacing_mm, 1.0]) if affine is None else np.asarray(affine, float)
    described = [_described(parts, overlap, voxel_mm3, affine)
                 for parts, overlap in zip((clusters, lesions), matching.overlap, strict=True)]
    true, found = (_by_part(hit, side) for side in (0, 1))
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
        clusters=tuple(ClusterScore(rank, *described[0][i], nearest[i], peak, mean, true[i])
                       for rank, (i, peak, mean) in enumerate(_ranked(clusters, probability), 1)),
        lesions=tuple(LesionScore(number, *one, each)
                      for number, (one, each) in enumerate(zip(described[1], found, strict=True), 1)),
    )


def _check(spacing_mm: Sequence[float], affine: np.ndarray | None, nsd_tolerance_mm: float) -> None:
    if len(spacing_mm) != 3 or not all(0 < size < math.inf for size in spacing_mm):
        raise ValueError(f"expected spacing_mm of three positive numbers, found {tuple(spacing_mm)}")
    if affine is not None and np.shape(affine) != (4, 4):
        raise ValueError(f"expected an affine of shape (4, 4), found {np.shape(affine)}")
    if not 0 <= nsd_tolerance_mm < math.inf:
        raise ValueError(f"expected nsd_tolerance_mm from 0, found {nsd_tolerance_mm}")


def _counts(true: np.ndarray, found: np.ndarray) -> HitCounts:
    n_true, n_found = int(true.sum()), int(found.sum())
    return HitCounts(detected(n_found, len(found)), n_false_clusters(n_true, len(true)), n_true, n_found)


def _by_part(hits: Mapping[str, Sequence[np.ndarray]], side: int) -> list[dict[str, bool]]:
    """For each cluster (`side` 0) or lesion, whether each rule is met."""
    columns = [pair[side].tolist() for pair in hits.values()]
    return [dict(zip(hits, each, strict=True)) for each in zip(*columns, strict=True)]


def _ranked(clusters: Components, probability: np.ndarray | None) -> list[tuple[int, float | None, float | None]]:
    """Index, peak and mean probability of each cluster, by rank."""
    if probability is None:
        return [(i, None, None) for i in range(len(clusters))]
    return list(zip(*(column.tolist() for column in clusters.by_confidence(probability)), strict=True))


def _described(
    parts: Components, overlap: np.ndarray, voxel_mm3: float, affine: np.ndarray
) -> list[tuple[int, float, Point, int]]:
    """Voxels, volume in mm³, centroid in mm and overlap of each component."""
    centres = (parts.centres() @ affine[:3, :3].T + affine[:3, 3]).tolist()
    return [(size, size * voxel_mm3, (x, y, z), shared)
            for size, (x, y, z), shared in zip(parts.sizes.tolist(), centres, overlap.tolist(), strict=True)]

"""Candidate clusters of a probability map, for FROC and precision-recall curves over all cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnunet_tv.metrics.average_precision import check_probability
from nnunet_tv.metrics.components import Components, as_mask, find_components
from nnunet_tv.metrics.hit_rules import HitRule, parse_rules
from nnunet_tv.metrics.lesion_matching import LesionMatching

#: Least probability of a candidate's voxels.
THRESHOLD = 0.1
#: Bins of the histograms, equal from 0 to 1: one half is an edge, so they hold the hard segmentation too.
BINS = 200


@dataclass(frozen=True)
class FrocCandidates:
    """Candidate clusters of one probability map, plain data."""

    case: str
    group: str
    run: int
    threshold: float  #: least probability of a candidate's voxels
    n_lesions: int
    confidence: tuple[float, ...]  #: peak probability of each candidate, falling
    true: dict[str, tuple[bool, ...]]  #: by hit rule, for each candidate
    lesions: dict[str, tuple[tuple[int, ...], ...]]  #: lesions (from 1) that each candidate finds on its own, by rule
    lesion_histogram: tuple[int, ...]  #: voxels of the reference by probability, in equal bins from 0 to 1
    background_histogram: tuple[int, ...]  #: voxels outside of it

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> FrocCandidates:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        tuples = {name: tuple(content[name]) for name in ("confidence", "lesion_histogram", "background_histogram")}
        true = {rule: tuple(values) for rule, values in content["true"].items()}
        lesions = {rule: tuple(tuple(ids) for ids in values) for rule, values in content["lesions"].items()}
        return cls(**{**content, **tuples, "true": true, "lesions": lesions})


def find_candidates(
    probability: np.ndarray,
    reference: np.ndarray | Components,
    spacing_mm: Sequence[float],
    *,
    case: str = "",
    group: str = "",
    run: int = 0,
    threshold: float = THRESHOLD,
    connectivity: int = 26,
    hits: Sequence[str | HitRule] = ("any",),
) -> FrocCandidates:
    """Candidates of one map: the components of ``probability >= threshold``, each with its peak as confidence.

    The components are found once, at the lowest threshold, so that detection and false clusters can only rise along
    the curve; components found anew at each threshold merge. The cost is that candidates joined at the lowest
    threshold stay one, so that a hard segmentation (one half) may be beside the curve.

    The map `probability`, shape (X, Y, Z), float, is from 0 to 1, `threshold` above 0 and up to 1; `reference`,
    `spacing_mm`, `connectivity` and `hits` are those of :func:`nnunet_tv.metrics.case_metrics.score_case`. For a
    candidate that finds a lesion on its own, see :meth:`LesionMatching.finders`.

    Raises
    ------
    ValueError
        A threshold out of range; as ``score_case``.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"expected a threshold above 0 and up to 1, found {threshold}")
    lesions = reference if isinstance(reference, Components) else find_components(
        as_mask(reference, "reference"), connectivity=connectivity)
    probability = check_probability(probability, lesions.mask.shape)
    parts = find_components(probability >= threshold, connectivity=connectivity)
    matching = LesionMatching(parts, lesions, spacing_mm)
    order, peaks, _ = parts.by_confidence(probability)
    true, found = {}, {}
    for rule in parse_rules(hits):
        pairs = matching.finders(rule)
        true[str(rule)] = tuple(matching.hits(rule)[0][order].tolist())
        found[str(rule)] = tuple(tuple((pairs[pairs[:, 0] == i, 1] + 1).tolist()) for i in order)
    inside, everywhere = _histogram(probability[lesions.mask]), _histogram(probability)
    return FrocCandidates(case, group, run, threshold, len(lesions), tuple(peaks.tolist()), true, found,
                          tuple(inside.tolist()), tuple((everywhere - inside).tolist()))


def _histogram(probability: np.ndarray) -> np.ndarray:
    bins = np.clip((probability * BINS).astype(np.int32), 0, BINS - 1)
    return np.bincount(bins.ravel(order="K"), minlength=BINS)

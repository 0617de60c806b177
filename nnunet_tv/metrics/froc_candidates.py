"""Candidate clusters of a probability map, and its voxels by probability: for curves and calibration over all cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnunet_tv.metrics.components import Components, as_mask, find_components
from nnunet_tv.metrics.hit_rules import HitRule, parse_rules
from nnunet_tv.metrics.lesion_matching import LesionMatching
from nnunet_tv.metrics.probability import ProbabilityCounts, ReliabilityCounts, check_probability

#: Least probability of a candidate's voxels.
THRESHOLD = 0.1


@dataclass(frozen=True)
class FrocCandidates:
    """Candidate clusters and voxels of one probability map, plain data."""

    case: str
    group: str
    run: int
    threshold: float  #: least probability of a candidate's voxels
    n_lesions: int
    confidence: tuple[float, ...]  #: peak probability of each candidate, falling
    true: dict[str, tuple[bool, ...]]  #: by hit rule, for each candidate
    lesions: dict[str, tuple[tuple[int, ...], ...]]  #: lesions (from 1) that each candidate finds on its own, by rule
    voxels: str = ""  #: :class:`ProbabilityCounts` as text; empty if voxels were not counted
    reliability: ReliabilityCounts | None = None  #: None likewise

    def counts(self) -> ProbabilityCounts:
        """Voxels of the reference and of the background by probability."""
        return ProbabilityCounts.decode(self.voxels)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> FrocCandidates:
        """Inverse of ``dataclasses.asdict``, also after JSON."""
        true = {rule: tuple(values) for rule, values in content["true"].items()}
        lesions = {rule: tuple(tuple(ids) for ids in values) for rule, values in content["lesions"].items()}
        reliability = content["reliability"] and ReliabilityCounts(
            **{name: tuple(values) for name, values in content["reliability"].items()})
        return cls(**{**content, "confidence": tuple(content["confidence"]), "true": true, "lesions": lesions,
                      "reliability": reliability})


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
    count_voxels: bool = True,
) -> FrocCandidates:
    """Candidates of one map: the components of ``probability >= threshold``, each with its peak as confidence.

    The components are found once, at the lowest threshold, so that detection and false clusters can only rise along
    the curve; components found anew at each threshold merge. The cost is that candidates joined at the lowest
    threshold stay one, so that a hard segmentation (one half) may be beside the curve.

    The map `probability`, shape (X, Y, Z), float, is from 0 to 1, `threshold` above 0 and up to 1; `reference`,
    `spacing_mm`, `connectivity` and `hits` are those of :func:`nnunet_tv.metrics.case_metrics.score_case`. For a
    candidate that finds a lesion on its own, see :meth:`LesionMatching.finders`. Without `count_voxels`, voxels are not
    counted by probability.

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
    counted = (ProbabilityCounts.of(probability, lesions.mask).encode(),
               ReliabilityCounts.of(probability, lesions.mask)) if count_voxels else ()
    return FrocCandidates(case, group, run, threshold, len(lesions), tuple(peaks.tolist()), true, found, *counted)

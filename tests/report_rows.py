"""Scored rows made by hand, for the report's tables."""

import numpy as np

from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.metrics.probability import ProbabilityCounts
from nnunet_tv.metrics.registry import HEADLINE, MEASURES
from nnunet_tv.metrics.scores import CaseScore, HitCounts, LesionScore
from nnunet_tv.reporting.report import ReportOptions
from nnunet_tv.scoring.rows import CaseRow

#: Settings of a report with defaults only.
SETTINGS = ReportOptions().settings()
#: A score has every measure, None where undefined.
RECORDED = [measure.key for measure in MEASURES if measure not in HEADLINE]


def make_score(tp=0, fp=0, fn=0, *, false=0, hits=None, measures=None, clusters=(), lesions=None, worst_mm=100.0):
    """A score whose reference is one lesion of tp + fn voxels of 1 mm³, or empty."""
    lesion = tp + fn > 0
    n_lesions = int(lesion) if lesions is None else len(lesions)
    hits = hits or {"any": HitCounts(tp > 0 if lesion else None, false, int(tp > 0), int(tp > 0))}
    if lesions is None:
        lesions = (LesionScore(1, tp + fn, float(tp + fn), (-10.0, 0.0, 0.0), tp, {"any": tp > 0}),) if lesion else ()
    primary = next(iter(hits.values()))
    return CaseScore(
        status="scored", tp=tp, fp=fp, fn=fn, dice=2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0,
        detected=primary.detected, n_clusters=primary.n_false_clusters + primary.n_true_clusters,
        n_false_clusters=primary.n_false_clusters, n_lesions=n_lesions, n_lesions_hit=primary.n_lesions_found,
        reference_mm3=float(tp + fn), predicted_mm3=float(tp + fp), worst_mm=worst_mm, hits=hits,
        measures={**dict.fromkeys(RECORDED), **(measures or {})}, clusters=tuple(clusters), lesions=tuple(lesions),
    )


def make_row(case, group="A", run=0, stage="raw", *, lost=None, status="scored", **score):
    """A row with :func:`make_score`."""
    return CaseRow(case, group, run, stage, status, make_score(**score), lost=lost)


def make_candidates(case, confidence, finds, *, group="A", run=0, n_lesions=1, inside=(), outside=(), reliability=None):
    """Candidates by falling confidence; `finds` marks those that find the lesion.

    `inside` and `outside` are voxels of the lesion and of the background in bins of rising probability.
    """
    counts = ProbabilityCounts(np.arange(len(inside))[::-1], np.array(inside[::-1], int), np.array(outside[::-1], int))
    return FrocCandidates(
        case, group, run, 0.1, n_lesions, tuple(confidence), {"any": tuple(finds)},
        {"any": tuple((1,) if found else () for found in finds)}, counts.encode(), reliability)

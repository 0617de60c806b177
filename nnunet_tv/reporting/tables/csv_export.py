"""CSV files of all cases, clusters and lesions, one line each."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from nnunet_tv.metrics.registry import HEADLINE, MEASURES, NOT_RECORDED
from nnunet_tv.metrics.scores import CaseScore, HitCounts
from nnunet_tv.reporting.tables.table import csv_text
from nnunet_tv.scoring.rows import CaseRow, LostLesions

_ROW = ("case", "group", "run", "stage")
_FIGURES = ("tp", "fp", "fn", *(measure.key for measure in HEADLINE),
            "n_clusters", "n_lesions", "n_lesions_hit", "reference_mm3", "predicted_mm3",
            *(measure.key for measure in MEASURES if measure not in HEADLINE))
_LOST = tuple(field.name for field in fields(LostLesions))
_HITS = tuple(field.name for field in fields(HitCounts))
_PART = ("voxels", "volume_mm3", "x_mm", "y_mm", "z_mm", "overlap_voxels")


def cases_csv(rows: Sequence[CaseRow], settings: Mapping[str, Any]) -> str:
    """Every case of every run and stage; figures are empty where nothing could be scored or they are undefined.

    A measure that depends on one of the report's `settings` has it in a column beside, such as ``nsd_at``, 2 mm.

    ``detected`` is 1 or 0, and empty for a subject without lesion; hit rules other than the primary one (the first)
    have columns such as ``detected [center]``; ``lost_*`` count true lesions lost to the filter.
    """
    hits = [(rule, name) for rule in _rules(rows)[1:] for name in _HITS]
    conditions = {f"{measure.key}_at": measure.with_settings(settings).at for measure in MEASURES if measure.at}
    header = [*_ROW, "status", *_FIGURES, *conditions, *(f"{name} [{rule}]" for rule, name in hits),
              *(f"lost_{name}" for name in _LOST), "problem"]

    def figures(score: CaseScore | None) -> list[object]:
        if score is None:
            return [None] * (len(_FIGURES) + len(conditions) + len(hits))
        values = (getattr(score, name) if hasattr(score, name) else score.measures.get(name, NOT_RECORDED)
                  for name in _FIGURES)
        return [*values, *conditions.values(), *(getattr(score.hits[rule], name) for rule, name in hits)]

    return csv_text(header, [[*_start(row), row.status, *figures(row.score),
                              *(getattr(row.lost, name, None) for name in _LOST), row.problem] for row in rows])


def clusters_csv(rows: Sequence[CaseRow]) -> str:
    """Every predicted cluster: rank, size, centroid (scanner mm, RAS+), overlap, distance, probabilities, hits."""
    extra = ("distance_mm", "peak_probability", "mean_probability")
    return _parts_csv(rows, "rank", "clusters", extra, "true")


def lesions_csv(rows: Sequence[CaseRow]) -> str:
    """Every lesion of the references: size, centroid, overlap with the prediction, whether it is found."""
    return _parts_csv(rows, "index", "lesions", (), "found")


def _parts_csv(rows: Sequence[CaseRow], number: str, parts: str, extra: Sequence[str], verdict: str) -> str:
    rules = _rules(rows)
    lines = [[*_start(row), getattr(part, number), part.voxels, part.volume_mm3, *part.centroid_mm,
              part.overlap_voxels, *(getattr(part, name) for name in extra),
              *(getattr(part, verdict).get(rule) for rule in rules)]
             for row in rows for part in getattr(row.score, parts, ())]
    return csv_text([*_ROW, number, *_PART, *extra, *(f"{verdict} [{rule}]" for rule in rules)], lines)


def _start(row: CaseRow) -> list[object]:
    return [getattr(row, name) for name in _ROW]


def _rules(rows: Sequence[CaseRow]) -> list[str]:
    return list(dict.fromkeys(rule for row in rows if row.score is not None for rule in row.score.hits))

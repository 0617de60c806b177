"""CSV files of all cases, clusters and lesions, one line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

from nnunet_tv.metrics.registry import HEADLINE, MEASURES, NOT_RECORDED, Measure
from nnunet_tv.metrics.scores import CaseScore, ClusterScore, HitCounts, LesionScore
from nnunet_tv.reporting.tables.table import csv_text
from nnunet_tv.scoring.rows import CaseRow, LostLesions

_ROW = ("case", "group", "run", "stage")
_COUNTS = ("tp", "fp", "fn")
_SIZES = ("n_clusters", "n_lesions", "n_lesions_hit", "reference_mm3", "predicted_mm3")
_LOST = tuple(field.name for field in fields(LostLesions))
_HITS = tuple(field.name for field in fields(HitCounts))
_PART = ("voxels", "volume_mm3", "x_mm", "y_mm", "z_mm", "overlap_voxels")
_MEASURES = [measure for measure in MEASURES if measure not in HEADLINE]


def cases_csv(rows: Sequence[CaseRow]) -> str:
    """Every case of every run and stage; figures are empty where nothing could be scored or they are undefined.

    ``detected`` is 1 or 0, and empty for a subject without lesion; hit rules other than the primary one (the first)
    have columns such as ``detected [center]``; ``lost_*`` count true lesions lost to the filter.
    """
    rules = list(dict.fromkeys(rule for row in rows if row.score for rule in row.score.hits))[1:]
    header = [*_COUNTS, *(measure.key for measure in HEADLINE), *_SIZES,
              *(measure.key for measure in _MEASURES), *(f"{name} [{rule}]" for rule in rules for name in _HITS)]

    def line(row: CaseRow) -> list[object]:
        figures = [None] * len(header) if row.score is None else _figures(row.score, rules)
        lost = [None if row.lost is None else getattr(row.lost, name) for name in _LOST]
        return [row.case, row.group, row.run, row.stage, row.status, *figures, *lost, row.problem]

    return csv_text([*_ROW, "status", *header, *(f"lost_{name}" for name in _LOST), "problem"], map(line, rows))


def _figures(score: CaseScore, rules: Sequence[str]) -> list[object]:
    return [*(getattr(score, name) for name in _COUNTS), *(_figure(score, measure) for measure in HEADLINE),
            *(getattr(score, name) for name in _SIZES), *(_figure(score, measure) for measure in _MEASURES),
            *(getattr(score.hits[rule], name) for rule in rules for name in _HITS)]


def _figure(score: CaseScore, measure: Measure) -> object:
    return measure.stored(score) if measure.recorded(score) else NOT_RECORDED


def clusters_csv(rows: Sequence[CaseRow]) -> str:
    """Every predicted cluster: rank, size, centroid (scanner mm, RAS+), overlap, distance, probabilities, hits."""
    extra = ("distance_mm", "peak_probability", "mean_probability")
    return _parts_csv(rows, "rank", "clusters", extra, "true")


def lesions_csv(rows: Sequence[CaseRow]) -> str:
    """Every lesion of the references: size, centroid, overlap with the prediction, whether it is found."""
    return _parts_csv(rows, "index", "lesions", (), "found")


def _parts_csv(rows: Sequence[CaseRow], number: str, parts: str, extra: Sequence[str], verdict: str) -> str:
    scored = [(row, row.score) for row in rows if row.score is not None]
    rules = list(dict.fromkeys(rule for _, score in scored for rule in score.hits))

    def lines() -> Iterable[list[object]]:
        for row, score in scored:
            for part in getattr(score, parts):
                yield [row.case, row.group, row.run, row.stage, getattr(part, number), *_size_and_place(part),
                       *(getattr(part, name) for name in extra), *(getattr(part, verdict).get(rule) for rule in rules)]

    return csv_text([*_ROW, number, *_PART, *extra, *(f"{verdict} [{rule}]" for rule in rules)], lines())


def _size_and_place(part: ClusterScore | LesionScore) -> list[object]:
    return [part.voxels, part.volume_mm3, *part.centroid_mm, part.overlap_voxels]

"""Everything, one line each: cases, clusters, lesions. Nothing is left out in silence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields

from nnunet_tv.metrics.scores import MEASURE_KEYS, CaseRow, ClusterScore, HitCounts, LesionScore, LostLesions
from nnunet_tv.reporting.tables.table import csv_text

_KEY = ("case", "group", "run", "stage")
_FIGURES = ("tp", "fp", "fn", "dice", "detected", "n_false_clusters", "n_clusters", "n_lesions", "n_lesions_hit",
            "reference_mm3", "predicted_mm3")
_LOST = tuple(field.name for field in fields(LostLesions))
_HITS = tuple(field.name for field in fields(HitCounts))
_SPOT = ("voxels", "volume_mm3", "x_mm", "y_mm", "z_mm", "overlap_voxels")


def cases_csv(rows: Sequence[CaseRow]) -> str:
    """Every case of every run and stage; figures are empty where nothing could be scored or they are undefined.

    ``detected`` is 1 or 0, and empty for a subject without lesion; hit rules other than the primary one (the first)
    have columns such as ``detected [center]``; ``lost_*`` count true lesions that the filter lost.
    """
    rules = list(dict.fromkeys(rule for row in rows if row.score for rule in row.score.hits))[1:]
    header = [*_KEY, "status", *_FIGURES, *MEASURE_KEYS, *(f"{name} [{rule}]" for rule in rules for name in _HITS),
              *(f"lost_{name}" for name in _LOST), "problem"]
    return csv_text(header, (_case_line(row, rules) for row in rows))


def _case_line(row: CaseRow, rules: Sequence[str]) -> list[object]:
    line: list[object] = [row.case, row.group, row.run, row.stage, row.status]
    score = row.score
    if score is None:
        line += [None] * (len(_FIGURES) + len(MEASURE_KEYS) + len(rules) * len(_HITS))
    else:
        line += [getattr(score, name) for name in _FIGURES]
        line += [score.measures.get(key) for key in MEASURE_KEYS]
        line += [getattr(score.hits[rule], name) for rule in rules for name in _HITS]
    return [*line, *(None if row.lost is None else getattr(row.lost, name) for name in _LOST), row.problem]


def clusters_csv(rows: Sequence[CaseRow]) -> str:
    """Every predicted cluster: rank, size, centroid (scanner mm, RAS+), overlap, distance, probabilities, truth."""
    extra = ("distance_mm", "peak_probability", "mean_probability")
    return _parts_csv(rows, "rank", "clusters", extra, "true")


def lesions_csv(rows: Sequence[CaseRow]) -> str:
    """Every lesion of the references: size, centroid, overlap with the prediction, whether it is found."""
    return _parts_csv(rows, "index", "lesions", (), "found")


def _parts_csv(rows: Sequence[CaseRow], number: str, parts: str, extra: Sequence[str], verdict: str) -> str:
    scored = [row for row in rows if row.score is not None]
    rules = list(dict.fromkeys(rule for row in scored for rule in row.score.hits))

    def lines() -> Iterable[list[object]]:
        for row in scored:
            for part in getattr(row.score, parts):
                yield [row.case, row.group, row.run, row.stage, getattr(part, number), *_spot(part),
                       *(getattr(part, name) for name in extra), *(getattr(part, verdict).get(rule) for rule in rules)]

    return csv_text([*_KEY, number, *_SPOT, *extra, *(f"{verdict} [{rule}]" for rule in rules)], lines())


def _spot(part: ClusterScore | LesionScore) -> list[object]:
    return [part.voxels, part.volume_mm3, *part.centroid_mm, part.overlap_voxels]

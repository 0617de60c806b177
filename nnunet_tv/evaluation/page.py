"""The report as one HTML file that opens from disk: no network, no scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from nnunet_tv.drawing import CONVENTION
from nnunet_tv.evaluation.folders import STAGES
from nnunet_tv.evaluation.tables import MEASURES, PER_SUBJECT, TITLES, Groups, table_rows
from nnunet_tv.pages import bullets, document, picture, table


def to_html(
    groups: Groups,
    per_subject: Groups,
    *,
    notes: Sequence[str],
    warnings: Sequence[str],
    pictures: Sequence[Path],
    version: str,
    created: str,
) -> str:
    """The whole report; pictures are embedded.

    Parameters
    ----------
    groups, per_subject : dict
        As :func:`nnunet_tv.evaluation.tables.table_one` and ``per_subject_table`` give them.
    notes, warnings : sequence of str
        Under the tables.
    pictures : sequence of Path
        PNG files named for their case.
    version, created : str
        Of nnunet-tv, and the time.
    """
    parts = [f"<h1>Segmentation report</h1><p>nnunet-tv {escape(version)}, {escape(created)}. For research use.</p>"]
    for stage in STAGES:
        parts.append(f"<h2>{escape(TITLES[stage])}</h2>")
        parts.append(table("Table 1: mean ± sample standard deviation over runs", ["Group", "Runs", *MEASURES],
                           table_rows(groups, stage)))
        parts.append(table("Beside it: means over subjects", ["Group", "Runs", *PER_SUBJECT],
                           table_rows(per_subject, stage, PER_SUBJECT)))
    parts.append("<h2>Notes</h2>" + bullets(notes))
    if warnings:
        parts.append('<h2>Warnings</h2><div class="warning">' + bullets(warnings) + "</div>")
    parts.append(f"<h2>Cases</h2><p>Reference green, prediction blue, after post-processing outlined in yellow. "
                 f"{escape(CONVENTION)} Every case of every run: cases.csv.</p>")
    for path in pictures:
        parts.append(picture(path, f"Segmentation of {path.stem}"))
    return document("Segmentation report", parts)

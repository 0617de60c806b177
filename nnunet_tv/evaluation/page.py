"""The report as one HTML file that opens from disk: no network, no scripts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from nnunet_tv.drawing import CONVENTION
from nnunet_tv.evaluation.folders import STAGES
from nnunet_tv.evaluation.tables import MEASURES, PER_SUBJECT, TITLES, Groups, table_rows

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem; color: #1a1a1a; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #555; padding: .3rem 0; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; break-inside: avoid; } img { max-width: 100%; height: auto; }
.warning { border-left: .3rem solid #c60; padding-left: .7rem; }
"""


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
        parts.append(_table("Table 1: mean ± sample standard deviation over runs", ["Group", "Runs", *MEASURES],
                            table_rows(groups, stage)))
        parts.append(_table("Beside it: means over subjects", ["Group", "Runs", *PER_SUBJECT],
                            table_rows(per_subject, stage, PER_SUBJECT)))
    parts.append("<h2>Notes</h2>" + _list(notes))
    if warnings:
        parts.append('<h2>Warnings</h2><div class="warning">' + _list(warnings) + "</div>")
    parts.append(f"<h2>Cases</h2><p>Reference green, prediction blue, after post-processing outlined in yellow. "
                 f"{escape(CONVENTION)} Every case of every run: cases.csv.</p>")
    for path in pictures:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        case = escape(path.stem)
        parts.append(f'<figure><img src="data:image/png;base64,{data}" alt="Segmentation of {case}"></figure>')
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Segmentation report</title><style>{_STYLE}</style></head><body>\n" + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return (f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"

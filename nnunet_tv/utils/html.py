"""HTML pages that open from disk: one file, pictures embedded, no network, no scripts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

#: On every page.
RESEARCH_USE = "For research use only: not a medical device, no basis for a diagnosis or a treatment."
#: What all pages look like.
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem; color: #1a1a1a; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #555; padding: .3rem 0; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
figure { margin: 1rem 0; break-inside: avoid; } img { max-width: 100%; height: auto; }
.warning { border-left: .3rem solid #c60; padding-left: .7rem; }
.said { font-size: 1.1rem; }
"""


def document(title: str, parts: Sequence[str]) -> str:
    """A whole page; `title` is plain text, `parts` are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n" + "\n".join(parts)
        + "\n</body></html>\n"
    )


def table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain texts that scrolls sideways where the window is narrow."""
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return (f'<div class="wide"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>")


def bullets(lines: Sequence[str]) -> str:
    """A list of plain texts."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def picture(path: str | Path, alternative: str) -> str:
    """A PNG file, embedded; `alternative` is read where it cannot be seen."""
    data = base64.b64encode(Path(path).read_bytes()).decode("ascii")
    return f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alternative)}"></figure>'

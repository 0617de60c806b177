"""A table as data, and as CSV, Markdown and LaTeX: one structure for every table of the report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from nnunet_tv.metrics.registry import NOT_RECORDED
from nnunet_tv.reporting.statistics import Interval

#: Below this number of subjects a figure describes and is not evidence; said where the figure is.
FEW = 10
FEW_MARK = "†"
FEW_NOTE = f"{FEW_MARK} Fewer than {FEW} subjects: descriptive only."


class PValue(float):
    """A p value: four decimals for a reader, and never 0; in full in CSV."""

    def __str__(self):
        return "< 0.0001" if self < 0.0001 else f"{float(self):.4f}"


Cell = str | int | float | None | Interval


@dataclass(frozen=True)
class Table:
    """One table of the report.

    Attributes
    ----------
    key : str
        Stem of its files, and of its anchor on the page (``table-KEY``).
    title : str
        What it shows.
    columns : tuple of str
        Header.
    rows : tuple of tuples
        Texts, numbers, intervals; None where a figure is undefined.
    notes : tuple of str
        What a reader must know, under the table.
    warnings : tuple of str
        What keeps the figures from meaning what they seem to, above the table.
    digits : mapping of str to int
        Decimals by column.
    row_digits : tuple of int
        Decimals by row, for columns without their own; 3 where none are given.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    digits: Mapping[str, int] = field(default_factory=dict)
    row_digits: tuple[int, ...] = ()

    def parts(self) -> list[list[tuple[str, str]]]:
        """Rows for a page: figure, and the small text beneath it."""
        return [[cell_parts(cell, self.digits.get(column, digits))
                 for column, cell in zip(self.columns, row, strict=True)]
                for row, digits in zip(self.rows, self.row_digits or [3] * len(self.rows), strict=True)]

    def texts(self) -> list[list[str]]:
        """Rows as texts: an interval has its bounds and its n in parentheses."""
        return [[joined(figure, beneath) for figure, beneath in row] for row in self.parts()]

    def all_notes(self) -> list[str]:
        """Notes, and what the mark of few subjects means where it stands."""
        marked = any(isinstance(cell, Interval) and cell.value is not None and cell.n < FEW
                     for row in self.rows for cell in row)
        return [*self.notes, *([FEW_NOTE] if marked else [])]


def joined(figure: str, beneath: str) -> str:
    """Parts of a cell as one text."""
    if not beneath:
        return figure
    return f"{figure.removesuffix(FEW_MARK)} ({beneath}){FEW_MARK if figure.endswith(FEW_MARK) else ''}"


def cell_parts(cell: Cell, digits: int = 3) -> tuple[str, str]:
    """Figure, and bounds and n of an interval."""
    if isinstance(cell, Interval):
        if cell.value is None:
            return (NOT_RECORDED, "") if cell.method == NOT_RECORDED else ("undefined", f"n = {cell.n}")
        bounds = "no interval" if cell.low is None else f"{cell.low:.{digits}f} to {cell.high:.{digits}f}"
        return f"{cell.value:.{digits}f}{FEW_MARK if cell.n < FEW else ''}", f"{bounds}; n = {cell.n}"
    if cell is None:
        return "undefined", ""
    return f"{cell:.{digits}f}" if isinstance(cell, float) and not isinstance(cell, PValue) else str(cell), ""


def to_csv(table: Table) -> str:
    """Full precision; an interval takes five columns; empty where undefined."""
    spread = [any(isinstance(row[i], Interval) for row in table.rows) for i in range(len(table.columns))]
    header: list[str] = []
    for column, wide in zip(table.columns, spread, strict=True):
        header += [column, *(f"{column}: {part}" for part in ("low", "high", "n", "method") if wide)]
    lines = []
    for row in table.rows:
        line: list[object] = []
        for cell, wide in zip(row, spread, strict=True):
            if isinstance(cell, Interval):
                line += [cell.value, cell.low, cell.high, cell.n, cell.method]
            else:
                line += [float(cell) if isinstance(cell, PValue) else cell, *([None] * 4 if wide else [])]
        lines.append(line)
    return csv_text(header, lines)


def to_markdown(table: Table, level: int = 2) -> str:
    """Title, warnings, table and notes."""
    parts = [f"{'#' * level} {table.title}"]
    parts += [f"**{warning}**" for warning in table.warnings]
    parts.append(markdown_table(table.columns, table.texts()))
    if notes := table.all_notes():
        parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def to_latex(table: Table) -> str:
    """One table environment; needs no package."""
    lines = [r"\begin{table}", r"\centering", r"\caption{" + escape_latex(table.title) + "}",
             *latex_tabular(table.columns, table.texts(), "l" * len(table.columns))]
    if notes := [*table.warnings, *table.all_notes()]:
        lines.append(r"\par\medskip\footnotesize " + " ".join(map(escape_latex, notes)))
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def csv_text(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Comma-separated text; None is empty, truth is 1 or 0."""
    cells = [[int(cell) if isinstance(cell, bool) else cell for cell in line] for line in lines]
    return pd.DataFrame(cells, columns=list(header), dtype=object).to_csv(index=False, lineterminator="\n")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain texts in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_escape_markdown, line)) + " |" for line in lines)


def _escape_markdown(text: str) -> str:
    """A name such as ``<b>`` or ``a|b`` is no tag and no column."""
    return re.sub(r"<(?=[A-Za-z/!?])", r"\<", text.replace("|", r"\|"))


def latex_tabular(header: Sequence[str], rows: Sequence[Sequence[str]], alignment: str) -> list[str]:
    """Lines of a tabular environment of plain texts."""
    body = [" & ".join(map(escape_latex, line)) + r" \\" for line in (header, *rows)]
    return [r"\begin{tabular}{" + alignment + "}", r"\hline", body[0], r"\hline", *body[1:], r"\hline",
            r"\end{tabular}"]


_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
    "×": r"$\times$", "³": r"$^3$", ">": r"\textgreater{}", "<": r"\textless{}", "|": r"\textbar{}", "\n": " ",
    "·": r"$\cdot$", "≥": r"$\geq$", "≤": r"$\leq$", "−": r"$-$", "–": "--", "†": r"\dag{}", "…": r"\ldots{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def escape_latex(text: str) -> str:
    """`text` as plain LaTeX text."""
    return "".join(_LATEX.get(character, character) for character in text)

"""The one table type of the report, and how it is written as CSV, Markdown and LaTeX.

Markdown and LaTeX are written here and not by pandas, whose tables need further packages and pad their columns.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from nnunet_tv.metrics.registry import NOT_RECORDED
from nnunet_tv.reporting.statistics import Interval
from nnunet_tv.utils.numbers import fixed

#: Below this number of subjects a figure is descriptive and no evidence; it is marked.
FEW = 10
FEW_MARK = "†"
FEW_NOTE = f"{FEW_MARK} Fewer than {FEW} subjects: descriptive only."


class PValue(float):
    """A p value: four decimals as text, and never 0; in full in CSV."""

    def __str__(self):
        return "< 0.0001" if self < 0.0001 else f"{float(self):.4f}"


Cell = str | int | float | None | Interval


@dataclass(frozen=True)
class Table:
    """One table of the report."""

    key: str  #: stem of its files, and of its anchor on the page (``table-KEY``)
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]  #: None where a figure is undefined
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()  #: limits of the figures, above the table
    digits: Mapping[str, int] = field(default_factory=dict)  #: decimals by column
    row_digits: tuple[int, ...] = ()  #: decimals by row, for columns without their own; 3 where neither is given
    prose: bool = False  #: whether its cells are texts, which the page wraps and aligns on the left
    folded: bool = False  #: whether the page shows its title only until it is opened (or printed)

    def parts(self) -> list[list[tuple[str, str]]]:
        """Rows for a page: figure, and the small text beneath it."""
        digits = self.row_digits or [3] * len(self.rows)
        return [[cell_parts(cell, self.digits.get(column, default))
                 for column, cell in zip(self.columns, row, strict=True)]
                for row, default in zip(self.rows, digits, strict=True)]

    def words(self) -> list[bool]:
        """Whether each column has words and no numbers, which the page aligns on the left."""
        columns = [[row[number] for row in self.rows] for number in range(len(self.columns))]
        return [all(isinstance(cell, str) and not re.match(r"[-−]?\d", cell) for cell in cells)
                and any(re.match(r"\w", str(cell)) for cell in cells) for cells in columns]

    def texts(self) -> list[list[str]]:
        """Rows as texts: an interval has its bounds and its n in parentheses."""
        return [[f"{figure.removesuffix(FEW_MARK)} ({beneath}){FEW_MARK if figure.endswith(FEW_MARK) else ''}"
                 if beneath else figure for figure, beneath in row] for row in self.parts()]

    def all_notes(self) -> list[str]:
        """Notes, and the meaning of the mark of few subjects where it is used."""
        marked = any(isinstance(cell, Interval) and cell.value is not None and cell.n < FEW
                     for row in self.rows for cell in row)
        return [*self.notes, *([FEW_NOTE] if marked else [])]


def cell_parts(cell: Cell, digits: int = 3) -> tuple[str, str]:
    """Figure, and bounds and n of an interval."""
    if isinstance(cell, Interval):
        if cell.value is None:
            return (NOT_RECORDED, "") if cell.method == NOT_RECORDED else ("undefined", f"n = {cell.n}")
        bounds = ("no interval" if cell.low is None or cell.high is None else
                  f"{fixed(cell.low, digits)} to {fixed(cell.high, digits)}")
        return f"{fixed(cell.value, digits)}{FEW_MARK if cell.n < FEW else ''}", f"{bounds}; n = {cell.n}"
    if cell is None:
        return "undefined", ""
    return fixed(cell, digits) if isinstance(cell, float) and not isinstance(cell, PValue) else str(cell), ""


def to_csv(table: Table) -> str:
    """Full precision; an interval takes five columns; empty where undefined."""
    columns: dict[str, list[object]] = {}
    for number, name in enumerate(table.columns):
        cells = [row[number] for row in table.rows]
        columns[name] = [cell.value if isinstance(cell, Interval) else cell for cell in cells]
        if any(isinstance(cell, Interval) for cell in cells):
            columns |= {f"{name}: {part}": [getattr(cell, part, None) for cell in cells]
                        for part in ("low", "high", "n", "method")}
    return csv_text([*columns], zip(*columns.values(), strict=True))


def csv_text(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Comma-separated text; None is empty, truth is 1 or 0."""
    cells = [[int(cell) if isinstance(cell, bool) else float(cell) if isinstance(cell, PValue) else cell
              for cell in line] for line in lines]
    return pd.DataFrame(cells, columns=list(header), dtype=object).to_csv(index=False, lineterminator="\n")


def to_markdown(table: Table) -> str:
    """Title, warnings, table and notes."""
    parts = [f"## {table.title}", *(f"**{warning}**" for warning in table.warnings),
             markdown_table(table.columns, table.texts())]
    if notes := table.all_notes():
        parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(parts) + "\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of plain texts in Markdown; a name such as ``<b>`` or ``a|b`` is no tag and no column."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(re.sub(r"<(?=[A-Za-z/!?])", r"\<", text.replace("|", r"\|")) for text in line)
                     + " |" for line in lines)


def to_latex(table: Table) -> str:
    """One table environment; needs no package."""
    lines = [r"\begin{table}", r"\centering", r"\caption{" + escape_latex(table.title) + "}",
             *latex_tabular(table.columns, table.texts(), "l" * len(table.columns))]
    if notes := [*table.warnings, *table.all_notes()]:
        lines.append(r"\par\medskip\footnotesize " + " ".join(map(escape_latex, notes)))
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def latex_tabular(header: Sequence[str], rows: Sequence[Sequence[str]], alignment: str) -> list[str]:
    """Lines of a tabular environment of plain texts."""
    head, *body = (" & ".join(map(escape_latex, line)) + r" \\" for line in (header, *rows))
    return [r"\begin{tabular}{" + alignment + "}", r"\hline", head, r"\hline", *body, r"\hline", r"\end{tabular}"]


_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$",
    "×": r"$\times$", "³": r"$^3$", ">": r"\textgreater{}", "<": r"\textless{}", "|": r"\textbar{}", "\n": " ",
    "·": r"$\cdot$", "≥": r"$\geq$", "≤": r"$\leq$", "−": r"$-$", "–": "--", "†": r"\dag{}", "…": r"\ldots{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def escape_latex(text: str) -> str:
    """`text` as plain LaTeX text."""
    return "".join(_LATEX.get(character, character) for character in text)

"""Comparison of a table of the report with its recomputation, cell by cell; nothing is skipped."""

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

from recomputed.intervals import Between

#: NIfTI stores spacings as float32.
RELATIVE = 1e-7


def read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        return list(reader.fieldnames or ()), list(reader)


def differences(path: Path, expected: list[dict], *, key=()) -> list[str]:
    """Every row, column and cell in which the CSV at `path` is not as `expected`; rows in order, or by `key`."""
    columns, rows = read_csv(path)
    rows, expected = (sorted(part, key=lambda row: [str(row[name]) for name in key]) for part in (rows, expected))
    known = set().union(*expected)
    found = [f"unchecked: column {column}" for column in columns if column not in known]
    found += [f"missing: column {column}" for column in known if column not in columns]
    if len(rows) != len(expected):
        found.append(f"{len(rows)} rows, expected {len(expected)}")
    for number, (row, wanted) in enumerate(zip(rows, expected, strict=False), start=2):
        found += [f"line {number}, {column}: {row[column]}, expected {wanted[column]}"
                  for column in columns if column in wanted and not agrees(row[column], wanted[column])]
    return found


def agrees(cell: str, expected) -> bool:
    """Whether a cell shows this text, this number, a number in this range, or nothing (None)."""
    if expected is None:
        return cell in ("", "–")
    if isinstance(expected, str):
        return cell == expected
    try:
        value = float(cell)
    except ValueError:
        return False
    if isinstance(expected, Between):
        margin = max(RELATIVE * max(abs(expected.low), abs(expected.high)), 1e-12)
        return bool(expected.low - margin <= value <= expected.high + margin)
    return abs(value - expected) <= max(RELATIVE * abs(expected), 1e-12)


def interval(name, value, low, high, n, method):
    """The five columns of a figure with its interval."""
    return {name: value, f"{name}: low": low, f"{name}: high": high, f"{name}: n": n, f"{name}: method": method}


def rounding_errors(csv_file: Path, markdown: Path) -> list[str]:
    """Cells of the Markdown table that are not the CSV's value, rounded to the decimals that they show."""
    columns, rows = read_csv(csv_file)
    shown = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
             for line in markdown.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    header, body = shown[0], shown[2:]
    found = [] if len(body) == len(rows) else [f"{markdown.name}: {len(body)} rows, expected {len(rows)}"]
    for row, cells in zip(rows, body, strict=False):
        for name, cell in zip(header, cells, strict=True):
            parts = [row[name], *(row[f"{name}: {part}"] for part in ("low", "high", "n")
                                  if f"{name}: {part}" in columns)]
            numbers = re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", cell) if len(parts) > 1 else [cell.rstrip("†")]
            if not all(rounds_to(part, number) for part, number in
                       zip((part for part in parts if part) if len(parts) > 1 else parts, numbers, strict=False)):
                found.append(f"{markdown.name}, {name}: {cell}, expected {parts}")
    return found


def rounds_to(value: str, shown: str) -> bool:
    if value.replace("|", "\\|") == shown or (value == "" and shown in ("", "–")):
        return True
    try:
        if shown.startswith("<"):
            return float(value) < float(shown[1:])
        decimals = len(shown.partition(".")[2])
        return abs(float(value) - float(shown)) <= 0.5000001 * 10 ** -decimals
    except ValueError:
        return False


class Tables(HTMLParser):
    """The text of the cells of all tables of a page."""

    def __init__(self):
        super().__init__()
        self.tables, self.open = [], False

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables:
            self.tables[-1][-1].append("")
            self.open = True

    def handle_endtag(self, tag):
        self.open = self.open and tag not in ("td", "th")

    def handle_data(self, data):
        if self.open:
            self.tables[-1][-1][-1] += data


def missing_on_page(page: str, markdown: Path) -> bool:
    """Whether no table of the page has the cells of the Markdown table."""
    parser = Tables()
    parser.feed(page)
    wanted = [[plain(cell.replace("\\|", "|")) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
              for line in markdown.read_text(encoding="utf-8").splitlines()
              if line.startswith("|") and not set(line) <= set("|- :")]
    return wanted not in [[[plain(cell) for cell in row] for row in table] for table in parser.tables]


def plain(cell: str) -> str:
    """The text without spaces, parentheses and marks, by which page and Markdown differ."""
    return re.sub(r"[\s()†]", "", cell)

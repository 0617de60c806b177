"""The tables of docs/reporting-checklist.md; ``python docs/checklist_page.py`` writes them anew."""

from pathlib import Path

from nnunet_tv.reporting.study.checklist import GUIDELINES, ORIGIN, PARTS, Guideline, items
from nnunet_tv.reporting.tables.table import markdown_table

PAGE = Path(__file__).with_name("reporting-checklist.md")
#: What follows this line of the page is made here.
MARK = "<!-- Made by checklist_page.py from nnunet_tv/reporting/study/checklist.csv -->\n"


def checklist_tables() -> str:
    """Markdown of a table for each guideline."""
    return f"\n{ORIGIN}\n" + "".join(_table(guideline) for guideline in GUIDELINES)


def _table(guideline: Guideline) -> str:
    rows = [(item.number, item.topic, "; ".join(_part(key) for key in item.parts), item.yours)
            for item in items() if item.guideline == guideline.name]
    return (f"\n## {guideline.name}\n\n{guideline.citation}, [doi {guideline.doi}](https://doi.org/{guideline.doi})\n\n"
            f"{markdown_table(('Item', 'Topic', 'In the report', 'Yours to write'), rows)}\n")


def _part(key: str) -> str:
    part = PARTS[key]
    return f"{part.title} ({part.needs})" if part.needs.startswith("-") else part.title


if __name__ == "__main__":
    text, mark, _ = PAGE.read_text(encoding="utf-8").partition(MARK)
    PAGE.write_text(text + mark + checklist_tables(), encoding="utf-8")

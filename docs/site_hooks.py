"""Hooks of the documentation site (mkdocs.yml): pages that stand outside docs/, and the page of the API."""

import posixpath
import re
from pathlib import Path

from api_page import api_page
from mkdocs.structure.files import File

from nnunet_tv.metrics.registry import MEASURES
from nnunet_tv.reporting.report import ReportOptions

ROOT = Path(__file__).parents[1]
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
MEASURES_HERE = re.compile("<!-- The list of measures, .* -->")
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files, config):
    """Add README, CONTRIBUTING, CHANGELOG and the API page, which is generated from the docstrings."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, "api.md", content=api_page()))
    return files


def on_page_markdown(markdown, page, config, files):
    """Insert the list of measures; translate links between files of the repository into links between pages."""
    return site_links(MEASURES_HERE.sub(lambda _: measures_list(), markdown), page.file.src_uri)


def measures_list() -> str:
    """All measures with their definitions, as in the notes of a report with default settings."""
    measures = (measure.with_settings(ReportOptions().settings()) for measure in MEASURES)
    return "\n".join(f"- {measure.label}: {measure.explanation}" for measure in measures)


def site_links(markdown: str, page: str) -> str:
    """`markdown` of the site's `page` with its relative links; a link to source code becomes plain text.

    >>> site_links("[Start](../README.md#install), [code](../nnunet_tv/startup.py)", "speed.md")
    '[Start](index.md#install), code'
    >>> site_links("[losses](docs/losses.md)", "index.md")
    '[losses](losses.md)'
    """
    source = {site: source for source, site in PAGES.items()}.get(page, f"docs/{page}")

    def translated(link: re.Match[str]) -> str:
        image, text, target, anchor = link.groups()
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if path not in PAGES and not path.startswith("docs/"):
            return text
        there = PAGES.get(path) or path.removeprefix("docs/")
        return f"{image}[{text}]({posixpath.relpath(there, posixpath.dirname(page) or '.')}{anchor or ''})"

    return LINK.sub(translated, markdown)

"""The page of the report: structure, content, and how a browser shows it."""

import html.parser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest


class TagsAreClosed(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.open += [] if tag in ("meta", "img") else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(report):
    return (report / "report.html").read_text()


def test_the_page_is_complete_and_loads_nothing(page):
    parser = TagsAreClosed()
    parser.feed(page)
    assert parser.open == []
    anchors, links = re.findall(r' id="([^"]+)"', page), re.findall(r' href="#([^"]+)"', page)
    assert len(set(anchors)) == len(anchors) and links and set(links) <= set(anchors)
    images = re.findall(r"<img [^>]+>", page)
    assert len(images) == 6 + 4 + 7
    assert all(re.search(r' src="data:image/png;base64,\S+" alt="[^"]+"', image) for image in images)
    assert not re.search(r"<script|<link|https?://|url\(", page)
    assert 'name="viewport"' in page and "@media print" in page


def test_content_and_warnings_are_in_their_sections(page):
    table = page[page.index('<section id="table-1">'):page.index('<section id="uncertainty">')]
    assert "7 subjects, fewer than 10: descriptive only." in table
    controls = page[page.index('<div class="block" id="table-controls">'):][:900]
    assert ("Confounded: scanner A: 4 of 7 patients, 3 of 3 controls; B: 3 of 7 patients, 0 of 3 controls"
            in controls)
    for text in ("For research use only", "primary endpoint sSens", "TV − Dice", "overlap:0.1", "FROC", "HD95 (mm)",
                 "True lesions lost by the filter", "By lesion size, thirds", "Area without information",
                 "TV paper: Dice + TV", "Radiological"):
        assert text in page, text


def test_long_tables_are_folded_and_their_warnings_are_not(page):
    for key, folded in (("comparisons", False), ("comparisons-stages", True), ("strata-size", True),
                        ("measures", True), ("every-case", True), ("checklist", True), ("uncertainty", False)):
        block = page[page.index(f'<div class="block" id="table-{key}">'):]
        block = block[:block.index("<table")]
        assert ("<details>" in block) == folded, key
        if 'class="warning"' in block and folded:
            assert block.index('class="warning"') < block.index("<details>"), key
    stages = page[page.index('<div class="block" id="table-comparisons-stages">'):]
    assert 'class="warning"' in stages[:stages.index("<details>")]
    assert '<td class="words" data-label="Stage">raw</td>' in page


def test_the_summary_names_its_rule_and_its_subjects(page):
    summary = page[page.index('<section id="in-short">'):page.index('<section id="table-1">')]
    assert "hit rule &#34;any&#34;" in summary and "over all 7 subjects with a reference" in summary
    assert re.search(r"scored \d{4}-\d\d-\d\d \d\d:\d\d UTC", page)


CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
                "")


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium on PATH")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_in_a_browser(report, page, tmp_path, width):
    """Nothing is wider than the window and no image is broken; screenshots and a PDF are kept for review."""
    artefacts = Path(os.environ.get("CI_ARTIFACTS", Path(__file__).parents[2] / "artifacts"))
    artefacts.mkdir(parents=True, exist_ok=True)
    script = ("<script>document.title = document.documentElement.scrollWidth + ' ' + innerWidth + ' ' + "
              "[...document.images].filter(i => !i.naturalWidth).length</script></body>")
    # A frame has the requested width; a headless window has a minimum width.
    (tmp_path / "inner.html").write_text(page.replace("</body>", script).replace('loading="lazy"', ""))
    (tmp_path / "frame.html").write_text(
        f'<iframe id="f" src="inner.html" style="width:{width}px;height:3000px;border:0" onload="'
        "document.body.dataset.found = f.contentDocument ? f.contentDocument.title : ''\"></iframe>")

    def run(*arguments):
        return subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}", *arguments],
            capture_output=True, text=True, timeout=120, check=True).stdout

    dom = run("--virtual-time-budget=5000", "--dump-dom", (tmp_path / "frame.html").as_uri())
    wide, window, broken = map(int, re.search(r'data-found="(\d+) (\d+) (\d+)"', dom).groups())
    assert window == width and wide <= window and broken == 0
    picture, pdf, uri = artefacts / f"report-{width}.png", artefacts / "report.pdf", (report / "report.html").as_uri()
    run(f"--window-size={width},3000", f"--screenshot={picture}", uri)
    run(f"--print-to-pdf={pdf}", uri)
    assert picture.stat().st_size > 20_000 and pdf.stat().st_size > 50_000 and pdf.read_bytes().startswith(b"%PDF")

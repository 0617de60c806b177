"""The whole report: again from its JSON, in a browser, and everything it must say."""

from __future__ import annotations

import html.parser
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from nnunet_tv.cli.report import main
from nnunet_tv.imaging.volume import Volume, write_volume
from nnunet_tv.reporting.record import read_record
from nnunet_tv.reporting.report import redraw_report
from nnunet_tv.utils.errors import NnunetTVError

AFFINE = np.array([[2.0, 0, 0, -30], [0, 2, 0, -30], [0, 0, 2, -30], [0, 0, 0, 1]])
SHAPE = (30, 30, 30)
CASES = [f"sub-{number}" for number in range(1, 8)]


def ball(centre, radius):
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    return ((grid - centre) ** 2).sum(axis=-1) <= radius ** 2


def save(folder, case, data):
    write_volume(Volume(data, AFFINE), folder / f"{case}.nii.gz")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Seven patients, two groups with probabilities, three controls, a table of participants."""
    root, rng = tmp_path_factory.mktemp("study"), np.random.default_rng(0)
    lines = ["participant_id\tlobe\tscanner"]
    for number, case in enumerate(CASES):
        centre, radius = rng.uniform(8, 21, 3), rng.uniform(2, 5)
        lesion = ball(centre, radius)
        save(root / "ref", case, lesion.astype(np.uint8))
        scan = rng.normal(100, 5, SHAPE) + 20 * lesion
        write_volume(Volume(scan.astype(np.float32), AFFINE), root / "images" / f"{case}_0000.nii.gz")
        for group, shift in (("dice", 3.0), ("tv", 1.0)):
            seen = 0.9 * ball(centre + shift, radius) if number else np.zeros(SHAPE)
            probability = np.maximum(seen, rng.uniform(0.3, 0.8) * ball((4, 4, 4), 3)).astype(np.float32)
            save(root / group, case, (probability > 0.5).astype(np.uint8))
            save(root / f"{group}-p", case, probability)
        lines.append(f"{case}\t{'FL' if number % 2 else 'TL'}\t{'A' if number < 4 else 'B'}")
    for number in range(3):
        save(root / "controls", f"con-{number}", (ball((15, 15, 15), 4) * (number == 0)).astype(np.uint8))
        lines.append(f"con-{number}\tn/a\tA")
    (root / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def report(study):
    arguments = ["--ref", "ref", "--pred", "Dice=dice", "TV=tv", "--probabilities", "Dice=dice-p", "TV=tv-p",
                 "--controls", "TV=controls", "--images", "images", "--participants", "participants.tsv",
                 "--strata", "lobe,size,contrast,hemisphere", "--hit", "any", "--hit", "overlap:0.1", "--measures",
                 "--paper", "--primary", "sSens", "--seed", "3", "-np", "1", "-o", "out"]
    before = Path.cwd()
    os.chdir(study)
    try:
        assert main(arguments) == 0
    finally:
        os.chdir(before)
    return study / "out"


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_tables_come_from_json_byte_for_byte(report, tmp_path):
    assert main(["--from", str(report), "-o", str(tmp_path / "again")]) == 0
    assert files(tmp_path / "again") == files(report)
    shutil.copy(report / "report.json", tmp_path / "alone.json")
    assert main(["--from", str(tmp_path / "alone.json"), "-o", str(tmp_path / "alone")]) == 0
    alone = files(tmp_path / "alone")
    assert {name: alone[name] for name in alone if name != "report.html"} == {
        name: data for name, data in files(report).items() if name in alone and name != "report.html"}
    assert b"No pictures: none were found next to" in alone["report.html"]


def test_other_wishes_need_no_scoring(report, tmp_path):
    out = tmp_path / "again"
    assert main(["--from", str(report), "--primary", "nFPC", "--strata", "scanner", "--seed", "0", "-o", str(out)]) == 0
    assert (out / "tables" / "comparisons.csv").read_text().splitlines()[1].startswith("primary,nFPC,raw")
    assert sorted(path.name for path in (out / "tables").glob("strata*.csv")) == ["strata-scanner.csv"]
    assert (out / "table1.csv").read_bytes() == (report / "table1.csv").read_bytes()
    settings = json.loads((out / "report.json").read_text())["meta"]["settings"]
    assert (settings["primary"], settings["seed"], settings["strata"]) == ("nFPC", 0, ["scanner"])


def test_an_earlier_report_can_be_redrawn_in_place(report, tmp_path):
    shutil.copytree(report, tmp_path / "copy")
    redraw_report(tmp_path / "copy", tmp_path / "copy")
    assert files(tmp_path / "copy") == files(report)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a report.json of nnunet-tv-report"),
        ('{"meta": {"tool": "other"}}', "not a report.json of nnunet-tv-report"),
        ('{"meta": {"tool": "nnunet-tv-report"}}', "structure None, expected 2: written by another version"),
        ('{"meta": {"tool": "nnunet-tv-report", "format": 2, "settings": {}}}', "damaged .*cases.*score again"),
    ],
)
def test_unusable_json(tmp_path, content, message):
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(NnunetTVError, match=message):
        read_record(tmp_path)


def test_a_report_with_problems_is_not_redrawn(study, tmp_path, capsys):
    shutil.copytree(study / "tv", tmp_path / "lacking")
    (tmp_path / "lacking" / "sub-2.nii.gz").unlink()
    arguments = ["--ref", str(study / "ref"), "--pred", f"TV={tmp_path / 'lacking'}", "-np", "1"]
    assert main([*arguments, "-o", str(tmp_path / "out")]) == 1
    assert main(["--from", str(tmp_path / "out"), "-o", str(tmp_path / "again")]) == 1
    assert "a report with 1 problems and no tables, the first: sub-2: missing" in capsys.readouterr().err
    assert main([*arguments, "--allow-missing", "-o", str(tmp_path / "out")]) == 0
    note = "Missing predictions, scored as empty because of --allow-missing: 1 (sub-2)."
    for name in ("table1.md", "table1.tex", "report.html"):
        assert note in (tmp_path / "out" / name).read_text(), name
    assert "sub-2,TV,0,raw,missing prediction,0,0," in (tmp_path / "out" / "cases.csv").read_text()


class Outline(html.parser.HTMLParser):
    """Links, anchors and pictures of a page; refuses tags that do not close."""

    def __init__(self):
        super().__init__()
        self.open, self.anchors, self.links, self.alternatives = [], [], [], []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if "href" in attributes else []
        if tag == "img":
            self.alternatives.append(attributes["alt"])
            assert attributes["src"].startswith("data:image/png;base64,")
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else(report):
    page = (report / "report.html").read_text()
    outline = Outline()
    outline.feed(page)
    assert outline.open == [] and len(set(outline.anchors)) == len(outline.anchors)
    assert outline.links and {link.removeprefix("#") for link in outline.links} <= set(outline.anchors)
    assert len(outline.alternatives) == 3 + len(CASES) and all(outline.alternatives)
    assert not re.search(r"<script|<link|https?://|url\(", page)
    assert 'name="viewport"' in page and "@media print" in page


def test_warnings_stand_where_the_figures_are(report):
    page = (report / "report.html").read_text()
    table = page[page.index('<section id="table-1">'):page.index('<section id="uncertainty">')]
    assert "7 subjects, fewer than 10: descriptive only." in table
    controls = page[page.index('<div class="block" id="table-controls">'):][:900]
    assert ("Confounded: scanner A: 4 of 7 patients, 3 of 3 controls; B: 3 of 7 patients, 0 of 3 controls"
            in controls)
    assert "For research use only" in page and "primary endpoint sSens" in page
    for text in ("TV − Dice", "overlap:0.1", "True lesions lost by the filter", "FROC", "By lesion size, thirds",
                 "HD95 (mm)", "Area without information", "TV paper: Dice + TV", "radiological".title()):
        assert text in page, text


def test_controls_are_in_no_other_table(report):
    content = json.loads((report / "report.json").read_text())
    assert {row["case"] for row in content["cases"]} == set(CASES)
    assert len({row["case"] for row in content["controls"]}) == 3
    assert "con-0" not in (report / "tables" / "hit-rules.md").read_text()
    assert "con-0,TV,0,raw,empty reference" in (report / "cases.csv").read_text()
    assert len(content["candidates"]) == 2 * len(CASES) and "con-0" in content["participants"]


def test_every_table_has_three_forms(report):
    names = {path.stem for path in (report / "tables").iterdir()}
    assert {"uncertainty", "comparisons", "hit-rules", "lost-lesions", "froc", "precision-recall", "detection-by-size",
            "strata-lobe", "strata-size", "strata-contrast", "strata-hemisphere", "controls", "controls-setup",
            "measures"} <= names
    for name in names:
        for ending in (".csv", ".md", ".tex"):
            assert (report / "tables" / f"{name}{ending}").stat().st_size > 20
    assert sorted(path.name for path in (report / "curves").iterdir()) == [
        "detection-by-size.png", "detection-by-size.svg", "froc.png", "froc.svg", "precision-recall.png",
        "precision-recall.svg"]


def test_wishes_that_cannot_be_met_are_said_before_scoring(study, tmp_path, capsys):
    arguments = ["--ref", str(study / "ref"), "--pred", f"TV={study / 'tv'}", "-np", "1", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--strata", "contrast"]) == 1
    error = capsys.readouterr().err
    assert "stratum contrast: the contrast of a lesion is measured on the scans; give --images" in error
    assert main([*arguments, "--participants", str(tmp_path / "none.tsv")]) == 1
    assert "none.tsv: not a readable table of participants" in capsys.readouterr().err
    table = ["--participants", str(study / "participants.tsv"), "--strata", "lope"]
    assert main([*arguments, *table]) == 1
    assert "stratum 'lope': neither a column" in capsys.readouterr().err and not (tmp_path / "out").exists()


CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
                None)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH")
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_in_a_browser(report, tmp_path, width):
    """Screenshots, kept for a person to look at; nothing may be wider than the window; and a PDF."""
    artefacts = Path(os.environ.get("CI_ARTIFACTS", Path(__file__).parents[2] / "artifacts"))
    artefacts.mkdir(parents=True, exist_ok=True)
    probe = tmp_path / "probe.html"
    page = (report / "report.html").read_text()
    script = ("<script>document.title = document.documentElement.scrollWidth + ' ' + innerWidth + ' ' + "
              "[...document.images].filter(i => !i.naturalWidth).length</script></body>")
    # A frame has the width that is asked for; a headless window has a least width of its own.
    page = page.replace("</body>", script).replace('loading="lazy"', "")
    (tmp_path / "inner.html").write_text(page, encoding="utf-8")
    probe.write_text(f'<iframe id="f" src="inner.html" style="width:{width}px;height:3000px;border:0" onload="'
                     "document.body.dataset.found = f.contentDocument ? f.contentDocument.title : ''\"></iframe>",
                     encoding="utf-8")
    run = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
           "--allow-file-access-from-files", "--hide-scrollbars"]
    dom = subprocess.run([*run, "--virtual-time-budget=5000", "--dump-dom", probe.as_uri()], capture_output=True,
                         text=True, timeout=120, check=True).stdout
    wide, window, broken = map(int, re.search(r'data-found="(\d+) (\d+) (\d+)"', dom).groups())
    assert window == width and wide <= window and broken == 0
    picture = artefacts / f"report-{width}.png"
    subprocess.run([*run, f"--window-size={width},3000", f"--screenshot={picture}", (report / "report.html").as_uri()],
                   capture_output=True, timeout=120, check=True)
    assert picture.stat().st_size > 20_000
    pdf = artefacts / "report.pdf"
    subprocess.run([*run, f"--print-to-pdf={pdf}", (report / "report.html").as_uri()], capture_output=True, timeout=120,
                   check=True)
    assert pdf.read_bytes().startswith(b"%PDF") and pdf.stat().st_size > 50_000

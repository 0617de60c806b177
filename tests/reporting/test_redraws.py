"""What a redraw changes after scoring is recorded and shown."""

import json
import re
from datetime import datetime, timezone

import pytest
from output_folders import snapshot
from report_rows import make_row

from nnunet_tv import __version__
from nnunet_tv.cli.report import main
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.redraws import Change, Redraw, choice_warnings
from nnunet_tv.reporting.report import redraw_report
from nnunet_tv.utils.files import sha256


def redraw(source, out, *options):
    assert main(["--from", str(source), "-o", str(out), *options]) == 0
    return json.loads((out / "report.json").read_text())["meta"]


def shown(folder):
    """All files but those that show when and how the tables were made."""
    return {name: data for name, data in snapshot(folder).items() if name not in ("report.html", "report.json")}


def test_a_redraw_without_changes_is_recorded_and_has_identical_tables(report, tmp_path):
    scored = json.loads((report / "report.json").read_text())
    assert scored["meta"]["redraws"] == [] and scored["meta"]["when_scored"] == {"primary": "sSens", "seed": 3}
    before = datetime.now(timezone.utc).replace(microsecond=0)
    meta = redraw(report, tmp_path / "again", "--primary", "sSens", "--min-voxels", "50")
    (recorded,) = meta["redraws"]
    assert datetime.fromisoformat(recorded["date"]) >= before and recorded["version"] == __version__
    assert recorded["command"] == ["nnunet-tv-report", "--from", str(report), "-o", str(tmp_path / "again"),
                                   "--primary", "sSens", "--min-voxels", "50"]
    assert recorded["changes"] == {}
    assert shown(tmp_path / "again") == shown(report)
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    assert {**again, "meta": {**again["meta"], "redraws": []}} == scored


def test_redraws_accumulate_and_keep_what_was_chosen_when_scored(study, report, tmp_path):
    redraw(report, tmp_path / "one", "--primary", "nFPC", "--remark", "no mirrors")
    meta = redraw(tmp_path / "one", tmp_path / "two", "--seed", "0", "--strata", "lobe", "--primary", "DC")
    assert [each["changes"] for each in meta["redraws"]] == [
        {"primary": {"before": "sSens", "after": "nFPC"}, "remark": {"before": "", "after": "no mirrors"}},
        {"primary": {"before": "nFPC", "after": "DC"}, "seed": {"before": 3, "after": 0},
         "strata": {"before": ["lobe", "size", "contrast", "hemisphere"], "after": ["lobe"]}}]
    assert meta["when_scored"] == {"primary": "sSens", "seed": 3} and meta["command"][1:3] == ["--ref", "ref"]
    redraw_report(tmp_path / "two", tmp_path / "two")  # in place
    assert [each["command"][:2] for each in json.loads((tmp_path / "two" / "report.json").read_text())["meta"][
        "redraws"]] == [["nnunet-tv-report", "--from"], ["nnunet-tv-report", "--from"], []]


def test_another_participants_table_is_recorded_with_its_digest(study, report, tmp_path):
    first = study / "participants.tsv"
    table = tmp_path / "other.tsv"
    table.write_text("participant_id\tlobe\nsub-1\tOL\n")
    meta = redraw(report, tmp_path / "again", "--participants", str(table), "--strata", "lobe")
    assert meta["redraws"][0]["changes"]["participants"] == {
        "before": {"file": "participants.tsv", "sha256": sha256(first)},
        "after": {"file": str(table), "sha256": sha256(table)}}
    page = (tmp_path / "again" / "report.html").read_text()
    assert "9 of 10 cases are not in the participants table: sub-2," in page
    table.write_text(first.read_text())
    meta = redraw(tmp_path / "again", tmp_path / "again", "--participants", str(table))
    assert meta["redraws"][1]["changes"]["participants"]["after"]["sha256"] == sha256(first)
    assert "not in the participants table" not in (tmp_path / "again" / "report.html").read_text()


def test_the_page_shows_scoring_and_every_redraw(report, tmp_path):
    redraw(report, tmp_path / "one", "--primary", "nFPC")
    meta = redraw(tmp_path / "one", tmp_path / "two", "--primary", "DC", "--remark", "<b>")
    page = (tmp_path / "two" / "report.html").read_text()
    provenance = page[page.index('<section id="provenance">'):]
    assert f"Scored {meta['created']}" in provenance and "nnunet-tv-report --ref ref" in provenance
    for each in meta["redraws"]:
        assert each["date"] in provenance
    assert "primary: sSens → nFPC" in provenance and "primary: nFPC → DC" in provenance
    assert "remark: (none) → &lt;b&gt;" in provenance
    assert "made again from report.json 1" not in (report / "report.html").read_text()


def test_a_changed_choice_is_stated_over_table_1_and_over_the_comparisons(report, tmp_path):
    meta = redraw(report, tmp_path / "again", "--primary", "DC", "--seed", "1")
    day = meta["redraws"][0]["date"][:10]
    primary = f"Primary endpoint when scored: sSens; changed to DC on {day} by a redraw."
    seed = f"Seed when scored: 3; changed to 1 on {day} by a redraw."
    page = (tmp_path / "again" / "report.html").read_text()
    for part in ('<section id="in-short">', '<section id="table-1">', 'id="table-comparisons"'):
        text = re.split("<section|<div", page[page.index(part):], maxsplit=2)
        assert primary in "".join(text[:3]) and seed in "".join(text[:3]), part
    for name in ("table1.md", "table1.tex", "tables/comparisons.md", "tables/comparisons.tex"):
        assert primary in (tmp_path / "again" / name).read_text(), name
        assert "when scored" not in (report / name).read_text(), name
    assert (tmp_path / "again" / "table1.csv").read_bytes() == (report / "table1.csv").read_bytes()
    redraw(tmp_path / "again", tmp_path / "back", "--primary", "sSens", "--seed", "3")
    assert shown(tmp_path / "back") == shown(report)


@pytest.mark.parametrize(("steps", "expected"), [
    ([], []),
    ([("2026-01-02", "sSens")], ["changed to sSens on 2026-01-02 by a redraw."]),
    ([("2026-01-02", "sSens"), ("2026-01-03", "nFPC")],
     ["changed to sSens on 2026-01-02, to nFPC on 2026-01-03 by redraws."]),
    ([("2026-01-02", "sSens"), ("2026-01-03", "DC")], [])])
def test_the_steps_of_a_changed_choice(steps, expected):
    values = ["DC", *(value for _, value in steps)]
    redraws = [Redraw(f"{day}T10:00:00+00:00", (), "1", {"primary": Change(before, value)})
               for (day, value), before in zip(steps, values, strict=False)]
    record = Record([make_row("a")], redraws=redraws, settings={"primary": values[-1], "seed": 0},
                    meta={"when_scored": {"primary": "DC", "seed": 0}})
    found = choice_warnings(record)
    assert len(found) == len(expected) and all(text in one for text, one in zip(expected, found, strict=True))


def test_a_setting_that_differs_without_a_recorded_redraw_is_stated():
    record = Record([make_row("a")], settings={"primary": "sSens", "seed": 0},
                    meta={"when_scored": {"primary": "DC", "seed": 0}})
    assert "Primary endpoint when scored: DC; changed to sSens, which no redraw records." in choice_warnings(record)[0]


def test_a_redraw_with_a_table_that_is_not_there_leaves_no_report(report, tmp_path, capsys):
    assert main(["--from", str(report), "-o", str(tmp_path / "again"), "--participants", str(tmp_path / "no.tsv")]) == 1
    assert "no.tsv: not a readable table of participants" in capsys.readouterr().err and not list(tmp_path.iterdir())

"""The section of two scans, from the command to the page."""

import csv
import json

from output_folders import snapshot

from nnunet_tv.cli.report import main


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_second_scan_is_compared(rescans):
    rows = rows_of(rescans / "rescans.csv")
    assert [(row["case"], row["group"], row["stage"]) for row in rows[:4]] == [
        (case, "TV", "raw") for case in ("con-1", "sub-2", "sub-3", "sub-without-reference")]
    assert len(rows) == 8 and (rows[0]["dice"], rows[3]["dice"]) == ("", "1.0")
    (raw, _) = rows_of(rescans / "tables" / "rescans.csv")
    assert (raw["Subjects"], raw["No cluster in either scan"], raw["Clusters in one scan only"]) == ("4", "1", "0.0")
    assert float(raw["Dice"]) == sum(float(row["dice"]) for row in rows[1:4]) / 3
    page = (rescans / "report.html").read_text(encoding="utf-8")
    assert "4 subjects with two scans, among them 3 of the 10 patients and controls" in page
    meta = json.loads((rescans / "report.json").read_text())["meta"]
    assert "tv-again/con-1.nii.gz" in meta["sha256"] and meta["runs"][0]["rescan"] == "tv-again"


def test_tables_are_made_again_from_the_record(rescans, tmp_path):
    assert main(["--from", str(rescans), "-o", str(tmp_path / "again")]) == 0
    before, after = snapshot(rescans), snapshot(tmp_path / "again")
    assert all(after.pop(name) != before.pop(name) for name in ("report.json", "report.html"))  # the redraw is stated
    assert after == before and "rescans.csv" in before


def test_without_second_scans_there_is_no_section(report):
    page = (report / "report.html").read_text()
    assert not (report / "rescans.csv").exists() and '<section id="rescans">' not in page


def test_a_second_scan_without_a_first_ends_without_tables(rescans, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(rescans.parent)
    assert main(["--ref", "ref", "--pred", "TV=tv", "--rescan", "TV=tv-again", "-np", "1", "-o",
                 str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "con-1" in error and "expected tv/con-1.nii.gz" in error
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"cases.csv", "report.json"}

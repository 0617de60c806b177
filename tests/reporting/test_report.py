"""The whole report: made, made again from its JSON, and its files."""

import json
import shutil

import pytest
from output_folders import snapshot

from nnunet_tv.cli.report import main
from nnunet_tv.reporting.report import make_report, redraw_report
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import NnunetTVError


def test_a_report_alone_is_redrawn_without_pictures(report, tmp_path):
    shutil.copy(report / "report.json", tmp_path / "alone.json")
    redraw_report(tmp_path / "alone.json", tmp_path / "alone")
    alone = snapshot(tmp_path / "alone")
    assert b"No pictures: none were found next to" in alone.pop("report.html") and alone.pop("report.json")
    assert alone == {name: data for name, data in snapshot(report).items() if name in alone}


def test_tables_change_without_scoring(report, tmp_path):
    out = tmp_path / "again"
    assert main(["--from", str(report), "--primary", "nFPC", "--strata", "scanner", "--seed", "0", "-o", str(out)]) == 0
    assert (out / "tables" / "comparisons.csv").read_text().splitlines()[1].startswith("primary,nFPC,raw")
    assert sorted(path.name for path in (out / "tables").glob("strata*.csv")) == ["strata-scanner.csv"]
    assert (out / "table1.csv").read_bytes() == (report / "table1.csv").read_bytes()
    settings = json.loads((out / "report.json").read_text())["meta"]["settings"]
    assert (settings["primary"], settings["seed"], settings["strata"]) == ("nFPC", 0, ["scanner"])


def test_controls_are_in_no_other_table(study, report):
    controls = {"con-0", "con-1", "con-2"}
    content = json.loads((report / "report.json").read_text())
    assert {row["case"] for row in content["controls"]} == controls <= set(content["participants"])
    assert not controls & {row["case"] for part in ("cases", "candidates") for row in content[part]}
    assert len(content["candidates"]) == 2 * 7
    assert "con-0" not in (report / "tables" / "hit-rules.md").read_text()
    assert "con-0,TV,0,raw,empty reference" in (report / "cases.csv").read_text()


def test_every_table_and_curve_is_written_in_all_forms(report):
    tables = {"test-set", "flow", "flow-predictions",
              "uncertainty", "comparisons", "hit-rules", "lost-lesions", "froc", "precision-recall",
              "detection-by-size", "strata-lobe", "strata-size", "strata-contrast", "strata-hemisphere", "controls",
              "controls-setup", "measures"}
    assert all(path.stat().st_size > 20 for path in (report / "tables").iterdir())
    assert {path.name for path in (report / "tables").iterdir()} == {
        f"{name}{ending}" for name in tables for ending in (".csv", ".md", ".tex")}
    assert {path.name for path in (report / "curves").iterdir()} == {
        f"{name}{ending}" for name in ("detection-by-size", "froc", "precision-recall") for ending in (".png", ".svg")}


def test_references_are_required(study, tmp_path):
    with pytest.raises(NnunetTVError, match="no references"):
        make_report(tmp_path / "out", runs=[Run("TV", 0, study / "tv")])

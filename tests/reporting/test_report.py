"""The whole report: made, made again from its JSON, and its files."""

import csv
import json
import shutil

import pytest
from output_folders import snapshot
from sklearn.metrics import roc_auc_score

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
    assert {one["case"] for one in content["control_candidates"]} == controls
    assert "con-0" not in (report / "tables" / "hit-rules.md").read_text()
    assert "con-0,TV,0,raw,empty reference" in (report / "cases.csv").read_text()


def test_every_table_and_curve_is_written_in_all_forms(report):
    tables = {"test-set", "flow", "flow-predictions", "checklist",
              "uncertainty", "comparisons", "comparisons-stages", "hit-rules", "lost-lesions", "froc",
              "precision-recall",
              "detection-by-size", "strata-lobe", "strata-size", "strata-contrast", "strata-hemisphere", "controls",
              "controls-setup", "cluster-ppv", "patients-controls", "predictive-values", "roc", "calibration",
              "reliability", "measures", "provenance", "cohort-maps"}
    assert all(path.stat().st_size > 20 for path in (report / "tables").iterdir())
    assert {path.name for path in (report / "tables").iterdir()} == {
        f"{name}{ending}" for name in tables for ending in (".csv", ".md", ".tex")}
    assert {path.name for path in (report / "curves").iterdir()} == {
        f"{name}{ending}" for name in ("detection-by-size", "froc", "precision-recall", "roc", "calibration-voxels",
                                       "calibration-clusters") for ending in (".png", ".svg")}


def test_patients_and_controls_are_recomputed_from_the_files(report):
    rows = {(row["case"], row["stage"]): row for row in csv.DictReader((report / "cases.csv").open())
            if row["group"] == "TV"}
    positive = {case: int(row["n_clusters"]) > 0 for (case, stage), row in rows.items() if stage == "raw"}
    table = list(csv.DictReader((report / "tables" / "patients-controls.csv").open()))
    assert [(row["Group"], row["Stage"], row["Positive by"]) for row in table] == [
        ("TV", stage, by) for stage in ("raw", "filtered") for by in ("any cluster", "lesion hit")]
    tp, fp = (sum(positive[case] for case in positive if case.startswith(prefix)) for prefix in ("sub", "con"))
    assert [int(table[0][name]) for name in ("TP", "FN", "FP", "TN")] == [tp, 7 - tp, fp, 3 - fp] and 0 < fp < 3
    values = next(csv.DictReader((report / "tables" / "predictive-values.csv").open()))
    assert float(values["PPV"]) == pytest.approx(tp / (tp + fp))
    clusters = list(csv.DictReader((report / "tables" / "cluster-ppv.csv").open()))
    dice, tv = (next(row for row in clusters if row["Group"] == name) for name in ("Dice", "TV"))
    assert dice["Cluster PPV, controls included"] == "–"
    number = {case: int(row["n_clusters"]) for (case, stage), row in rows.items() if stage == "raw"}
    patients = sum(count for case, count in number.items() if case.startswith("sub"))
    assert tv["True clusters"].endswith(f" of {patients}") and sum(number.values()) == patients + 1
    assert tv["True clusters, controls included"].endswith(f" of {patients + 1}")


def test_scores_of_subjects_are_the_peaks_of_their_probabilities(report):
    content = json.loads((report / "report.json").read_text())
    scores = {one["case"]: max(one["confidence"], default=0)
              for part in ("candidates", "control_candidates") for one in content[part] if one["group"] == "TV"}
    expected = roc_auc_score([case.startswith("sub") for case in scores], list(scores.values()))
    [row] = csv.DictReader((report / "tables" / "roc.csv").open())
    assert (row["Group"], row["Patients"], row["Controls"]) == ("TV", "7", "3")
    assert float(row["AUC"]) == pytest.approx(expected) and float(row["AUC: low"]) < expected
    warning = "Confounded: scanner A: 4 of 7 patients, 3 of 3 controls; B: 3 of 7 patients, 0 of 3 controls."
    page = (report / "report.html").read_text()
    assert page[page.index('<section id="patients-controls"'):].split("</section>")[0].count(warning) == 1


def test_without_probabilities_or_controls_of_a_group(study, tmp_path, monkeypatch):
    monkeypatch.chdir(study)
    arguments = ["--ref", "ref", "--pred", "TV=tv", "-np", "1", "-o", str(tmp_path / "out")]
    assert main([*arguments, "--controls", "TV=controls"]) == 0
    assert "No ROC curve: it needs probabilities of both" in (tmp_path / "out" / "report.html").read_text()
    assert not list((tmp_path / "out").glob("*/roc*"))
    assert main([*arguments, "--controls", "Other=controls"]) == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Other: controls, but no patients with a lesion in a group of this name." in page
    assert 'id="controls-block"' in page and 'id="patients-controls"' not in page


def test_a_patient_is_no_control(study, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(study)
    arguments = ["--ref", "ref", "--pred", "TV=tv", "--controls", "TV=tv", "-np", "1", "-o", str(tmp_path / "out")]
    assert main(arguments) == 1
    problems = json.loads((tmp_path / "out" / "report.json").read_text())["problems"]
    assert [problem.split(":")[0] for problem in problems] == sorted(
        row.stem.removesuffix(".nii") for row in (study / "ref").iterdir())
    assert "sub-1: tv/sub-1.nii.gz: given as a control's prediction" in capsys.readouterr().err
    assert not (tmp_path / "out" / "report.html").exists()


def test_references_are_required(study, tmp_path):
    with pytest.raises(NnunetTVError, match="no references"):
        make_report(tmp_path / "out", runs=[Run("TV", 0, study / "tv")])


def test_probabilities_beside_the_controls_are_used(study, tmp_path, monkeypatch):
    monkeypatch.chdir(study)
    beside = tmp_path / "controls"
    shutil.copytree("controls", beside)
    arguments = ["--ref", "ref", "--pred", "TV=tv", "--probabilities",
                 "TV=tv-p", "--controls", f"TV={beside}", "-np", "1"]
    for path in sorted((study / "controls-p").iterdir())[1:]:
        shutil.copy(path, beside / path.name.replace(".nii.gz", "_prob.nii.gz"))
    assert main([*arguments, "-o", str(tmp_path / "some")]) == 0  # one control lacks its probability
    path = min((study / "controls-p").iterdir())
    shutil.copy(path, beside / path.name.replace(".nii.gz", "_prob.nii.gz"))
    assert main([*arguments, "-o", str(tmp_path / "all")]) == 0
    assert main([*arguments, "--controls-probabilities", "TV=controls-p", "-o", str(tmp_path / "given")]) == 0
    roc = [tmp_path / name / "tables" / "roc.csv" for name in ("some", "all", "given")]
    assert not roc[0].exists() and roc[1].read_text() == roc[2].read_text()

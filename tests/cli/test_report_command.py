"""nnunet-tv-report, as it is called."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import scored_folders

from nnunet_tv.cli.report import main
from nnunet_tv.utils.files import sha256, write_json

SHAPE = (24, 24, 24)
cube = partial(scored_folders.cube, shape=SHAPE, side=6)
save = partial(scored_folders.save, affine=np.eye(4))


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Two cases; group A with two runs, B with one."""
    monkeypatch.chdir(tmp_path)
    for case, start in (("sub-1", 2), ("sub-2", 12)):
        save(tmp_path / "ref", case, cube((start, 4, 4)))
        save(tmp_path / "a0", case, cube((start, 4, 4)))
        save(tmp_path / "a1", case, cube((start + 3, 4, 4)) | cube((20, 20, 20), side=2))
        save(tmp_path / "b0", case, cube((start, 14, 14)))
    return tmp_path


def call(*extra):
    return main(["--ref", "ref", "--pred", "A=a0", "A=a1", "--pred", "B=b0", "-np", "1", "-o", "out", *extra])


def test_report_folder(study, capsys):
    save(study / "a0", "healthy", cube())
    assert call("--paper", "--remark", "nnU-Net, 8 mirrors, overlap 0.5.") == 0
    captured = capsys.readouterr()
    assert "| A | 2 | 0.7500 ± 0.3536 |" in captured.out and "report.html" in captured.out
    assert "warning: a0: 1 predictions without a reference, not scored: healthy" in captured.err
    out = study / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "cases.csv", "clusters.csv", "cohort", "curves", "lesions.csv", "pictures", "report.html", "report.json",
        "table1.csv", "table1.md", "table1.tex", "tables",
    ]
    assert sorted(path.name for path in (out / "pictures").iterdir()) == ["sub-1.png", "sub-2.png"]
    assert [path.name for path in study.iterdir() if path.name.startswith(".")] == []
    markdown = (out / "table1.md").read_text()
    for note in ("2 subjects, 2 of them with a lesion", "Fewer than 10 subjects", "sample standard deviation",
                 "any true positive voxel", "26-connectivity", "smaller than 50 voxels", "pooled over all subjects",
                 "How predictions were made: nnU-Net, 8 mirrors", "TV paper"):
        assert note in markdown, note
    lines = list(csv.reader((out / "cases.csv").open()))
    assert len(lines) == 1 + 2 * 3 * 2
    assert lines[1][:11] == ["sub-1", "A", "0", "raw", "scored", "216", "0", "0", "1.0", "1", "0"]
    assert lines[5][:11] == ["sub-1", "A", "1", "raw", "scored", "108", "116", "108", str(216 / 440), "1", "1"]


def content(out):
    return json.loads((out / "report.json").read_text())


def test_report_json(study):
    assert call() == 0
    report = content(study / "out")
    assert set(report["groups"]) == {"A", "B"}
    for stages in report["groups"].values():
        assert set(stages) == {"raw", "filtered"}
        for measures in stages.values():
            assert list(measures) == ["Sens", "Prec", "DC", "sSens", "nFPC"]
            assert all(list(value) == ["mean", "std", "runs"] for value in measures.values())
    raw, filtered = report["groups"]["A"]["raw"], report["groups"]["A"]["filtered"]
    assert raw["Sens"]["runs"] == [1.0, 0.5] and raw["nFPC"]["runs"] == [0.0, 1.0]
    assert filtered["nFPC"]["runs"] == [0.0, 0.0] and filtered["Sens"]["runs"][0] == 160 / 216  # rounded by opening
    assert report["groups"]["B"]["raw"]["Prec"] == {"mean": 0.0, "std": None, "runs": [0.0]}
    assert report["per_subject"]["A"]["raw"]["Sens"]["mean"] == 0.75
    meta = report["meta"]
    assert meta["sha256"]["ref/sub-1.nii.gz"] == sha256("ref/sub-1.nii.gz") and len(meta["sha256"]) == 8
    assert meta["command"][:3] == ["nnunet-tv-report", "--ref", "ref"]
    assert meta["versions"]["numpy"] == np.__version__ and meta["versions"]["nnunet-tv"]
    assert meta["settings"]["filter"] == {"min_voxels": 50, "connectivity": 26} and meta["runs"][1]["run"] == 1
    assert len(report["cases"]) == 12 and report["problems"] == [] and "paper" not in report


def test_a_report_of_an_earlier_version_without_a_measure(study):
    assert call("--measures") == 0
    report = content(study / "out")
    for row in report["cases"]:
        del row["score"]["measures"]["nsd"]
    (study / "out" / "report.json").write_text(json.dumps(report))
    assert main(["--from", "out", "-o", "again"]) == 0
    table = (study / "again" / "tables" / "measures.md").read_text()
    assert re.search(r"\| NSD at 2 mm \| not recorded \| – \| 0 \| not recorded \|", table)
    assert (study / "again" / "table1.csv").read_bytes() == (study / "out" / "table1.csv").read_bytes()


def test_filtered_folders_are_used_and_names_are_escaped_on_the_page(study):
    shutil.copytree(study / "a1", study / "a1 filtered")
    assert call("--pred", "<b>&=a0", "--pred-pp", "A=b0", "A=a1 filtered") == 0
    groups = content(study / "out")["groups"]
    assert groups["A"]["filtered"]["Sens"]["runs"] == [0.0, 0.5]
    note = (study / "out" / "table1.md").read_text()
    assert "given as files for A, run 0; A, run 1" in note and "applied here to B, run 0; <b>&, run 0:" in note
    page = (study / "out" / "report.html").read_text()
    assert page.count('src="data:image/png;base64,') == 3 + 6  # a curve, two cases; maps
    assert "&lt;b&gt;&amp;" in page and "<b>&" not in page


@pytest.mark.parametrize(("options", "clusters", "left"), [
    (["--min-voxels", "12"], 2, 3), (["--min-mm3", "12.5", "-np", "2"], 2, 0),
    (["--min-voxels", "13", "--connectivity", "18"], 3, 0)])
def test_options_of_the_filter_and_the_clusters(study, options, clusters, left):
    # Two blocks of 3×3×4 that touch with a corner and one apart. Opening erodes each to 1×1×2 and dilates it to
    # 2 + 2·4 + 2 = 12 voxels, which touch no longer.
    false = np.zeros(SHAPE, np.uint8)
    for x, y, z in ((1, 16, 8), (4, 19, 12), (18, 18, 16)):
        false[x:x + 3, y:y + 3, z:z + 4] = 1
    for case in ("sub-1", "sub-2"):
        save(study / "a0", case, false)
    assert main(["--ref", "ref", "--pred", "A=a0", "-np", "1", *options, "-o", "out"]) == 0
    stages = content(study / "out")["groups"]["A"]
    assert (stages["raw"]["nFPC"]["mean"], stages["filtered"]["nFPC"]["mean"]) == (clusters, left)
    connectivity = options[-1] if "--connectivity" in options else 26
    assert f"({connectivity}-connectivity) without any voxel" in (study / "out" / "table1.md").read_text()


def test_a_missing_prediction_fails_without_tables(study, capsys):
    (study / "a1" / "sub-2.nii.gz").unlink()
    assert call() == 1
    error = capsys.readouterr().err
    assert "error: sub-2: missing raw prediction of A, run 1: expected a1/sub-2.nii.gz" in error
    assert "1 problem, so no table" in error
    assert sorted(path.name for path in (study / "out").iterdir()) == ["cases.csv", "report.json"]
    report = content(study / "out")
    assert report["groups"] == {} and len(report["problems"]) == 1
    lines = list(csv.DictReader((study / "out" / "cases.csv").open()))
    assert [line["case"] for line in lines if line["status"] == "missing prediction"] == ["sub-2", "sub-2"]
    assert len(lines) == 12
    assert main(["--from", "out", "-o", "again"]) == 1
    assert "a report with 1 problems and no tables, the first: sub-2: missing" in capsys.readouterr().err
    assert call("--allow-missing") == 0
    note = "Missing predictions, scored as empty because of --allow-missing: 1 (sub-2)."
    for name in ("table1.md", "table1.tex", "report.html"):
        assert note in (study / "out" / name).read_text(), name
    assert "sub-2,A,1,raw,missing prediction,0,0," in (study / "out" / "cases.csv").read_text()
    save(study / "a1", "sub-2", cube((12, 4, 4)))
    assert call() == 0  # and the failed report is replaced
    assert (study / "out" / "table1.md").exists()


def test_an_earlier_report_is_replaced_and_nothing_else(study, capsys):
    (study / "out").mkdir()
    assert call() == 0  # an empty folder is fine
    created = (study / "out" / "report.json").stat().st_ino
    assert call() == 0
    assert (study / "out" / "report.json").stat().st_ino != created
    (study / "out" / "my-notes.txt").write_text("keep me")
    (study / "file").write_text("mine")
    for out, message in (("out", "out: contains my-notes.txt, which is not part of a report"),
                         ("ref", "ref: contains sub-1.nii.gz, sub-2.nii.gz, which is not part of a report"),
                         ("file", "file: expected a folder for the report, found a file"),
                         ("file/out", f"{study / 'file'} is not a folder that may be written to")):
        assert call("-o", out) == 1
        assert message in capsys.readouterr().err
    assert (study / "out" / "my-notes.txt").read_text() == "keep me" and (study / "out" / "table1.md").exists()
    (study / "out" / "my-notes.txt").unlink()
    (study / "out" / "report.json").write_text('{"meta": {"tool": "another"}}')
    assert call() == 1
    assert "out: not an earlier report" in capsys.readouterr().err


def test_a_place_where_nothing_can_be_written_is_named_before_scoring(study, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert call("-o", "below/out") == 1
    assert f"below/out: cannot be made: {study} is not a folder" in capsys.readouterr().err
    monkeypatch.setattr(os, "access", lambda *_: True)  # as root, where the kernel refuses
    monkeypatch.setattr(Path, "mkdir", Mock(side_effect=PermissionError("no")))
    assert call("-o", "below/out") == 1
    assert "may be written to; choose another place" in capsys.readouterr().err


def test_an_interrupted_report_leaves_the_earlier_one_and_a_running_ones_files(study, monkeypatch):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    killed, running = study / f".partial-{dead.pid}-out", study / f".partial-{os.getppid()}-out"
    for folder in (killed, running):
        (folder / "pictures").mkdir(parents=True)
    assert call() == 0
    before = (study / "out" / "report.json").read_text()
    monkeypatch.setattr("nnunet_tv.reporting.report_folder.render", Mock(side_effect=KeyboardInterrupt))
    assert call() == 130
    assert (study / "out" / "report.json").read_text() == before
    assert list(study.glob(".*")) == [running]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--ref=ref", "--pred", "a0"], "expected NAME=FOLDER, found 'a0'"),
    (["--ref=ref", "--pred", "A=a0", "A=a0"], "--pred A=a0 is given twice: one run would count as two"),
    (["--ref=ref", "--pred", "A=a0", "--pred-pp", "B=b0"], "--pred-pp B has no --pred B; names are A"),
    (["--ref=ref", "--pred", "A=a0", "A=a1", "--pred-pp", "A=b0"], "A: 2 folders with --pred but 1 with --pred-pp"),
    (["--ref=ref", "--pred", "A=a0", "A=a1", "--rescan", "A=b0"], "A: 2 folders with --pred but 1 with --rescan"),
    (["--ref=ref", "--pred", "A=a0", "--min-voxels", "-1"], "expected one argument|at least 0"),
    (["--ref=ref", "--pred", "A=a0", "--min-mm3", "x"], "volume in mm³ from 0, found 'x'"),
    (["--ref=ref", "--pred", "A=a0", "--min-mm3", "5", "--min-voxels", "5"], "not allowed with"),
    (["--ref=ref", "--pred", "A=a0", "--connectivity", "8"], "invalid choice: 8"),
    (["--ref=ref"], "required: --pred or --model"),
    (["--ref=ref", "--pred", "A=a0", "--controls", "A=c", "A=c"], "--controls A=c is given twice"),
    (["--ref=ref", "--pred", "A=a0", "--controls", "A=c", "--controls-probabilities", "B=p"],
     "--controls-probabilities B has no --controls B; names are A"),
    (["--ref=ref", "--pred", "A=a0", "--controls-probabilities", "A=p"], "A has no --controls A; names are none"),
    (["--ref=ref", "--pred", "A=a0", "--controls", "A=c", "A=d", "--controls-probabilities", "A=p"],
     "A: 2 folders with --controls but 1 with --controls-probabilities"),
    (["--ref=ref", "--pred", "A=a0", "--hit", "near"], "expected a hit rule any, overlap:0.1"),
    (["--ref=ref", "--pred", "A=a0", "--hit", "overlap:0.1", "--hit", "overlap:0.10"], "overlap:0.1 is given twice"),
    (["--ref=ref", "--pred", "A=a0", "--strata", "lobe,,"], "expected names with commas between, found 'lobe,,'"),
    (["--ref=ref", "--pred", "A=a0", "--strata", "size,lobe"], "--strata lobe is a column of a participants table"),
    (["--from", "out", "--ref", "ref"], "--ref needs scoring and does not go with --from"),
    (["--pred", "A=a0"], r"required: --ref \(or --model, or --from\)"),
    *((["--from", "out", *option], f"{option[0]} needs scoring and does not go with --from") for option in (
        ["--connectivity", "6"], ["--hit", "center"], ["--min-voxels", "0"], ["--measures"], ["--images", "i"],
        ["--rescan", "A=b"], ["--controls-probabilities", "A=p"])),
])
def test_usage_errors(arguments, message, capsys):
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "-o", "out"])
    assert caught.value.code == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.fixture
def model(study, monkeypatch):
    """A model folder of two folds, whose split is to be written."""
    monkeypatch.setenv("nnUNet_preprocessed", str(study / "pre"))
    shutil.copytree(study / "ref", study / "pre" / "DatasetFCD" / "gt_segmentations")
    return study / "results" / "DatasetFCD" / "nnUNetTrainerDiceTV__nnUNetPlans__3d_fullres"


def validated(study, model, *folds):
    for number, cases in enumerate(folds):
        for case in cases:
            (model / f"fold_{number}" / "validation").mkdir(parents=True, exist_ok=True)
            shutil.copy(study / "a1" / f"{case}.nii.gz", model / f"fold_{number}" / "validation" / f"{case}.nii.gz")
    write_json([{"train": [], "val": list(cases)} for cases in folds], study / "pre/DatasetFCD/splits_final.json")


def test_equal_folds_of_a_model_are_runs_of_a_selection_set(study, model):
    validated(study, model, ("sub-1", "sub-2"), ("sub-1", "sub-2"))
    assert main(["--model", str(model), "--pred", "Exact=a0", "-np", "1", "-o", "out"]) == 0
    report = content(study / "out")
    assert report["groups"]["DiceTV"]["raw"]["Sens"]["runs"] == [0.5, 0.5]
    assert report["groups"]["Exact"]["raw"]["Sens"]["runs"] == [1.0]
    assert "Selection set, not test" in (study / "out" / "table1.md").read_text()
    page = (study / "out" / "report.html").read_text()
    assert "Selection set, not test" in page[page.index('id="table-1"'):page.index('id="uncertainty"')]
    assert any("the same files, byte by byte" in text for text in report["warnings"])


def test_disjoint_folds_of_a_model_are_one_pooled_run(study, model, capsys):
    validated(study, model, ("sub-1",), ("sub-2",))
    assert main(["--model", f"CV={model}", "-np", "1", "-o", "out"]) == 0
    report = content(study / "out")
    assert report["groups"]["CV"]["raw"]["Sens"]["runs"] == [0.5] and len(report["cases"]) == 4
    folds = report["meta"]["runs"][0]["folds"]
    assert [(Path(fold["raw"]).parent.name, fold["cases"]) for fold in folds] == [
        ("fold_0", ["sub-1"]), ("fold_1", ["sub-2"])]
    assert "Cross-validation: 2 disjoint folds" in (study / "out" / "report.html").read_text()
    assert len(list((study / "out" / "pictures").iterdir())) == 2
    capsys.readouterr()
    assert main(["--model", f"A={model}", f"A={model}", "-np", "1", "-o", "out"]) == 1
    assert "two groups are named A: name a model with --model NAME=FOLDER" in capsys.readouterr().err


@pytest.mark.parametrize(("change", "arguments", "message"), [
    (lambda study: (study / "ref" / "sub-9.nii").write_bytes(b""), [],
     "references that are not CASE.nii.gz would be left out: sub-9.nii; save"),
    (None, ["--pred", "C=nowhere"], "error: nowhere: no such folder"),
    (None, ["--images", "gone"], "gone: no such folder of images"),
    (None, ["--strata", "contrast"], "measured on the scans; give --images"),
    (None, ["--participants", "none.tsv"], "none.tsv: not a readable table of participants"),
    (lambda study: (study / "people.tsv").write_text("participant_id\tlobe\nsub-1\tFL\n"),
     ["--participants", "people.tsv", "--strata", "lope"], "stratum 'lope': neither a column"),
    (None, ["--pred", "TV paper: Dice=a0", "--paper"], "'TV paper: Dice' is the name of a row of the paper's"),
])
def test_faults_are_named_before_scoring_and_end_with_status_1(study, capsys, change, arguments, message):
    if change:
        change(study)
    assert call(*arguments) == 1
    assert message in capsys.readouterr().err
    assert not (study / "out").exists()

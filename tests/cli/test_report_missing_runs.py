"""Runs that failed: nnunet-tv-report --missing-run names them and scores the others."""

import json
import re
from functools import partial

import numpy as np
import pytest
import scored_folders

from nnunet_tv.cli.report import main
from nnunet_tv.reporting.record import read_record
from nnunet_tv.scoring.runs import MissingRun
from nnunet_tv.utils.files import write_json

SHAPE = (24, 24, 24)
cube = partial(scored_folders.cube, shape=SHAPE, side=6)
save = partial(scored_folders.save, affine=np.eye(4))


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Two cases; group A with the runs 0 and 2, B with run 0."""
    monkeypatch.chdir(tmp_path)
    for case, start in (("sub-1", 2), ("sub-2", 12)):
        save(tmp_path / "ref", case, cube((start, 4, 4)))
        save(tmp_path / "a0", case, cube((start, 4, 4)))
        save(tmp_path / "a2", case, cube((start + 3, 4, 4)))
        save(tmp_path / "b0", case, cube((start, 5, 4)))
    return tmp_path


def call(*extra):
    return main(["--ref", "ref", "--pred", "A=a0", "A=a2", "--pred", "B=b0", "-np", "1", "-o", "out", *extra])


def texts(out):
    return {name: (out / f"table1.{name}").read_text() for name in ("md", "csv", "tex")}


def test_missing_runs_are_named_and_the_others_keep_their_numbers(study, capsys):
    assert call() == 0
    plain = texts(study / "out")
    assert not (study / "out" / "tables" / "flow-runs.csv").exists()
    assert json.loads((study / "out" / "report.json").read_text())["missing_runs"] == []
    assert call("--missing-run", "A=1:training failed: out of memory", "C=0:no log") == 0
    out, now = study / "out", texts(study / "out")
    assert now["csv"] == plain["csv"]  # the figures are those of the runs that are there
    added = [line for line in now["md"].splitlines() if line not in plain["md"].splitlines()]
    assert "- Missing: A, run 1: training failed: out of memory" in added
    assert "- No run of C was scored, so it has no row." in added
    assert any("2 of 5 runs missing" in line and "A, run 1; C, run 0" in line for line in added)
    renumbered = plain["md"].replace("A, run 1", "A, run 2")
    assert [line for line in renumbered.splitlines() if line not in now["md"].splitlines()] == []
    flow = (out / "tables" / "flow-runs.csv").read_text()
    assert "A,3,2,1,run 1: training failed: out of memory" in flow and "C,1,0,1,run 0: no log" in flow
    assert {(row.group, row.run) for row in read_record(out).rows} == {("A", 0), ("A", 2), ("B", 0)}
    assert "out of memory" in (out / "report.html").read_text()
    assert main(["--from", "out", "-o", "again"]) == 0
    assert texts(study / "again") == now
    assert read_record(study / "again").missing_runs[0] == MissingRun("A", 1, "training failed: out of memory")


def test_a_report_of_an_earlier_version_has_no_missing_runs(study):
    assert call() == 0
    content = json.loads((study / "out" / "report.json").read_text())
    del content["missing_runs"]
    write_json(content, study / "out" / "report.json")
    assert read_record(study / "out").missing_runs == []


@pytest.mark.parametrize("given,message", [
    (["A=1"], "expected NAME=RUN:REASON .* found 'A=1'"), (["A=-1:x"], "found 'A=-1:x'"), (["A=1: "], "found 'A=1: '"),
    (["A=1:x", "A=1:y"], "--missing-run A=1 is given twice"),
])
def test_usage(study, given, message, capsys):
    with pytest.raises(SystemExit) as end:
        call("--missing-run", *given)
    assert end.value.code == 2 and re.search(message, capsys.readouterr().err)


def test_a_fold_missing_in_one_group_is_left_out_of_all_of_a_cross_validation(study, monkeypatch, capsys):
    monkeypatch.setenv("nnUNet_preprocessed", str(study))
    write_json([{"train": ["x"], "val": [f"sub-{k}"], "selection": ["x"]} for k in (1, 2)],
               study / "D" / "splits_final.json")
    for trainer, folds in (("X", (0, 1)), ("Y", (0,))):
        for fold in folds:
            save(study / "D" / f"{trainer}__P__c" / f"fold_{fold}" / "validation", f"sub-{fold + 1}",
                 cube((2 + 10 * fold, 4, 4)))
    command = ["--ref", "ref", "--model", "X=D/X__P__c", "--model", "Y=D/Y__P__c", "-np", "1", "-o", "out"]
    assert main(command) == 1
    assert "not validated on the same cases" in capsys.readouterr().err
    assert main([*command, "--missing-run", "Y=1:killed"]) == 0
    record = read_record(study / "out")
    assert {(row.group, row.case) for row in record.rows} == {("X", "sub-1"), ("Y", "sub-1")}
    markdown = (study / "out" / "table1.md").read_text()
    assert "Missing: Y, run 1: killed" in markdown and "fold 1 of the split's 2 not validated" in markdown
    assert "2 of 4 runs" not in markdown and "1 of 4 runs missing" in markdown
    rows = (study / "out" / "tables" / "flow-runs.csv").read_text()
    assert "X,2,1,1,\"run 1: left out, since it is missing in Y\"" in rows and "Y,2,1,1,run 1: killed" in rows

"""Steps of a run: what marks one as done, what an earlier attempt leaves, and why a run is missing."""

import gzip
import json
import os
import re
import shlex
import sys
import threading
import zipfile
from dataclasses import replace

import pytest

from nnunet_tv.experiments import attempts, job, predictions
from nnunet_tv.experiments.attempts import Attempt, last_error, missing_runs, read_attempt
from nnunet_tv.experiments.config import make_config, write_config
from nnunet_tv.experiments.locks import try_lock
from nnunet_tv.experiments.reports import report_command
from nnunet_tv.experiments.study import Study, open_study
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json, write_json


@pytest.fixture
def study(tmp_path):
    config = make_config({"experiment": "e", "groups": {"Dice": "nnUNetTrainerDice", "Dice+TV": "nnUNetTrainerDiceTV"},
                          "runs": 2, "device": "cpu", "scans": str(tmp_path)}, "x")
    result = Study(tmp_path, config)
    write_config(config, result.config_file)
    for case in ("a", "b"):
        path = result.raw / "imagesTs" / f"{case}_0000.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    write_json({"channel_names": {"0": "T1w", "1": "FLAIR"}}, result.raw / "dataset.json")
    return result


def stand_in(monkeypatch, tmp_path, body):
    """Let every command be a Python program; its arguments are those after the first."""
    program = tmp_path / "command.py"
    program.write_text(f"import sys, os, pathlib, gzip, zipfile\n{body}\n")
    script = tmp_path / "command"  # through a shell: the interpreter's path may hold a space, a #! line's cannot
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S {shlex.quote(str(program))} "$@"\n')
    script.chmod(0o755)
    monkeypatch.setattr(job, "find_script", lambda name: script)


def checkpoint(study, run, name="checkpoint_final.pth", content="weights"):
    study.fold(run).mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(study.fold(run) / name, "w") as file:
        file.writestr("data.pkl", content)


def do(study, step, run):
    return job.main([str(study.folder), step, run.path.parent.name, str(run.number)])


def test_the_runs_and_their_places(study):
    assert [run.name for run in study.runs] == ["Dice, run 0", "Dice+TV, run 0", "Dice, run 1", "Dice+TV, run 1"]
    run = study.runs[1]
    assert study.mark("train", run) == study.folder / "done" / "train" / "Dice-TV" / "run_0.json"
    assert study.run("Dice-TV", 0) == run and open_study(study.folder).runs == study.runs
    with pytest.raises(NnunetTVError, match="no run 2 of a group Dice"):
        study.run("Dice", 2)


def test_a_training_is_done_when_its_checkpoint_is_there(study, monkeypatch, tmp_path, capsys):
    run = study.runs[0]
    stand_in(monkeypatch, tmp_path, "print(*sys.argv[1:])")
    assert do(study, "train", run) == 1
    assert "expected checkpoint_final.pth after training" in capsys.readouterr().err
    assert not study.mark("train", run).exists()
    checkpoint(study, run)
    assert do(study, "train", run) == 0
    assert read_json(study.mark("train", run))["run"] == "Dice, run 0"
    assert not study.attempt("train", run).exists()
    log = study.log("train", run).read_text()
    assert log.count("\n$ nnUNetv2_train") == 2 and "--c" in log.splitlines()[-1]


@pytest.mark.parametrize("done", [True, False])
def test_a_training_that_another_process_has_just_done_is_not_repeated(study, monkeypatch, tmp_path, done):
    run = study.runs[0]
    checkpoint(study, run)
    stand_in(monkeypatch, tmp_path, "")
    descriptor = try_lock(attempts.lock_of(study, run), "another")

    def end():
        if done:
            write_json({}, study.mark("train", run))
        os.close(descriptor)

    timer = threading.Timer(0.2, end)
    timer.start()
    assert do(study, "train", run) == 0
    assert study.log("train", run).exists() == (not done)
    timer.join()


def test_a_failure_is_recorded_with_the_last_error_line(study, monkeypatch, tmp_path):
    run = study.runs[1]
    stand_in(monkeypatch, tmp_path, "print('2026-01-01 10:00:00.1: ok\\nValueError: no lesion\\nmore'); sys.exit(3)")
    assert do(study, "train", run) == 1
    found = read_attempt(study.attempt("train", run))
    assert (found.state, found.status, found.error) == ("failed", 3, "ValueError: no lesion")
    missing = missing_runs(study)
    assert len(missing) == 4 and (missing[1].group, missing[1].run) == ("Dice+TV", 0)
    assert missing[1].reason == ("training failed (exit status 3): ValueError: no lesion "
                                 "(log: logs/train/Dice-TV/run_0.log)")
    assert missing[0].reason == "training was not started"


@pytest.mark.parametrize("held,reason", [
    (False, r"training was killed or lost: no exit status was recorded; last line: epoch 7 \(log: logs/train/Dice"),
    (True, r"training is still running \(process 1 on here; log: logs/train/Dice/run_0.log\)")])
def test_a_killed_training_wrote_nothing_itself(study, held, reason):
    run = study.runs[0]
    Attempt("running", "2026", "here", 1).write(study.attempt("train", run))
    study.log("train", run).parent.mkdir(parents=True)
    study.log("train", run).write_text("ValueError: of an earlier attempt\n$ nnUNetv2_train\nepoch 7\n")
    descriptor = try_lock(attempts.lock_of(study, run), "x")
    if not held:
        os.close(descriptor)
    assert re.match(reason, attempts.reason(study, run))
    if held:
        os.close(descriptor)


def test_slurms_account_of_a_killed_job(study, monkeypatch, tmp_path):
    script = tmp_path / "bin" / "sacct"
    script.parent.mkdir()
    script.write_text('#!/bin/sh\n[ "$2" = 12_3 ] && echo TIMEOUT\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=os.pathsep)
    for name, value in (("SLURM_JOB_ID", "15"), ("SLURM_ARRAY_JOB_ID", "12"), ("SLURM_ARRAY_TASK_ID", "3")):
        monkeypatch.setenv(name, value)
    Attempt.begin().write(study.attempt("train", study.runs[0]))
    assert "no exit status was recorded (Slurm job 12_3: TIMEOUT)" in attempts.reason(study, study.runs[0])
    replace(Attempt.begin(), state=attempts.INTERRUPTED).write(study.attempt("train", study.runs[0]))
    assert "training was interrupted (Slurm job 12_3: TIMEOUT; log: " in attempts.reason(study, study.runs[0])
    assert attempts.slurm_state("99") == attempts.slurm_state("") == ""


PREDICT = """
out = pathlib.Path(sys.argv[sys.argv.index("-o") + 1])
assert (out / "a.nii.gz").exists() == (len(sys.argv) > 99 or {kept})
(out / "a.nii.gz").write_bytes(gzip.compress(b"new"))
(out / "b.nii.gz").write_bytes(gzip.compress(b"new"){cut})
"""


def test_half_written_predictions_are_never_done(study, monkeypatch, tmp_path, capsys):
    run = study.runs[0]
    checkpoint(study, run)
    stand_in(monkeypatch, tmp_path, PREDICT.format(kept=False, cut="[:-9]"))
    assert do(study, "predict", run) == 1 and not study.predictions(run).exists()
    assert "expected 2 segmentations, found none that is whole for b" in capsys.readouterr().err
    stand_in(monkeypatch, tmp_path, PREDICT.format(kept=True, cut=""))  # a is whole and stays
    assert do(study, "predict", run) == 0 and study.mark("predict", run).exists()
    assert gzip.decompress((study.predictions(run) / "b.nii.gz").read_bytes()) == b"new"
    partial = study.predictions(run).with_name("run_0.partial")
    assert not partial.exists()
    stand_in(monkeypatch, tmp_path, "sys.exit('not again')")  # a lost mark costs nothing
    assert do(study, "predict", run) == 0


def test_predictions_of_another_checkpoint_are_made_again(study, monkeypatch, tmp_path):
    run = study.runs[0]
    checkpoint(study, run)
    stand_in(monkeypatch, tmp_path, PREDICT.format(kept=False, cut=""))
    assert do(study, "predict", run) == 0
    checkpoint(study, run, content="other weights")
    stand_in(monkeypatch, tmp_path, PREDICT.format(kept=False, cut="[:-9]"))
    assert do(study, "predict", run) == 1
    checkpoint(study, run, content="third weights")
    stand_in(monkeypatch, tmp_path, PREDICT.format(kept=False, cut=""))  # nor are parts of it used
    assert do(study, "predict", run) == 0


def test_filtered_files_are_complete_or_not_there(study, monkeypatch, tmp_path):
    run = study.runs[0]
    stand_in(monkeypatch, tmp_path, PREDICT.replace("out = ", "out = ").replace(
        "assert", "out.mkdir(parents=True)\nassert").format(kept=False, cut="[:-9]"))
    assert do(study, "filter", run) == 1 and not study.predictions(run, filtered=True).exists()
    stand_in(monkeypatch, tmp_path, PREDICT.replace("assert", "out.mkdir(parents=True)\nassert").format(
        kept=False, cut=""))
    assert do(study, "filter", run) == 0 and len(list(study.predictions(run, filtered=True).iterdir())) == 2


def test_damaged_checkpoints_are_set_aside(study, tmp_path):
    run = study.runs[0]
    checkpoint(study, run, "checkpoint_best.pth")
    checkpoint(study, run, "checkpoint_latest.pth")
    whole = (study.fold(run) / "checkpoint_latest.pth").read_bytes()
    (study.fold(run) / "checkpoint_latest.pth").write_bytes(whole[:-30])
    aside = predictions.set_damaged_aside(study.fold(run))
    assert [path.name for path in aside] == ["damaged_checkpoint_latest.pth"]
    assert [path.name for path in sorted(study.fold(run).iterdir())] == ["checkpoint_best.pth", aside[0].name]


def test_the_report_is_of_what_is_finished_and_names_the_rest(study):
    for run in study.runs[:3]:
        for step in study.steps():
            write_json({}, study.mark(step, run))
    assert [one.run for one in missing_runs(study)] == [1]
    command = report_command(study, missing_runs(study))
    text = json.dumps(command)
    assert text.count("predictions/") == 3 and "Dice+TV=1:training was not started" in command
    assert command[command.index("--predicted-by") + 1] == f"Dice={study.fold(study.runs[0])}"
    write_json({"channel_names": {"0": "T1c", "1": "FLAIR"}}, study.raw / "dataset.json")
    command = report_command(study, missing_runs(study))
    assert "--predicted-by" not in command and "--run-json" not in command
    for run in study.runs:
        write_json({}, study.fold(run) / "run.json")
    command = report_command(study, missing_runs(study))
    first = command.index("--run-json")
    assert command[first + 1:first + 3] == tuple(f"Dice={study.fold(run)}/run.json" for run in study.runs[::2])


@pytest.mark.parametrize("text,line", [
    ("", ""), ("a\nb\n", "b"), ("error: x\nfree\n", "error: x"), ("$ c\ntorch.OutOfMemoryError: CUDA\nend", None),
    ("RuntimeError: old\n$ nnUNetv2_train\n10%\r50%\n", "50%"), ("slurmstepd: Killed process\nx", None)])
def test_last_error(tmp_path, text, line):
    (tmp_path / "log").write_text(text)
    expected = line if line is not None else re.search(r".*(OutOfMemory|Killed).*", text)[0]
    assert last_error(tmp_path / "log") == expected
    assert last_error(tmp_path / "none") == ""

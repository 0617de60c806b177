"""An experiment as users start it, on coarse phantoms and with nnU-Net itself: killed, continued, reported."""

import csv
import subprocess
import sys
from importlib.util import find_spec

import pytest
from process_tree import kill, processes_of, wait_for

from nnunet_tv.demo.dataset import make_dataset
from nnunet_tv.demo.phantom import PhantomOptions
from nnunet_tv.utils.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("snakemake") is None, reason="Snakemake is not installed")]
CONFIG = """\
experiment: small
layout: ds004199
split: official
repeats: 2
space: none
network: sg-net
patch_size: [32, 32, 32]
groups:
  Dice: nnUNetTrainerDice
  Dice+TV: nnUNetTrainerDiceTV
runs: 2
epochs: 1
mirroring: false
processes: 2
"""


def test_an_experiment_on_phantoms_that_is_killed_and_continued(tmp_path):
    make_dataset(tmp_path / "phantoms", patients=7, controls=0, test=2, progress=False,
                 options=PhantomOptions(resolution_mm=4.0, lesion_radius_mm=(10.0, 14.0)))
    (tmp_path / "small.yaml").write_text(CONFIG)
    study = tmp_path / "study"

    def start(*more):
        command = [sys.executable, "-m", "nnunet_tv.cli.experiment", "small.yaml", "-d", "phantoms", "-o", "study"]
        return subprocess.Popen([*command, "--cpu", *more], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, start_new_session=True)

    def run(*more):
        process = start(*more)
        output = process.communicate(timeout=1800)[0]
        return process.returncode, output

    status, output = run("--dry-run")
    assert status == 0 and "Jobs: 15 to run, 0 done" in output and "5 training and 2 test cases" in output
    assert not study.exists()

    process = start()
    wait_for(lambda: list(study.glob("small/done/train/*/*.json")), 1500)  # while the second is trained
    kill(tmp_path)
    process.communicate()
    assert processes_of(tmp_path) == []
    marks = {path: path.read_bytes() for path in study.glob("small/done/**/*.json")}
    first = next(study.glob("nnUNet_results/*/*/*/checkpoint_final.pth"))
    trained = first.stat().st_mtime_ns

    status, output = run()
    assert status == 0, output
    assert all(path.read_bytes() == content for path, content in marks.items())  # what was done stayed
    assert first.stat().st_mtime_ns == trained
    report = study / "small" / "report"
    text = (report / "table1.md").read_text()
    assert "| Dice | 2 |" in text and "| Dice+TV | 2 |" in text and "Missing" not in text and text in output

    with (report / "tables" / "provenance.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and not [row for row in rows if "not recorded" in str(row)], rows
    records = [read_json(path) for path in sorted(study.glob("nnUNet_results/*/*/fold_*/run.json"))]
    assert [record["fold"] for record in records] == [0, 1, 0, 1]

    status, output = run("--dry-run")
    assert status == 0 and "Jobs: 0 to run, 15 done" in output

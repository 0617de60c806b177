"""nnunet-tv-prepare as it is typed: what it prints, and its exit status."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nnunet_tv.cli.prepare import main
from nnunet_tv.imaging.volume import Volume, write_volume


def write_scan(path: Path) -> None:
    data = np.random.default_rng(len(path.name)).random((16, 18, 20)).astype(np.float32) + 1
    write_volume(Volume(data, np.diag([2.0, 2, 2, 1])), path)


def test_a_folder_with_a_case_that_needs_a_pin(tmp_path, capsys):
    for name in ("anna/T1", "anna/FLAIR", "bert/T1_a", "bert/T1_b", "bert/FLAIR"):
        write_scan(tmp_path / "in" / f"{name}.nii.gz")
    arguments = ["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--space", "none", "-np", "1"]
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert ("anna: T1w anna/T1.nii.gz (the name contains 't1'), "
            "FLAIR anna/FLAIR.nii.gz (the name contains 'flair')") in output.out
    assert "1 cases prepared, 0 of them flagged" in output.out
    assert "bert: expected one T1w and one FLAIR, found two that are T1w" in output.err
    assert main([*arguments, "--pair", "bert,T1_b.nii.gz,FLAIR.nii.gz"]) == 0
    output = capsys.readouterr().out
    assert "up to date" in output and "bert: T1w bert/T1_b.nii.gz (chosen by hand)" in output
    assert (tmp_path / "out" / "bert_0001.nii.gz").is_file()


def test_names_that_are_no_utf8(tmp_path):
    """As folders have them that came from an older system."""
    name = os.fsdecode(b"M\xfcller")
    for contrast in ("T1", "FLAIR"):
        write_scan(tmp_path / "in" / f"{name}_{contrast}.nii.gz")
    done = subprocess.run(
        [sys.executable, "-m", "nnunet_tv.cli.prepare", "-i", "in", "-o", "out", "--space", "none", "-np", "1"],
        cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert r"Mller: T1w M\udcfcller_T1.nii.gz" in done.stdout
    assert r"M\udcfcller_T1.nii.gz" in (tmp_path / "out" / "preparation.tsv").read_text(encoding="utf-8")


def test_errors_are_one_line(tmp_path, capsys):
    assert main(["-i", str(tmp_path / "none"), "-o", str(tmp_path / "out"), "--space", "none"]) == 1
    assert "none: no such folder (-i)" in capsys.readouterr().err
    assert main(["-i", str(tmp_path), "-o", str(tmp_path / "out"), "--pair", "x"]) == 1
    assert "--pair 'x': expected CASE,T1,FLAIR" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["-o", "x"], ["-i", "x"], ["-i", "x", "-o", "y", "--space", "warp"]])
def test_usage(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2

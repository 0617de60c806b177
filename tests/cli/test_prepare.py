"""nnunet-tv-prepare as it is typed: what it prints, and its exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dicom_series import FLAIR, T1, write_series

from nnunet_tv.cli.prepare import main
from nnunet_tv.imaging.volume import Volume, write_volume


def write_scan(path: Path) -> None:
    data = np.random.default_rng(len(path.name)).random((16, 18, 20)).astype(np.float32) + 1
    write_volume(Volume(data, np.diag([2.0, 2, 2, 1])), path)


def rows(out: Path) -> dict[str, list[str]]:
    """Scans and status by case."""
    lines = [line.split("\t") for line in (out / "preparation.tsv").read_text().splitlines()]
    return {line[0]: [*line[1:3], line[5]] for line in lines[1:]}


def test_a_folder_with_a_case_that_needs_a_pin(tmp_path, capsys):
    for name in ("anna/T1", "anna/FLAIR", "bert/T1_a", "bert/T1_b", "bert/FLAIR"):
        write_scan(tmp_path / "in" / f"{name}.nii.gz")
    arguments = ["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--space", "none", "-np", "1"]
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert ("anna: T1w anna/T1.nii.gz (the name contains 't1'), "
            "FLAIR anna/FLAIR.nii.gz (the name contains 'flair')") in output.out
    assert "1 case prepared, 0 of them flagged" in output.out
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
    table = tmp_path / "out" / "preparation.tsv"
    assert "file:M%FCller_T1.nii.gz" in table.read_text(encoding="utf-8")
    assert main(["-i", str(tmp_path / "in"), "-o", str(tmp_path / "again"), "--space", "none", "-np", "1", "--pairs",
                 str(table)]) == 0
    assert rows(tmp_path / "again") == rows(tmp_path / "out")


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


def test_written_table_gives_the_same_scans_in_another_folder(tmp_path, capsys):
    """Two studies of one patient with equal series numbers, a pair across them, then a third study."""
    volume = Volume(np.random.default_rng(0).integers(1, 99, (16, 18, 20)).astype(np.float32), np.diag([2.0, 2, 2, 1]))
    for seed, study in enumerate(("monday", "tuesday")):
        for number, elements in {3: T1, 5: FLAIR}.items():
            shifted = Volume(volume.data + seed + number, volume.affine)
            write_series(shifted, tmp_path / "in" / study / str(number), study=study, number=number, tags=elements)
    arguments = ["-i", str(tmp_path / "in"), "--space", "none", "-np", "1"]
    pair = ["--pair", "case-0001,series-3,case-0002/series-5"]
    assert main([*arguments, "-o", str(tmp_path / "one"), *pair]) == 0
    table = (tmp_path / "one" / "preparation.tsv").read_text()
    assert not any(text in table for text in ("Quixano", "Alonso", "ZX4711981", "19470929", "20210304"))
    write_series(volume, tmp_path / "in" / "wednesday" / "3", study="wednesday", number=3, tags=T1)
    write_series(volume, tmp_path / "in" / "wednesday" / "5", study="wednesday", number=5, tags=T1)
    main([*arguments, "-o", str(tmp_path / "two"), "--pairs", str(tmp_path / "one" / "preparation.tsv")])
    capsys.readouterr()
    assert rows(tmp_path / "two")["case-0001"] == rows(tmp_path / "one")["case-0001"]
    for name in ("case-0001_0000.nii.gz", "case-0001_0001.nii.gz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    old = tmp_path / "old.tsv"
    old.write_text("case\tt1\tflair\tt1_sha256\ncase-0001\tseries-3\tseries-5\t\n")
    assert main([*arguments, "-o", str(tmp_path / "three"), "--pairs", str(old)]) == 1
    message = capsys.readouterr().err
    assert "case-0001" in message and all(name in message for name in rows(tmp_path / "one")["case-0001"][:1])


@pytest.mark.parametrize("space, pair", [
    ("none", []), ("t1", []), ("none", ["--pair", "anna,anna/T1.nii.gz,anna/FLAIR.nii.gz"])])
def test_sidecar_of_the_other_contrast(tmp_path, capsys, space, pair):
    """Files called T1 and FLAIR whose sidecars are exchanged: an error, and flagged where a person insists."""
    for name, sidecar in {"T1": {"EchoTime": 0.12, "InversionTime": 2.5, "RepetitionTime": 9},
                          "FLAIR": {"EchoTime": 0.003, "InversionTime": 0.9, "SeriesDescription": "mprage"}}.items():
        write_scan(tmp_path / "in" / "anna" / f"{name}.nii.gz")
        (tmp_path / "in" / "anna" / f"{name}.json").write_text(json.dumps(sidecar))
    status = main(["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--space", space, "-np", "1", *pair])
    output = capsys.readouterr()
    if not pair:
        assert status == 1 and "none that is T1w and none that is FLAIR" in output.err, output.err
        return
    assert status == 0 and rows(tmp_path / "out")["anna"][2] == "flagged"
    assert "anna/T1.nii.gz was chosen by hand as T1w, but seems to be a FLAIR" in output.out
    assert "anna/FLAIR.nii.gz was chosen by hand as FLAIR, but seems to be a T1w" in output.out
    assert len(json.loads((tmp_path / "out" / "anna.prep.json").read_text())["flags"]) >= 2

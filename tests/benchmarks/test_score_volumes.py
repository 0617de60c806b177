"""The benchmark of scoring runs, and finds equal numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "score_volumes.py"


@pytest.mark.slow
def test_numbers_are_equal(tmp_path):
    done = subprocess.run(
        [sys.executable, SCRIPT, *"--cases 2 --runs 1 --groups 1 --sample 4 --repeats 1 --json out.json".split()],
        cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["equal"] is True and result["plain_sampled"] == result["volumes"] == 4
    assert result["ratio"] == pytest.approx(result["plain_s"] / result["ours_s"]) and "cores" in result["machine"]
    assert "numbers equal" in done.stdout

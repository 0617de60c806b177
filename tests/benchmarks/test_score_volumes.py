"""The benchmark of scoring runs, and finds equal numbers."""

import json

import pytest
import score_volumes


@pytest.mark.slow
def test_numbers_are_equal(tmp_path, capsys):
    result = tmp_path / "out.json"
    options = "--cases 2 --runs 1 --groups 1 --sample 4 --repeats 1 --json".split()
    assert score_volumes.main([*options, str(result)]) == 0
    content = json.loads(result.read_text())
    assert content["equal"] is True and content["plain_sampled"] == content["volumes"] == 4
    assert content["ratio"] == pytest.approx(content["plain_s"] / content["ours_s"]) and "cores" in content["machine"]
    assert "numbers equal" in capsys.readouterr().out

"""The benchmark of data loading runs on small cases."""

import json

import data_loading
import pytest


def test_costs_and_idle_share(tmp_path, capsys):
    result = tmp_path / "out.json"
    assert data_loading.main([*"--cases 2 --shape 20 22 20 --patch 16 --workers 1 --step 0.001 --scale-to 3".split(),
                              *"--batches 4 --warm-up 2".split(), "--json", str(result)]) == 0
    content = json.loads(result.read_text())
    assert content["batch_cpu_s"] > 0 and content["workers"]["batches"] == 4 and "cores" in content["machine"]
    assert content["step_s"] == pytest.approx(0.003) and 0 <= content["idle_share"] < 1
    assert f"idle {content['idle_share']:.1%}" in capsys.readouterr().out

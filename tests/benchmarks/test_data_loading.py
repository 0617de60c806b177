"""The benchmark of data loading runs on small cases, and its trace holds what it says."""

import json
import os
from pathlib import Path

import pytest


@pytest.fixture
def data_loading(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import data_loading

    return data_loading


def test_parts_trace_and_result(data_loading, tmp_path, capsys):
    result, trace = tmp_path / "out.json", tmp_path / "trace.json"
    assert data_loading.main([*"--cases 2 --shape 20 22 20 --patch 16 --workers 1 --step 0.001 --scale-to 3".split(),
                              *"--batches 4 --warm-up 2".split(), "--json", str(result), "--trace", str(trace)]) == 0
    content = json.loads(result.read_text())
    parts = {row["part"]: row["mean_s"] for row in content["parts"]}
    assert {"open", "read", "centres", "crop, flip", "rotation", "shift, noise", "mask", "stack", "rest"} < set(parts)
    assert parts.pop("batch") == pytest.approx(sum(parts.values()))
    assert content["step_s"] == pytest.approx(0.003) and 0 <= content["idle_share"] < 1
    assert content["workers"]["batches"] == 4 and "cores" in content["machine"]
    assert f"idle {content['idle_share']:.1%}" in capsys.readouterr().out

    events = json.loads(trace.read_text())["traceEvents"]
    spans = {name: [event for event in events if event["name"] == name] for name in ("make", "wait", "compute")}
    assert [len(span) for span in spans.values()] == [4, 4, 4]
    assert {event["pid"] for event in spans["wait"]} == {os.getpid()} != {event["pid"] for event in spans["make"]}
    for made, waited, computed in zip(*spans.values(), strict=True):
        assert made["ts"] + made["dur"] <= waited["ts"] + waited["dur"] == pytest.approx(computed["ts"])
        assert computed["dur"] >= 3000


def test_the_idle_share_is_the_waiting(data_loading):
    rows = [{"waited": [0, 1], "computed": [1, 4]}, {"waited": [4, 4], "computed": [4, 8]}]
    assert data_loading.idle_share(rows) == pytest.approx(1 / 8)


def test_inner_parts_are_not_counted_twice(data_loading, monkeypatch):
    clock = iter([0.0, 1.0, 3.0, 7.0])
    monkeypatch.setattr(data_loading.time, "process_time", lambda: next(clock))
    watch = data_loading.Stopwatch()
    with watch.part("outer"), watch.part("inner"):
        pass
    assert dict(watch.seconds) == {"outer": 1.0 + 4.0, "inner": 2.0}

"""``nnunet-tv-demo``: usage, its own output, and the whole chain (slow)."""

import json
import re
from unittest.mock import Mock

import pandas as pd
import pytest

from nnunet_tv.cli import demo
from nnunet_tv.demo import dataset, runner, summary, walkthrough
from nnunet_tv.demo.walkthrough import Step
from nnunet_tv.utils.errors import NnunetTVError


def test_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        demo.main(["--seed", "-1"])
    assert "--seed: expected a whole number of at least 0, found '-1'" in capsys.readouterr().err


@pytest.fixture
def without_work(monkeypatch):
    """The command without phantoms and report."""
    made = []
    monkeypatch.setattr(dataset, "make_dataset", lambda folder, **options: made.append((folder, options)))
    monkeypatch.setattr(walkthrough, "default_device", lambda: "cpu")
    monkeypatch.setattr(walkthrough, "training_cases", lambda folders: 10)
    monkeypatch.setattr(summary, "closing_text", lambda report, scale, cases: f"text on {report.name}")
    return made


def test_failing_step_is_the_exit_status(without_work, tmp_path, capsys, monkeypatch):
    log = tmp_path / "log"
    log.write_text("because\n")

    def fail(steps, **options):
        raise runner.StepFailed(Step("", ("nnUNetv2_train", "X")), 7, log)

    monkeypatch.setattr(runner, "run_steps", fail)
    assert demo.main(["-o", str(tmp_path / "demo")]) == 7
    error = capsys.readouterr().err
    assert error.startswith("error: exit status 7 from: nnUNetv2_train X") and "because" in error and str(log) in error


def test_a_folder_made_with_another_seed_is_refused(without_work, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(dataset, "make_dataset", Mock(side_effect=NnunetTVError("made differently")))
    assert demo.main(["-o", str(tmp_path), "--fast", "--seed", "1"]) == 1
    assert "made differently" in capsys.readouterr().err


def test_exports_are_printed_and_set(without_work, tmp_path, capsys, monkeypatch):
    given = {}
    monkeypatch.setattr(runner, "run_steps", lambda steps, **options: given.update(options, steps=steps))
    assert demo.main(["-o", str(tmp_path / "my demo"), "--fast", "--seed", "5"]) == 0
    out = capsys.readouterr().out
    assert f"$ export nnUNet_raw='{tmp_path / 'my demo' / 'nnUNet_raw'}'" in out
    assert "text on report" in out
    assert given["variables"]["nnUNet_results"] == str(tmp_path / "my demo" / "nnUNet_results")
    assert len(given["steps"]) == 6
    folder, options = without_work[0]
    assert folder == tmp_path / "my demo" / "ds004199-phantoms"
    assert (options["seed"], options["patients"]) == (5, walkthrough.FAST.patients)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_whole_demo_and_again(tmp_path, capsys):
    """The printed figures are the report's, which is complete; a second run does not train again."""
    assert demo.main(["--fast", "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    groups = json.loads((tmp_path / "report/report.json").read_text())["groups"]
    shown = re.search(r"DiceTV raw\s+(.*)", out).group(1).split()
    means = [groups["DiceTV"]["raw"][name]["mean"] for name in summary.MEASURES]
    assert shown == ["n/a" if mean is None else f"{mean:.4f}" for mean in means]
    cases = pd.read_csv(tmp_path / "report/cases.csv")
    scale = walkthrough.FAST
    assert cases["case"].nunique() == scale.test + scale.controls
    assert len(list(tmp_path.glob("report/pictures/*.png"))) >= scale.test
    weights = next(tmp_path.glob("nnUNet_results/*/*/fold_0/checkpoint_final.pth"))
    before = weights.read_bytes()
    assert demo.main(["--fast", "-o", str(tmp_path)]) == 0
    assert weights.read_bytes() == before

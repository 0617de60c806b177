"""``nnunet-tv-demo``: usage, its own output, and the whole chain (slow)."""

import json
import re
from dataclasses import replace
from unittest.mock import Mock

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nnunet_tv.cli import demo
from nnunet_tv.demo import dataset, index_html, runner, summary, walkthrough
from nnunet_tv.demo.pose import Pose
from nnunet_tv.demo.summary import Result
from nnunet_tv.demo.walkthrough import Step
from nnunet_tv.utils.errors import NnunetTVError


def test_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        demo.main(["--seed", "-1"])
    assert "--seed: expected a whole number of at least 0, found '-1'" in capsys.readouterr().err


RESULT = Result({}, lesions=8, found=8, marked=400.0, true=350.0)


@pytest.fixture
def without_work(monkeypatch):
    """The command without phantoms, steps and report."""
    made = []
    monkeypatch.setattr(dataset, "make_dataset", lambda folder, **options: made.append((folder, options)))
    monkeypatch.setattr(walkthrough, "default_device", lambda: "cpu")
    monkeypatch.setattr(runner, "run_steps", lambda steps, **options: [60.0] * len(steps))
    monkeypatch.setattr(summary, "read_result", lambda report: RESULT)
    monkeypatch.setattr(summary, "closing_text", lambda result, *, index, seconds: f"text, {index.name}, {seconds:.0f}")
    monkeypatch.setattr(index_html, "check_patient", lambda folders, case: case)
    monkeypatch.setattr(index_html, "write_index", Mock())
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
    assert demo.main(["-o", str(tmp_path), "--seed", "1"]) == 1
    assert "made differently" in capsys.readouterr().err


def test_exports_are_printed_and_set(without_work, tmp_path, capsys, monkeypatch):
    given = {}

    def run(steps, **options):
        given.update(options, steps=steps)
        return [1.0] * len(steps)

    monkeypatch.setattr(runner, "run_steps", run)
    assert demo.main(["-o", str(tmp_path / "my demo"), "--seed", "5"]) == 0
    out = capsys.readouterr().out
    assert f"$ export nnUNet_raw='{tmp_path / 'my demo' / 'nnUNet_raw'}'" in out
    assert "text, index.html, 9" in out
    assert given["variables"]["nnUNet_results"] == str(tmp_path / "my demo" / "nnUNet_results")
    assert len(given["steps"]) == 9
    folder, options = without_work[0]
    assert folder == tmp_path / "my demo" / "ds004199-phantoms"
    assert (options["seed"], options["patients"]) == (5, walkthrough.PATIENTS)
    assert index_html.write_index.call_args.kwargs["patient"] == walkthrough.patient(5)


def test_nothing_found_is_an_error_after_the_page_is_written(without_work, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(summary, "read_result", lambda report: replace(RESULT, found=0, marked=0.0))
    assert demo.main(["-o", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("error: The network found none of the 8 planted lesions") and "logs" in shown.err
    assert "text, index.html" in shown.out and index_html.write_index.called


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_whole_demo_and_again(tmp_path, capsys):
    """The network finds the lesions, and the patient's page has them on the right side; a second run trains nothing."""
    seed = 0
    assert demo.main(["--seed", str(seed), "-o", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    groups = json.loads((tmp_path / "report/report.json").read_text())["groups"]
    means = {name: groups["DiceTV"]["filtered"][name]["mean"] for name in summary.MEASURES}
    assert means["sSens"] >= 0.8 and means["nFPC"] <= 2 and means["DC"] >= 0.4
    shown = re.search(r"DiceTV filtered\s+(.*)", out).group(1).split()
    assert shown == ["n/a" if mean is None else f"{mean:.4f}" for mean in means.values()]
    cases = pd.read_csv(tmp_path / "report/cases.csv")
    assert cases["case"].nunique() == walkthrough.TEST + walkthrough.CONTROLS
    assert len(list(tmp_path.glob("report/pictures/*.png"))) >= walkthrough.TEST
    check_side(tmp_path, walkthrough.patient(seed))
    links = set(re.findall(r'href="([^"#]+)"', (tmp_path / "index.html").read_text()))
    assert len(links) == 2 and all((tmp_path / link).is_file() for link in links)
    weights = sorted(tmp_path.glob("nnUNet_results/*/*/fold_0/checkpoint_final.pth"))
    before = [path.read_bytes() for path in weights]
    assert len(before) == 2  # SG-Net, and MS-DSA-Net after one epoch
    assert demo.main(["--seed", str(seed), "-o", str(tmp_path)]) == 0
    assert [path.read_bytes() for path in weights] == before


def check_side(root, case):
    """The marked voxels on each of the patient's own scans lie where the phantom's lesion was planted."""
    truth = json.loads((root / "ds004199-phantoms/derivatives/phantom" / f"{case}.json").read_text())
    for scan, pose in (("T1w", "t1_pose"), ("FLAIR", "flair_pose")):
        image = nib.load(root / "findings" / case / f"{case}_{scan}_fcd.nii.gz")
        indices = np.argwhere(np.asarray(image.dataobj) > 0)
        assert len(indices), f"{case}: nothing was marked on the {scan}"
        points_mm = Pose.from_json(truth[pose]).to_template(nib.affines.apply_affine(image.affine, indices))
        distance = np.linalg.norm(points_mm - truth["lesion"]["centre_mm"], axis=1)
        assert np.median(distance) < 2 * truth["lesion"]["radius_mm"]
        assert np.sign(np.median(points_mm[:, 0])) == {"L": -1, "R": 1}[truth["lesion"]["hemisphere"]]

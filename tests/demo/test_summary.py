"""The closing text repeats the report's figures and states their limits."""

import json

import pytest

from nnunet_tv.demo.summary import closing_text, figures, judgement, voxel_counts
from nnunet_tv.demo.walkthrough import Scale
from nnunet_tv.utils.errors import NnunetTVError

VALUES = {"Sens": 0.25, "Prec": None, "DC": 0.125, "sSens": 0.5, "nFPC": 22.0}

CASES = """case,group,run,stage,status,tp,fp,fn,dice,detected,n_false_clusters
sub-00001,DiceTV,0,raw,empty reference,0,900,0,0.0,,9
sub-00002,DiceTV,0,raw,scored,10,90,30,0.1,1,5
sub-00003,DiceTV,0,raw,scored,20,180,40,0.1,1,5
sub-00003,DiceTV,0,filtered,scored,1,1,59,0.1,1,5
"""


def write(folder, stages=("raw", "filtered")):
    measures = {name: {"mean": value, "std": None, "runs": [value]} for name, value in VALUES.items()}
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(json.dumps({"groups": {"DiceTV": dict.fromkeys(stages, measures)}}))
    (folder / "cases.csv").write_text(CASES)
    return folder


def test_closing_text_holds_figures_place_and_limits(tmp_path):
    report = write(tmp_path / "report")
    assert figures(report) == {"raw": VALUES, "filtered": VALUES}
    text = closing_text(report, Scale(patients=12, controls=2, test=3, epochs=4), cases=7)
    assert "DiceTV raw         0.2500      n/a   0.1250   0.5000  22.0000" in text
    assert str(report) in text
    assert "28 batches" in text and "nothing clinical" in text and "2 test phantoms" in text
    assert text.endswith("150 voxels per test patient; the true lesions have 50.")  # means of 100, 200 and 40, 60
    assert judgement(0, 50).endswith("It found nothing.")
    assert "nearly everything is marked" in judgement(50000, 50)


def test_missing_and_other_reports(tmp_path):
    with pytest.raises(NnunetTVError, match=r"report\.json: expected the report's figures, found no file"):
        figures(tmp_path)
    with pytest.raises(NnunetTVError, match=r"cases\.csv: expected the report's cases, found no file"):
        voxel_counts(tmp_path)
    with pytest.raises(NnunetTVError, match=r"expected groups, DiceTV, raw and filtered .*KeyError: 'filtered'"):
        figures(write(tmp_path, stages=("raw",)))
    (tmp_path / "cases.csv").write_text(CASES.splitlines()[0] + "\n")
    with pytest.raises(NnunetTVError, match="expected test patients with a lesion, found none"):
        voxel_counts(tmp_path)

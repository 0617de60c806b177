"""The closing text repeats the report's figures, judges them and states their limits."""

import json

import pytest

from nnunet_tv.demo.summary import MAX_NFPC, MIN_DC, MIN_SSENS, Result, closing_text, read_result
from nnunet_tv.utils.errors import NnunetTVError

VALUES = {"Sens": 0.25, "Prec": None, "DC": 0.125, "sSens": 0.5, "nFPC": 22.0}

CASES = """case,group,run,stage,status,tp,fp,fn,dice,detected,n_false_clusters
sub-00001,DiceTV,0,raw,empty reference,0,900,0,0.0,,9
sub-00002,DiceTV,0,raw,scored,10,90,30,0.1,1,5
sub-00003,DiceTV,0,raw,scored,20,180,40,0.1,1,5
sub-00001,DiceTV,0,filtered,empty reference,0,800,0,0.0,,9
sub-00002,DiceTV,0,filtered,scored,0,9,40,0.0,0,5
sub-00003,DiceTV,0,filtered,scored,1,1,59,0.1,1,5
"""


def write(folder, stages=("raw", "filtered")):
    measures = {name: {"mean": value, "std": None, "runs": [value]} for name, value in VALUES.items()}
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(json.dumps({"groups": {"DiceTV": dict.fromkeys(stages, measures)}}))
    (folder / "cases.csv").write_text(CASES)
    return folder


def result(*, found=8, **filtered):
    means = {"Sens": 0.8, "Prec": 0.8, "DC": MIN_DC, "sSens": MIN_SSENS, "nFPC": MAX_NFPC, **filtered}
    return Result({"raw": VALUES, "filtered": means}, lesions=8, found=found, marked=400.0, true=350.0)


def test_result_is_the_reports(tmp_path):
    found = read_result(write(tmp_path / "report"))
    assert found.means == {"raw": VALUES, "filtered": VALUES}
    assert (found.lesions, found.found) == (2, 1)  # after the filter
    assert (found.marked, found.true) == (150.0, 50.0)  # means of 100, 200 and 40, 60; the control does not count
    assert found.table()[0] == ("raw", ["0.2500", "n/a", "0.1250", "0.5000", "22.0000"])


def test_closing_text_holds_figures_page_and_limits(tmp_path):
    text = closing_text(result(), index=tmp_path / "index.html", seconds=420)
    assert "DiceTV raw         0.2500      n/a   0.1250   0.5000  22.0000" in text
    assert text.endswith(f"7.0 min.\nOpen this file in a browser: {tmp_path / 'index.html'}")
    flat = " ".join(text.split())
    for words in ("8 of 8 planted lesions", "more conspicuous than many real ones", "no information about patients",
                  "Research use only", "400 voxels", "350"):
        assert words in flat


@pytest.mark.parametrize(("worse", "expected"), [
    ({}, True), ({"sSens": 0.79}, False), ({"nFPC": 2.1}, False), ({"DC": 0.39}, False), ({"DC": None}, False),
])
def test_less_than_the_demo_reaches_is_stated(worse, expected):
    found = result(**worse)
    assert found.as_expected is expected
    assert ("less than the demo reaches" in found.judgement) is not expected


def test_nothing_found_is_stated():
    assert result(found=0, sSens=0.0, DC=0.0).judgement.startswith("The network found none of the 8 planted lesions")


def test_missing_and_other_reports(tmp_path):
    with pytest.raises(NnunetTVError, match=r"report\.json: expected the report's figures, found no file"):
        read_result(tmp_path)
    with pytest.raises(NnunetTVError, match=r"expected groups, DiceTV, raw and filtered .*KeyError: 'filtered'"):
        read_result(write(tmp_path, stages=("raw",)))
    write(tmp_path)
    (tmp_path / "cases.csv").write_text("\n".join(CASES.splitlines()[:5]) + "\n")
    with pytest.raises(NnunetTVError, match="expected test patients with a lesion, raw and filtered, found 2 and 0"):
        read_result(tmp_path)
    (tmp_path / "cases.csv").unlink()
    with pytest.raises(NnunetTVError, match=r"cases\.csv: expected the report's cases, found no file"):
        read_result(tmp_path)

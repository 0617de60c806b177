"""nnunet-tv-report: hit rules, NSD's tolerance and the measures of the registry, in the files that it writes."""

import csv
import html
import json
from functools import partial

import numpy as np
import pytest
import scored_folders

from nnunet_tv.cli.report import main
from nnunet_tv.metrics.registry import MEASURES

SHAPE = (24, 24, 24)
cube = partial(scored_folders.cube, shape=SHAPE, side=6)
save = partial(scored_folders.save, affine=np.eye(4))


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A lesion of 6³ voxels found with 3 voxels shift, and one that is missed by 3 mm."""
    monkeypatch.chdir(tmp_path)
    for case, shift in (("sub-1", 3), ("sub-2", 8)):
        save(tmp_path / "ref", case, cube((4, 4, 4)))
        save(tmp_path / "pred", case, cube((4 + shift, 4, 4)))
    return tmp_path


def call(*extra):
    return main(["--ref", "ref", "--pred", "A=pred", "-np", "1", "-o", "out", *extra])


def table(study, name, folder="out"):
    return list(csv.DictReader((study / folder / "tables" / f"{name}.csv").open()))


def test_hit_rules_without_an_option(study):
    assert call() == 0
    rules = table(study, "hit-rules")
    assert [line["Hit rule"] for line in rules[:3]] == ["any (primary)", "overlap:0.1", "distance:20"]
    assert [float(line["sSens"]) for line in rules[:3]] == [0.5, 0.5, 1]
    assert json.loads((study / "out" / "report.json").read_text())["meta"]["settings"]["hits"] == [
        "any", "overlap:0.1", "distance:20"]
    header, *_ = csv.reader((study / "out" / "cases.csv").open())
    assert "detected [overlap:0.1]" in header and "n_false_clusters [distance:20]" in header


def test_given_hit_rules_replace_the_usual_ones(study):
    assert call("--hit", "distance:2.5") == 0
    assert {line["Hit rule"] for line in table(study, "hit-rules")} == {"distance:2.5 (primary)"}
    assert [float(line["sSens"]) for line in table(study, "hit-rules")] == [0.5, 0.5]


@pytest.mark.parametrize(("options", "name"), [
    (["--measures"], "NSD at 2 mm"), (["--nsd-tolerance", "0.5"], "NSD at 0.5 mm")])
def test_the_tolerance_of_nsd_stands_in_every_table_that_shows_it(study, options, name):
    assert call(*options) == 0
    assert main(["--from", "out", "-o", "again"]) == 0
    for folder in ("out", "again"):
        assert name in {line["Measure"] for line in table(study, "measures", folder)}
        text = (study / folder / "tables" / "measures.md").read_text()
        assert f"- {name}: " in text and name in (study / folder / "tables" / "measures.tex").read_text()
        page = (study / folder / "report.html").read_text()
        assert name in page and "{" not in page.partition('id="all-measures"')[2].partition("</section>")[0]
        cases = list(csv.DictReader((study / folder / "cases.csv").open()))
        assert {f"NSD at {line['nsd_at']}" for line in cases} == {name}
    tolerance = json.loads((study / "out" / "report.json").read_text())["meta"]["settings"]["nsd_tolerance_mm"]
    assert f"NSD at {tolerance:g} mm" == name


def test_nsd_is_measured_with_the_tolerance(study):
    values = []
    for tolerance in ("0", "2", "3", "30"):
        assert call("--nsd-tolerance", tolerance) == 0
        line = next(csv.DictReader((study / "out" / "cases.csv").open()))
        values.append(float(line["nsd"]))
    assert values[0] < values[1] < values[2] == values[3] == 1  # shifted by 3 mm


@pytest.mark.parametrize("options", [["--nsd-tolerance", "-1"], ["--nsd-tolerance", "nan"],
                                     ["--from", "out", "--nsd-tolerance", "1"]])
def test_a_tolerance_that_cannot_be_used_is_refused(study, options, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*options, *([] if "--from" in options else ["--ref", "ref", "--pred", "A=pred"]), "-o", "new"])
    assert stop.value.code == 2 and "--nsd-tolerance" in capsys.readouterr().err


def test_every_row_of_the_registry_is_in_csv_tables_and_page_and_comes_again(study):
    assert call("--measures") == 0
    assert main(["--from", "out", "-o", "again"]) == 0
    settings = json.loads((study / "out" / "report.json").read_text())["meta"]["settings"]
    header, *_ = csv.reader((study / "out" / "cases.csv").open())
    page = html.unescape((study / "out" / "report.html").read_text())
    for measure in MEASURES:
        assert measure.key in header
        shown = measure.with_settings(settings)
        if (measure.pooled_with or not measure.in_table_one) and "probabilities" not in measure.needs:
            assert shown.label in {line["Measure"] for line in table(study, "measures")}
            assert shown.definition in page
    for path in (study / "out" / "tables").iterdir():
        assert path.read_bytes() == (study / "again" / "tables" / path.name).read_bytes()
    assert (study / "out" / "cases.csv").read_bytes() == (study / "again" / "cases.csv").read_bytes()

"""Reports of an earlier version, whose scores lack a measure added since."""

import csv
import io
from dataclasses import replace

import pytest
from report_rows import SETTINGS, make_row

from nnunet_tv.metrics.registry import ENDPOINTS, Measure
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.tables.comparison import comparison_table
from nnunet_tv.reporting.tables.csv_export import cases_csv
from nnunet_tv.reporting.tables.every_case import cases_table
from nnunet_tv.reporting.tables.measures import measures_table
from nnunet_tv.reporting.tables.strata import stratum_table
from nnunet_tv.reporting.tables.table import to_csv, to_latex, to_markdown


@pytest.fixture
def rows():
    """Scored rows without NSD and HD95, whose perfect and worst values would otherwise fill in."""
    rows = [make_row(f"s{i}", group, tp=5, fn=i, measures={"f2": 0.5}) for i in range(12) for group in "AB"]
    old = {key: value for key, value in rows[0].score.measures.items() if key not in ("nsd", "hd95_mm")}
    return [replace(row, score=replace(row.score, measures=old)) for row in rows]


def test_all_measures_show_not_recorded(rows):
    table = measures_table(gather(rows), distances=True, settings=SETTINGS)
    assert {row[2] for row in table.texts() if row[3] == row[6] == "not recorded"} == {"NSD at 2 mm", "HD95 (mm)"}
    assert to_markdown(table).count("not recorded") == 2 * 2 * 2
    csv_line = next(line for line in csv.DictReader(io.StringIO(to_csv(table))) if line["Measure"] == "NSD at 2 mm")
    assert csv_line["Penalised mean"] == "" and csv_line["Penalised mean: method"] == "not recorded"


def test_cases_csv_shows_not_recorded(rows):
    line = next(csv.DictReader(io.StringIO(cases_csv(rows, SETTINGS))))
    assert (line["nsd"], line["hd95_mm"], line["f2"], line["masd_mm"]) == ("not recorded", "not recorded", "0.5", "")


def test_an_endpoint_shows_not_recorded(rows, monkeypatch):
    new = Measure("new", "New", "overlap.dice", ("tp", "fp", "fn"), short="NEW", endpoint=True)
    monkeypatch.setitem(ENDPOINTS, "NEW", new)
    groups = gather(rows)
    table = comparison_table(groups, primary="NEW")
    assert table.rows[0][:3] == ("primary", "NEW", "raw") and set(table.texts()[0][4:]) == {"not recorded"}
    assert len(table.rows) == len(ENDPOINTS) and "not recorded" not in table.texts()[1]
    strata = stratum_table(groups, "lobe", {f"s{i}": "FL" for i in range(12)}, settings=SETTINGS)
    assert [row[strata.columns.index("NEW")] for row in strata.texts()] == ["not recorded"] * 2
    assert cases_table(groups, SETTINGS).rows[0][-2:] == ("–", "–")
    assert all("not recorded" in write(table) for write in (to_csv, to_markdown, to_latex))

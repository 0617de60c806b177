"""One table, four forms; everything, one line each."""

import csv
import io

import pytest
from report_rows import SETTINGS, make_row

from nnunet_tv.metrics.scores import ClusterScore, HitCounts
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.statistics import Interval
from nnunet_tv.reporting.tables import table
from nnunet_tv.reporting.tables.csv_export import cases_csv, clusters_csv, lesions_csv
from nnunet_tv.scoring.rows import CaseRow, LostLesions

TABLE = table.Table("key", "A & B", ("Group", "x|y", "Share"),
                    (("a_b", 0.5, Interval(0.25, 0.1, 0.5, 9, "exact")), ("c", None, "–"),
                     ("d", 2, Interval(1, None, None, 20, "m"))),
                    notes=("50 mm³",), warnings=("Beware.",), digits={"x|y": 1})


def test_texts_carry_bounds_and_n():
    assert TABLE.texts() == [["a_b", "0.5", "0.250 (0.100 to 0.500; n = 9)†"], ["c", "undefined", "–"],
                             ["d", "2", "1.000 (no interval; n = 20)"]]
    assert TABLE.parts()[0][2] == ("0.250†", "0.100 to 0.500; n = 9")
    assert table.cell_parts(Interval(-0.0001, -0.0002, -0.3, 20, "m"), 2) == ("0.00", "0.00 to -0.30; n = 20")
    assert table.cell_parts(-0.0004) == ("0.000", "")
    assert table.cell_parts(Interval(None, None, None, 0, "m")) == ("undefined", "n = 0")
    assert [table.cell_parts(table.PValue(p))[0]
            for p in (0.00001, 0.04567, 0.0001)] == ["< 0.0001", "0.0457", "0.0001"]


def test_columns_of_words():
    rows = (("a", "raw", "0.2, 0.3", "", "3 of 4", "−1", 1, "–"),
            ("1: up to", "filtered", "x", "few", "y", "z", 2, "–"))
    made = table.Table("k", "T", tuple("abcdefgh"), rows)
    assert made.words() == [False, True, False, True, False, False, False, False]
    assert table.Table("k", "T", ("a",), ()).words() == [False]


def test_markdown():
    text = table.to_markdown(TABLE)
    assert text.startswith("## A & B\n\n**Beware.**\n\n| Group | x\\|y | Share |") and "- 50 mm³\n- † Fewer" in text
    assert table.markdown_table(["<b>x</b>", "a|b"], [["< 0.0001", "a < b"]]) == (
        "| \\<b>x\\</b> | a\\|b |\n| --- | --- |\n| < 0.0001 | a < b |")


def test_csv_keeps_every_digit():
    lines = list(csv.reader(io.StringIO(table.to_csv(TABLE))))
    assert lines[0] == ["Group", "x|y", "Share", "Share: low", "Share: high", "Share: n", "Share: method"]
    assert lines[1] == ["a_b", "0.5", "0.25", "0.1", "0.5", "9", "exact"]
    assert lines[2] == ["c", "", "–", "", "", "", ""] and lines[3][3:5] == ["", ""]


def test_latex_is_plain_text_with_equal_columns():
    text = table.to_latex(TABLE)
    assert r"\caption{A \& B}" in text and r"a\_b & 0.5 & 0.250 (0.100 to 0.500; n = 9)\dag{} \\" in text
    assert r"\begin{tabular}{lll}" in text and r"Beware. 50 mm$^3$" in text and text.isascii()
    assert table.escape_latex("≥ 2 – 3 − 1") == r"$\geq$ 2 -- 3 $-$ 1"


def listing_rows():
    cluster = ClusterScore(1, 3, 3.0, (1.5, -2.0, 7.0), 2, 0.0, 0.9, None, {"any": True, "center": False})
    hits = {"any": HitCounts(True, 0, 1, 1), "center": HitCounts(False, 1, 0, 0)}
    return [make_row("a", tp=2, fp=1, fn=3, hits=hits, clusters=[cluster], measures={"f2": 0.25, "nsd": None}),
            make_row("a", stage="filtered", fn=5, hits=hits, lost=LostLesions(1, 1, 0)),
            CaseRow("b", "A", 0, "raw", "geometry mismatch", None, "b: other grid")]


def test_cases_are_all_listed_with_their_status():
    scored, filtered, lost = csv.DictReader(io.StringIO(cases_csv(listing_rows(), SETTINGS)))
    assert (scored["tp"], scored["detected"], scored["detected [center]"], scored["f2"], scored["nsd"]) == (
        "2", "1", "0", "0.25", "")
    assert (filtered["lost_by_filter"], filtered["lost_by_opening"], scored["lost_by_filter"]) == ("1", "1", "")
    assert (lost["status"], lost["dice"], lost["problem"]) == ("geometry mismatch", "", "b: other grid")
    assert float(scored["dice"]) == pytest.approx(4 / 8)


def test_clusters_and_lesions_are_listed():
    line, = csv.DictReader(io.StringIO(clusters_csv(listing_rows())))
    assert (line["rank"], line["x_mm"], line["peak_probability"], line["mean_probability"]) == ("1", "1.5", "0.9", "")
    assert (line["true [any]"], line["true [center]"], line["overlap_voxels"]) == ("1", "0", "2")
    raw, filtered = csv.DictReader(io.StringIO(lesions_csv(listing_rows())))
    assert (raw["index"], raw["volume_mm3"], raw["found [any]"]) == ("1", "5.0", "1") and filtered["found [any]"] == "0"


def test_rows_that_make_no_group():
    with pytest.raises(ValueError, match=r"1 rows have no score, the first b \(geometry mismatch\): no table"):
        gather(listing_rows())
    with pytest.raises(ValueError, match="A, raw: runs 0 and 1 differ in 2 subjects, the first a: runs of one group"):
        gather([make_row("a"), make_row("b", run=1)])

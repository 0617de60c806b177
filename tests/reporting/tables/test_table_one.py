"""Table 1 by hand, and its text forms."""

import csv
import io
import math
import re
from dataclasses import replace

import pytest
from report_rows import make_row

from nnunet_tv.reporting.tables.table import escape_latex
from nnunet_tv.reporting.tables.table_one import RunSummary, contents, table_one, to_csv, to_latex, to_markdown
from nnunet_tv.reporting.tables.tv_paper import NOTE, paper_rows


def row(case, group, run, tp, fp, fn, false_clusters=0, stage="raw"):
    measures = {"sensitivity": tp / (tp + fn) if tp + fn else None, "precision": tp / (tp + fp) if tp + fp else None}
    return make_row(case, group, run, stage, tp=tp, fp=fp, fn=fn, false=false_clusters, measures=measures)


def figures(rows, group, stage="raw", part="figures"):
    """Measures of one group as report.json stores them."""
    return contents(table_one(rows), part)[group][stage]


def both_stages(*rows):
    return [replace(one, stage=stage) for stage in ("raw", "filtered") for one in rows]


#: Two groups; A with two runs, B with three; a healthy subject c in every run.
ROWS = both_stages(
    row("a", "A", 0, 30, 10, 70, 2), row("b", "A", 0, 0, 10, 100, 1), row("c", "A", 0, 0, 20, 0, 3),
    row("a", "A", 1, 50, 50, 50, 0), row("b", "A", 1, 50, 0, 50, 0), row("c", "A", 1, 0, 0, 0, 0),
    row("a", "B", 0, 10, 0, 90), row("b", "B", 0, 0, 0, 100), row("c", "B", 0, 0, 0, 0),
    row("a", "B", 1, 20, 0, 80), row("b", "B", 1, 0, 0, 100), row("c", "B", 1, 0, 0, 0),
    row("a", "B", 2, 60, 0, 40), row("b", "B", 2, 0, 0, 100), row("c", "B", 2, 0, 20, 0, 1),
)


def test_table_one_by_hand():
    raw = figures(ROWS, "A")
    # Run 0: 30 of 200 lesion voxels, 30 of 70 predicted. Run 1: 100 of 200, 100 of 150.
    assert raw["Sens"]["runs"] == pytest.approx([0.15, 0.5]) and raw["Sens"]["mean"] == pytest.approx(0.325)
    assert raw["Prec"]["runs"] == pytest.approx([3 / 7, 2 / 3])
    # Dice of a: 60/140 and 100/200; of b: 0 and 100/150; the healthy subject is not in it.
    assert raw["DC"]["runs"] == pytest.approx([(60 / 140 + 0) / 2, (0.5 + 2 / 3) / 2])
    assert raw["sSens"]["runs"] == [0.5, 1.0]
    assert raw["nFPC"]["runs"] == [2.0, 0.0]  # 6 false clusters in 3 subjects
    # Sample standard deviation of two values: their distance over the square root of 2.
    assert raw["Sens"]["std"] == pytest.approx(0.35 / math.sqrt(2))
    assert raw["nFPC"] == {"mean": 1.0, "std": pytest.approx(math.sqrt(2)), "runs": [2.0, 0.0]}
    sens = figures(ROWS, "B", "filtered")["Sens"]
    # 0.05, 0.1, 0.3: mean 0.15, squared distances 0.01 + 0.0025 + 0.0225 over 2.
    assert sens["runs"] == pytest.approx([0.05, 0.1, 0.3]) and sens["mean"] == pytest.approx(0.15)
    assert sens["std"] == pytest.approx(math.sqrt(0.0175))


def test_per_subject_means_by_hand():
    a = figures(ROWS, "A", part="per_subject")
    assert a["Sens"]["runs"] == pytest.approx([(0.3 + 0) / 2, 0.5])
    assert a["Prec"]["runs"] == pytest.approx([(0.75 + 0 + 0) / 3, (0.5 + 1) / 2])  # c of run 1 predicts nothing


def test_undefined_values_are_none_and_say_so():
    rows = [row("a", "A", 0, 0, 0, 9), row("a", "A", 1, 3, 0, 6)]
    assert figures(rows, "A")["Prec"] == {"mean": None, "std": None, "runs": [None, 1.0]}
    assert table_one(rows)[0].cells()[3] == "undefined in 1 of 2 runs"
    healthy = table_one([row("a", "A", 0, 0, 5, 0, 2)])[0]
    assert [summary.mean for summary in healthy.figures.values()] == [None, 0.0, None, None, 2.0]
    assert str(healthy.figures["DC"]) == "undefined"
    assert figures([row("a", "A", 0, 0, 0, 0)], "A", part="per_subject")["Sens"]["runs"] == [None]
    assert RunSummary.of([0.5]).content() == {"mean": 0.5, "std": None, "runs": [0.5]}
    assert str(RunSummary.of([0.5])) == "0.5000" and str(RunSummary.of([0.25, 0.75])) == "0.5000 ± 0.3536"


def test_markdown():
    text = to_markdown(table_one(ROWS), ["A note."])
    assert "| A | 2 | 0.3250 ± 0.2475 | 0.5476 ± 0.1684 | 0.3988 ± 0.2610 | 0.7500 ± 0.3536 | 1.0000 ± 1.4142 |" in text
    assert text.count("| B | 3 | 0.1500 ± 0.1323") == 4 and "- A note." in text
    assert text.index("(a) Test results") < text.index("(b) Post-processed")
    assert r"| a\|b |" in to_markdown(table_one(both_stages(row("a", "a|b", 0, 1, 1, 1))), [])


def test_csv():
    lines = list(csv.DictReader(io.StringIO(to_csv([*table_one(ROWS), *paper_rows()]))))
    assert [(line["stage"], line["group"], line["n_runs"]) for line in lines[:3]] == [
        ("raw", "A", "2"), ("raw", "B", "3"), ("raw", "TV paper: Dice", "10")]
    assert float(lines[0]["Sens_mean"]) == pytest.approx(0.325)
    assert float(lines[1]["Prec_per_subject_mean"]) == pytest.approx((1 + 1 + 0.5) / 3)
    assert lines[2]["DC_mean"] == "0.2811" and lines[2]["Sens_per_subject_mean"] == ""


def test_latex_is_escaped_and_balanced():
    name = "a_b & 50% {x} $y #1 ~^\\"
    rows = both_stages(row("a", name, 0, 0, 0, 5), row("a", "B", 0, 1, 0, 5), row("a", "B", 1, 2, 0, 4))
    text = to_latex(table_one(rows), ["50 mm³ ± 1 < 2 > 0", "5×5×5"])
    assert r"a\_b \& 50\% \{x\} \$y \#1 \textasciitilde{}\textasciicircum{}\textbackslash{} & 1" in text
    assert r"$\pm$" in text and r"50 mm$^3$ $\pm$ 1 \textless{} 2 \textgreater{} 0 5$\times$5$\times$5" in text
    assert text.isascii()
    for begin in re.findall(r"\\begin\{(\w+)\}", text):
        assert text.count(rf"\begin{{{begin}}}") == text.count(rf"\end{{{begin}}}")
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(body) == 6 and all(len(re.findall(r"(?<!\\)&", line)) == 6 for line in body)
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0
    assert escape_latex("plain text") == "plain text"


def test_the_papers_figures():
    rows = {(row.group.removeprefix("TV paper: "), row.stage): row.figures for row in paper_rows()}
    assert list(dict.fromkeys(group for group, _ in rows)) == ["Dice", "Dice + BCE", "Dice + TV"]
    assert str(rows["Dice + TV", "raw"]["nFPC"]) == "8.4500 ± 2.2591"
    assert str(rows["Dice + BCE", "filtered"]["sSens"]) == "0.8071 ± 0.0345"
    # The paper's text on its table: DC +10.4 % and nFPC −61.6 %, raw, TV over Dice.
    dice, tv = rows["Dice", "raw"], rows["Dice + TV", "raw"]
    assert tv["DC"].mean / dice["DC"].mean - 1 == pytest.approx(0.104, abs=5e-4)
    assert tv["nFPC"].mean / dice["nFPC"].mean - 1 == pytest.approx(-0.616, abs=5e-4)
    assert dice["DC"].content() == {"mean": 0.2811, "std": 0.02, "runs": None, "n_runs": 10}
    assert "not a paired comparison" in NOTE

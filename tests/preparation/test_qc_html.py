"""The QC page of a preparation: order, marks, quoting."""

from nnunet_tv.preparation.qc_html import qc_page, unusual_numbers
from nnunet_tv.utils.case_outcome import CaseOutcome

METRICS = {f"case{i}": {"fit": 1 + 0.01 * i} for i in range(7)} | {"odd": {"fit": 0.2}}


def test_numbers_far_from_the_others_are_unusual():
    metrics = {case: {**numbers, "flat": 2.0 + (case == "odd")} for case, numbers in METRICS.items()}
    found = unusual_numbers(metrics)
    assert list(found) == ["odd"] and list(found["odd"]) == ["fit"] and found["odd"]["fit"] < -4
    assert unusual_numbers({case: metrics[case] for case in ("case0", "case1", "odd")}) == {}


def test_failed_cases_are_followed_by_flagged_unusual_and_other_ones():
    outcomes = [*(CaseOutcome(case, metrics=numbers) for case, numbers in METRICS.items()),
                CaseOutcome("bad", problem="no <FLAIR>"),
                CaseOutcome("flagged", flags=("look & see",), notes=("noted",), metrics={"fit": 1.0})]
    page = qc_page(outcomes, registration="mni")
    order = [page.index(text) for text in (
        "To be reviewed: ", 'href="#bad"', 'href="#flagged"', 'href="#odd"', "bad: failed", 'id="flagged"', 'id="odd"',
        "odd: unusual", 'id="case0"', 'id="case6"', "<table>")]
    assert order == sorted(order) and page.index('href="#case0"') > order[-1]
    assert "no &lt;FLAIR&gt;" in page and "look &amp; see" in page and "<mark>0.2</mark>" in page
    assert "fit: 0.2 is far from the other cases" in page and "9 cases prepared, 1 of them flagged, 1 failed" in page
    assert page.count("For research use only") == 2 and "<script" not in page
    page = qc_page([CaseOutcome("a b"), CaseOutcome("x&y")], registration="none")
    assert "Nothing stands out" in page and "show the whole brain was not checked" in page
    assert 'href="qc/a%20b.png"><img' in page and 'src="qc/a%20b.png"' in page
    assert 'src="qc/x%26y.png"' in page and "Preparation of x&amp;y" in page


def test_no_number_is_minus_zero():
    page = qc_page([CaseOutcome("a", metrics={"fit": -0.0})], registration="mni")
    assert "<td>0</td>" in page and "-0<" not in page and "was not checked" not in page

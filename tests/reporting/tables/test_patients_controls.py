"""Patients against controls, by hand."""

import numpy as np
import pytest
from report_rows import make_row
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, precision_score

from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.statistics import clopper_pearson
from nnunet_tv.reporting.tables.patients_controls import make_pairs, predictive_table, two_by_two_table

#: By name: a cluster that hits the lesion, false clusters alone, no cluster.
HIT, FALSE, EMPTY = {"tp": 5}, {"fn": 5, "fp": 3, "false": 1}, {"fn": 5}
#: The same of controls.
ALARM, SPARED = {"fp": 3, "false": 2}, {}


def subjects(prefix, scores, **row):
    return [make_row(f"{prefix}{number}", **score, **row) for number, score in enumerate(scores)]


def two_by_two(patients, controls):
    """Rows of the first table by criterion and the row of the second, as dictionaries."""
    pairs, remarks = make_pairs(gather(patients), gather(controls))
    assert remarks == []
    table = two_by_two_table(pairs)
    values = predictive_table(pairs)
    return ({row[3]: dict(zip(table.columns, row, strict=True)) for row in table.rows},
            dict(zip(values.columns, *values.rows, strict=True)))


def bounds(cell):
    return cell.low, cell.high


def test_hand_made_subjects():
    patients = subjects("p", [HIT] * 6 + [FALSE] * 3 + [EMPTY])
    rows, values = two_by_two(patients, subjects("c", [ALARM] * 2 + [SPARED] * 3))
    any_cluster, hit = rows["any cluster"], rows["lesion hit"]
    assert [any_cluster[name] for name in ("TP", "FN", "FP", "TN")] == [9, 1, 2, 3]
    assert [hit[name] for name in ("TP", "FN", "FP", "TN")] == [6, 4, 2, 3]
    for row, sensitivity in ((any_cluster, clopper_pearson(9, 10)), (hit, clopper_pearson(6, 10))):
        assert row["Sensitivity"].value == sensitivity.value and row["Specificity"].value == 0.6
        assert bounds(row["Sensitivity"]) == pytest.approx(bounds(sensitivity))
        assert bounds(row["Specificity"]) == pytest.approx(bounds(clopper_pearson(3, 5)))
        assert row["Balanced accuracy"].value == pytest.approx((sensitivity.value + 0.6) / 2)
        assert row["Balanced accuracy"].low < (sensitivity.value + 0.6) / 2 < row["Balanced accuracy"].high
    for name, k, n in (("PPV", 9, 11), ("NPV", 3, 4), ("Lesion hit", 6, 11)):
        assert values[name].value == k / n and values[name].n == n
        assert bounds(values[name]) == pytest.approx(bounds(clopper_pearson(k, n)))
    assert list(values.values())[:8] == ["A", "raw", 1, 6, 3, 2, 1, 3]


def test_figures_equal_scikit_learns():
    rng = np.random.default_rng(0)
    found, alarms = rng.random(23) < 0.7, rng.random(40) < 0.4
    rows, values = two_by_two(subjects("p", [HIT if one else EMPTY for one in found]),
                              subjects("c", [ALARM if one else SPARED for one in alarms]))
    truth, predicted = [1] * 23 + [0] * 40, [*found, *alarms]
    row = rows["any cluster"]
    tn, fp, fn, tp = confusion_matrix(truth, predicted).ravel()
    assert [row[name] for name in ("TP", "FN", "FP", "TN")] == [tp, fn, fp, tn]
    assert values["PPV"].value == pytest.approx(precision_score(truth, predicted))
    assert values["NPV"].value == pytest.approx(precision_score(truth, predicted, pos_label=0))
    assert row["Balanced accuracy"].value == pytest.approx(balanced_accuracy_score(truth, predicted))


def test_edges():
    rows, values = two_by_two(subjects("p", [HIT] * 14), subjects("c", [SPARED] * 85))
    row = rows["any cluster"] | values
    for name, n in (("Sensitivity", 14), ("Specificity", 85), ("PPV", 14), ("NPV", 85)):
        assert (row[name].value, row[name].high, row[name].n) == (1, 1, n)
        assert row[name].low == pytest.approx(0.025 ** (1 / n))
    assert row["Balanced accuracy"].value == 1 > row["Balanced accuracy"].low > row["Sensitivity"].low
    _, values = two_by_two(subjects("p", [EMPTY]), subjects("c", [SPARED]))
    assert values["PPV"].value is None and values["Lesion hit"].value is None and values["NPV"].value == 0.5
    rows, values = two_by_two(subjects("p", [EMPTY]), subjects("c", [ALARM]))
    assert values["PPV"].value == 0 and rows["lesion hit"]["Balanced accuracy"].value == 0


def test_several_runs_are_averaged_within_subjects():
    patients = [row for run in range(10) for row in subjects("p", [HIT] * 13 + [HIT if run else EMPTY], run=run)]
    controls = [row for run in range(10) for row in subjects("c", [ALARM if run < 5 else SPARED] * 2, run=run)]
    rows, values = two_by_two(patients, controls)
    row = rows["any cluster"] | values
    assert [row[name] for name in ("TP", "FN", "FP", "TN")] == pytest.approx([13.9, 0.1, 1, 1])
    assert values["PPV"].value == pytest.approx(13.9 / 14.9) and values["PPV"].n == 15
    assert row["NPV"].value == pytest.approx(1 / 1.1) and row["Sensitivity"].n == 14
    assert list(values.values())[2:8] == pytest.approx([10, 13.9, 0, 1, 0.1, 1])
    perfect, of_perfect = two_by_two([row for run in range(10) for row in subjects("p", [HIT] * 14, run=run)], controls)
    best = perfect["any cluster"] | of_perfect
    for name in ("Sensitivity", "NPV", "Balanced accuracy"):  # one miss in 140
        assert row[name].high - row[name].low >= best[name].high - best[name].low - 1e-9, name


def test_stages_groups_and_subjects_that_are_neither():
    patients = [*subjects("p", [HIT]), *subjects("p", [EMPTY], stage="filtered"), *subjects("p", [HIT], group="B"),
                *subjects("empty reference", [ALARM]), *subjects("empty reference", [SPARED], stage="filtered")]
    controls = [*subjects("c", [ALARM]), *subjects("c", [SPARED], stage="filtered"), *subjects("c", [ALARM], group="C")]
    pairs, remarks = make_pairs(gather(patients), gather(controls))
    rows = two_by_two_table(pairs).rows
    assert [row[:8] for row in rows] == [
        ("A", "raw", 1, "any cluster", 1, 0, 1, 0), ("A", "raw", 1, "lesion hit", 1, 0, 1, 0),
        ("A", "filtered", 1, "any cluster", 0, 1, 0, 1), ("A", "filtered", 1, "lesion hit", 0, 1, 0, 1)]
    assert [remark.split(":")[0] for remark in remarks] == ["C"]
    assert make_pairs(gather(subjects("p", [ALARM])), gather(controls))[0] == []  # no patient with a lesion


@pytest.mark.parametrize(("ours", "theirs", "common"), [((0, 1, 2), (0, 1), 2), ((0,), (0, 1), 1), ((0,), (1,), 0)])
def test_runs_of_patients_and_controls_are_paired_by_number(ours, theirs, common):
    patients = [row for run in ours for row in subjects("p", [HIT if run < 2 else EMPTY], run=run)]
    controls = [row for run in theirs for row in subjects("c", [SPARED], run=run)]
    pairs, remarks = make_pairs(gather(patients), gather(controls))
    assert len(pairs) == (common > 0) and len(remarks) == 1 and f"{len(theirs)} run" in remarks[0]
    for pair in pairs:
        assert pair.references.runs == pair.controls.runs == ours[:common]
        assert two_by_two_table(pairs).rows[0][4] == 1


def test_a_control_with_the_name_of_a_patient_is_named():
    pairs, remarks = make_pairs(gather(subjects("s", [HIT, HIT])), gather(subjects("s", [SPARED])))
    assert len(pairs) == 1 and len(remarks) == 1 and "s0" in remarks[0] and "s1" not in remarks[0]

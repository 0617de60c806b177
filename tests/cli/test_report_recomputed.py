"""Every number of a report of 3 groups, 10 runs and 20 subjects, recomputed from the image files alone.

The recomputation (tests/recomputed) shares no code with the package: nibabel, numpy, scipy and scikit-learn, and the
definitions of docs/report.md and of the notes under the tables. A table, column or row that it does not have fails.
"""

import nibabel as nib
import numpy as np
import pytest
from recomputed import cohort, comparison, controls, curves, figures, provenance
from recomputed.compare import agrees, differences, missing_on_page, rounding_errors
from recomputed.intervals import Between
from recomputed.scores import STAGES, score_study
from recomputed.study import GROUPS, make_study, report_arguments

from nnunet_tv.cli.report import main

TABLES = {function.__name__.replace("_", "-"): function for function in (
    figures.uncertainty, figures.hit_rules, figures.lost_lesions, figures.cluster_ppv, figures.measures,
    figures.detection_by_size,
    comparison.comparisons, comparison.comparisons_stages, comparison.comparisons_trainings,
    comparison.comparisons_trainings_stages,
    controls.controls_setup, controls.controls, controls.patients_controls, controls.predictive_values, controls.roc,
    controls.rescans,
    curves.froc, curves.precision_recall, curves.calibration, curves.reliability,
    cohort.flow, cohort.flow_predictions, cohort.test_set, cohort.cohort_maps, cohort.cohort_places,
    provenance.provenance,
    cohort.strata_histopathology, cohort.strata_lobe, cohort.strata_sex, cohort.strata_hemisphere,
    cohort.strata_size, cohort.strata_contrast,
)}
#: Items of guidelines: text without a figure of the study.
WITHOUT_FIGURES = {"checklist"}
ROW = ("case", "group", "run", "stage")


def row_files(scores):
    """Rows and key of the files beside tables/."""
    def rows(frame):
        return [{name: None if value is None or value != value else value for name, value in row.items()}
                for row in frame.astype(object).to_dict("records")]
    return {"table1": (figures.table1(scores), ("stage", "group")), "cases": (rows(scores.cases), ROW),
            "clusters": (rows(scores.clusters), (*ROW, "rank")), "lesions": (rows(scores.lesions), (*ROW, "index")),
            "rescans": (rows(scores.rescans), ROW)}


@pytest.mark.slow
def test_every_number_is_recomputed_from_the_images(tmp_path):
    report = tmp_path / "report"
    make_study(tmp_path / "study")
    assert main(report_arguments(tmp_path / "study", report)) == 0
    scores = score_study(tmp_path / "study")

    expected = row_files(scores)
    found = [f"unchecked: {path.name}" for path in report.glob("*.csv") if path.stem not in expected]
    for name, (rows, key) in expected.items():
        found += [f"{name}.csv, {text}" for text in differences(report / f"{name}.csv", rows, key=key)]

    tables = {path.stem: path for path in (report / "tables").glob("*.csv")}
    found += [f"unchecked: tables/{name}.csv" for name in tables.keys() - TABLES.keys() - WITHOUT_FIGURES]
    found += [f"missing: tables/{name}.csv" for name in TABLES.keys() - tables.keys()]
    for name in TABLES.keys() & tables.keys():
        found += [f"tables/{name}.csv, {text}" for text in differences(tables[name], TABLES[name](scores))]

    page = (report / "report.html").read_text(encoding="utf-8")
    for path in (tables[name] for name in tables.keys() - WITHOUT_FIGURES):
        found += rounding_errors(path, path.with_suffix(".md"))
        found += [f"not on the page: {path.stem}"] * missing_on_page(page, path.with_suffix(".md"))

    for group in GROUPS:
        for stage in STAGES:
            number = np.asarray(nib.as_closest_canonical(
                nib.load(report / "cohort" / f"{group}_{stage}.nii.gz")).dataobj)
            if not np.array_equal(number, np.sum(list(cohort.marks(scores, group, stage).values()), axis=0)):
                found.append(f"cohort/{group}_{stage}.nii.gz")
    assert not found, "\n".join(sorted(found))


def test_a_wrong_or_unknown_cell_is_found(tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("Group,DC,p\nA,0.5,0.04\nB,,0.2\n", encoding="utf-8")
    right = [{"Group": "A", "DC": 0.5, "p": Between(0.03, 0.05)}, {"Group": "B", "DC": None, "p": 0.2}]
    assert differences(table, right) == []
    assert differences(table, [{**right[0], "DC": 0.5001}, right[1]]) == ["line 2, DC: 0.5, expected 0.5001"]
    assert differences(table, [right[0], {**right[1], "DC": 0.0}]) == ["line 3, DC: , expected 0.0"]
    assert differences(table, right[:1]) == ["2 rows, expected 1"]
    assert differences(table, [{"Group": row["Group"], "DC": row["DC"]} for row in right]) == ["unchecked: column p"]
    assert differences(table, [{**row, "n": 1} for row in right]) == ["missing: column n"]


@pytest.mark.parametrize(("cell", "expected", "same"), [
    ("0.05", Between(0.03, 0.04), False), ("0.03", Between(0.03, 0.04), True), ("", 0.0, False), ("0", None, False),
    ("–", None, True), ("many", 3, False), ("1e-3", 0.001, True)])
def test_cells(cell, expected, same):
    assert agrees(cell, expected) is same

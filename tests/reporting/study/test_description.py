"""The description of the test set."""

import numpy as np
import pytest
from report_rows import make_row

from nnunet_tv.metrics.scores import LesionScore
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.study.description import description_table
from nnunet_tv.reporting.tables.table import to_csv, to_markdown
from nnunet_tv.scoring.participants import NOT_GIVEN, Column


def lesion(volume, x=-10.0, index=1):
    return LesionScore(index, int(volume), float(volume), (x, 0.0, 0.0), 0, {"any": False})


def patients(volumes, **options):
    """One patient for each volume in mm³; 0 is an empty reference."""
    return [make_row(f"p{number}", fn=volume, stage=stage, **options) for stage in ("raw", "filtered")
            for number, volume in enumerate(volumes)]


def make(volumes, participants=(), *, controls=(), columns=None):
    record = Record(patients(volumes), controls=[make_row(case) for case in controls],
                    participants=dict(participants), columns=columns or {},
                    meta={"participants": {"file": "participants.tsv"} if participants else None})
    return description_table(record)


def found(table):
    """Cells by characteristic and value."""
    return {line[:2]: line[2:] for line in table.rows}


def test_sex_and_age_of_patients_and_controls_side_by_side():
    table = make([10, 20, 30, 40, 50], {
        "p0": {"sex": "M", "age": "10"}, "p1": {"sex": "f", "age": "20"}, "p2": {"sex": "male", "age": "40"},
        "p3": {"sex": NOT_GIVEN, "age": "33.5"}, "c0": {"sex": "F", "age": "8"}, "c1": {"sex": "F", "age": NOT_GIVEN}},
        controls=["c0", "c1"])
    assert table.columns == ("Characteristic", "Value", "Patients", "Patients known", "Patients unknown", "Controls",
                             "Controls known", "Controls unknown")
    cells = found(table)
    assert cells["Subjects", ""] == ("5", 5, 0, "2", 2, 0)
    assert cells["Sex (sex)", "female"] == ("1 (33 %)", 3, 2, "2 (100 %)", 2, 0)
    assert cells["Sex (sex)", "male"] == ("2 (67 %)", 3, 2, "0 (0 %)", 2, 0)
    low, middle, high = np.percentile([10, 20, 40, 33.5], [25, 50, 75])
    assert (low, middle, high) == (17.5, 26.75, 35.125)
    assert cells["Age in years (age)", "median (quartiles; range)"] == (
        "26.8 (17.5 to 35.1; 10 to 40)", 4, 1, "8 (8 to 8; 8 to 8)", 1, 1)
    assert all(line[3] + line[4] == 5 and line[6] + line[7] == 2 for line in table.rows
               if line[0] in ("Sex (sex)", "Age in years (age)"))


def test_lesions_are_described_from_the_references_alone():
    rows = [*patients([500, 1500, 0]), make_row("q", fn=4000, lesions=(lesion(3000, 20.0), lesion(1000, -5.0, 2)))]
    cells = found(description_table(Record([row for row in rows if row.stage == "raw"], meta={"participants": None})))
    assert cells["Lesion volume in ml (reference)", "median (quartiles; range)"] == (
        "1.50 (1.00 to 2.75; 0.50 to 4.00)", 3, 0)
    assert cells["Lesions per subject (reference)", "0 (empty reference)"] == ("1 (25 %)", 4, 0)
    assert cells["Lesions per subject (reference)", "1"] == ("2 (50 %)", 4, 0)
    assert cells["Lesions per subject (reference)", "2"] == ("1 (25 %)", 4, 0)
    assert cells["Side of the lesion (centroid of the reference)", "left"] == ("2 (67 %)", 3, 0)
    assert cells["Side of the lesion (centroid of the reference)", "right"] == ("1 (33 %)", 3, 0)


def test_volumes_are_in_ml():
    cells = found(make([98765, 98765, 123456]))
    assert cells["Lesion volume in ml (reference)", "median (quartiles; range)"][0] == (
        "98.77 (98.77 to 111.11; 98.77 to 123.46)")


def test_without_a_table_the_missing_is_stated():
    table = make([10])
    assert table.columns[-1] == "Patients unknown"
    assert "No participants table was given (--participants): sex, age" in table.warnings[0]
    assert any("No controls were given" in note for note in table.notes)


def test_what_the_table_lacks_is_stated():
    (warning,) = make([10, 20], {"p0": {"sex": "M", "lobe": "FL"}, "p1": {"sex": "F", "lobe": NOT_GIVEN}}).warnings
    assert "not recorded: age, scanner or site, MRI diagnosis, histopathology." in warning


def test_ages_in_classes_are_no_years():
    """As in ds004199, whose age_scan 1 to 13 are classes of five years."""
    column = Column("", {str(number): f"{5 * number - 4}-{5 * number} years" for number in range(1, 14)})
    people = {f"p{number}": {"age_scan": value} for number, value in enumerate(["1", "3", "3", "6", "13"])}
    cells = found(make([10] * 5, people, columns={"age_scan": column}))
    assert cells["Age at the scan, classes (age_scan)", "median (quartiles; range)"][0] == (
        "11-15 years (11-15 years to 26-30 years; 1-5 years to 61-65 years)")
    cells = found(make([10] * 4, dict(zip(people, ({"age_scan": value} for value in ("1", "3", "6", "13")),
                                          strict=False)), columns={"age_scan": column}))
    assert cells["Age at the scan, classes (age_scan)", "median (quartiles; range)"][0] == (
        "11-15 years (1-5 years to 26-30 years; 1-5 years to 61-65 years)")
    table = make([10] * 5, people)
    assert "Age at the scan, unit not stated (age_scan)" in {line[0] for line in table.rows}
    assert any("age_scan: no unit" in text for text in table.warnings)
    units = found(make([10] * 5, people, columns={"age_scan": Column("months")}))
    assert ("Age at the scan in months (age_scan)", "median (quartiles; range)") in units


def test_levels_have_their_meaning():
    people = {"p0": {"mri_diagnosis": "none", "lobe": "FL"}, "p1": {"mri_diagnosis": "suspicion", "lobe": "TL,OL"}}
    columns = {"mri_diagnosis": Column("", {"none": "Images did not reveal any pathological changes at all.",
                                            "suspicion": "FCD"}), "lobe": Column("", {"FL": "frontal lobe"})}
    table = make([10, 20], people, columns=columns)
    cells = found(table)
    assert cells["MRI diagnosis (mri_diagnosis)", "none (MRI-negative)"][0] == "1 (50 %)"
    assert cells["MRI diagnosis (mri_diagnosis)", "FCD (suspicion)"][0] == "1 (50 %)"
    assert {value for name, value in cells if name == "Lobe (lobe)"} == {"frontal lobe (FL)", "TL,OL"}
    assert any("mri_diagnosis none: Images did not reveal" in note for note in table.notes)


def test_a_column_of_text_in_place_of_ages():
    table = make([10, 20, 30], {"p0": {"age": "20"}, "p1": {"age": "89+"}, "p2": {"age": "30"}})
    assert found(table)["Age in years (age)", "median (quartiles; range)"] == ("25 (22.5 to 27.5; 20 to 30)", 2, 1)
    assert any("age: no numbers, counted as unknown: 89+ (p1)" in text for text in table.warnings)
    for text in ("nan", "inf", "-inf"):
        assert found(make([10, 20], {"p0": {"age": "20"}, "p1": {"age": text}}))[
            "Age in years (age)", "median (quartiles; range)"][1:] == (1, 1)


def test_many_values_are_pooled_and_add_up():
    people = {f"p{number}": {"scanner": f"scanner {number % 20}"} for number in range(40)}
    lines = [line for line in make([10] * 40, people).rows if line[0] == "scanner"]
    assert len(lines) == 13 and lines[-1][1] == "8 other values" and lines[-1][2] == "16 (40 %)"
    assert sum(int(line[2].split()[0]) for line in lines) == 40


@pytest.mark.parametrize(("recorded", "x", "named"), [
    ("L", 20.0, True), ("left", 20.0, True), ("R", -20.0, True), ("Right", -20.0, True), ("L", -20.0, False),
    ("R", 20.0, False), ("bilateral", 20.0, False), (NOT_GIVEN, 20.0, False)])
def test_a_recorded_side_that_the_reference_contradicts_is_named(recorded, x, named):
    record = Record([make_row("p0", fn=5, lesions=(lesion(5, x),))], participants={"p0": {"hemisphere": recorded}},
                    meta={"participants": {"file": "participants.tsv"}})
    assert any("p0" in text and "hemisphere" in text for text in description_table(record).warnings) == named


def test_no_subject_has_a_lesion():
    cells = found(make([0, 0]))
    assert cells["Lesion volume in ml (reference)", "median (quartiles; range)"] == ("–", 0, 0)


def test_all_forms_can_be_written():
    table = make([10, 20], {"p0": {"sex": "M", "age": "3"}}, controls=["c0"])
    assert "Age in years (age)" in to_csv(table) and "| Sex (sex) | male |" in to_markdown(table)

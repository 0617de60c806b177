"""Redaction of texts that identify a patient; identifiers that are of one person, or stand for nobody."""

import hashlib

import pytest
from dicom_series import FLAIR, PATIENT, T1, write_header

from nnunet_tv.intake.find import find_cases
from nnunet_tv.intake.manual_pairs import read_manual_pairs
from nnunet_tv.intake.privacy import Patient, is_placeholder, secrets_of
from nnunet_tv.utils.redaction import redact

PLACEHOLDERS = ["", " ", "***", "DEV", "anonymous", "ANON", "Anonymous^Patient", "unknown", "0", "000000", "XXXX",
                "---", "N/A", "none", "NULL", "[removed]", "de-identified", "DeIdentified", "No Name", "test", "1",
                "111", "xx", "123456", "1234567890", "anon000", "unknown_id", "匿名", "patient", "JOHN^DOE",
                hashlib.md5(b"").hexdigest(), ".",
                "ANONYMIZED", "NONAME", "AnonPatient", "unidentified", "QA", "qwerty", "987654321",
                "UNKNOWN_PATIENT_ID"]
PEOPLE = ["ZX4711981", "Annona", "TESTER7", "NOD-12", "IDA", "96543", "345",
          "4711", "ANON017", "anonymous2", "sub-01", "P1", "0017", "Q2", "12", "DEV-7", "20210304", "xy",
          "TestA9", hashlib.md5(b"ZX").hexdigest()]


@pytest.mark.parametrize("text, redacted", [
    ("FLAIR Quixano", "FLAIR ***"),
    ("quixano_ALONSO t1", "***_*** t1"),
    ("T1 ZX4711981 19470929", "T1 *** ***"),
    ("liTP3 with Li", "liTP3 with ***"),
    ("t1_mprage", "t1_mprage"),
    ("T1 29.09.1947 29.9.1947 29/09/47 1947-09-29 09/29/1947 470929 29091947", "T1" + " ***" * 7),
    ("T1 Muller mueller Müller, Gross", "T1 *** *** ***, ***"),
    ("3D 1.0x1.0 mm 2021-03-04", "3D 1.0x1.0 mm 2021-03-04"),
])
def test_identifying_texts_are_redacted(text, redacted):
    header = {**PATIENT, "OtherPatientNames": "Li", "PatientBirthName": "Müller^Groß", "StudyID": "1"}
    assert redact(text, secrets_of(header)) == redacted


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholders(text):
    assert is_placeholder(text)


@pytest.mark.parametrize("text", PEOPLE)
def test_ids_of_one_person(text):
    assert not is_placeholder(text)


@pytest.mark.parametrize("first, second, same", [
    (("ZX47", "19470929", "M"), ("ZX47", "19470929", "M"), True),
    (("ZX47",), ("ZX48",), False),
    (("ZX47", "19470929"), ("ZX47", "19500101"), False),  # of two hospitals
    (("ZX47", "", "F"), ("ZX47", "", "M"), False),
    (("ZX47", "19000101", "O"), ("ZX47", "19470929", "M"), True),
    (("***",), ("***",), None),
    (("***",), ("ZX47",), None),
    (("DEV", "19470929", "M"), ("DEV", "19470929", "M"), None),
    (("DEV", "", "F"), ("DEV", "", "M"), False),
])
def test_same_patient(first, second, same):
    assert Patient(*first).same_as(Patient(*second)) is same
    assert Patient(*second).same_as(Patient(*first)) is same


def write_pair(root, patient: dict, other: dict) -> None:
    write_header(root / "a", study="monday", number=3, tags=T1, patient=patient)
    write_header(root / "b", study="tuesday", number=5, tags=FLAIR, patient=other)


def across(cases) -> list[str]:
    """A pair of the T1w's study and the other study's series 5."""
    t1, flair = (next(case.case for case in cases if f"series-{number}" in case.problem) for number in (3, 5))
    return [f"{t1},series-3,{flair}/series-5"]


@pytest.mark.parametrize("text", ["***", "DEV", "anonymous", "", "0"])
def test_placeholder_does_not_make_two_studies_one_patient(tmp_path, text):
    write_pair(tmp_path, {"PatientID": text}, {"PatientID": text})
    cases = find_cases(tmp_path).cases
    assert len(cases) == 2 and not [case.problem for case in cases if "same patient" in case.problem]
    assert len({case.case for case in find_cases(tmp_path, keep_ids=True).cases}) == 2
    assert all(case.case.startswith("study-") for case in find_cases(tmp_path, keep_ids=True).cases)
    case, = find_cases(tmp_path, manual_pairs=read_manual_pairs(across(cases))).cases
    assert case.pair is not None and "no patient id" in case.pair.flags[0]


def test_studies_of_one_patient_are_named_and_pair_without_a_flag(tmp_path):
    write_pair(tmp_path, PATIENT, PATIENT)
    cases = find_cases(tmp_path).cases
    assert all("The same patient has case-000" in case.problem for case in cases)
    assert find_cases(tmp_path, manual_pairs=read_manual_pairs(across(cases))).cases[0].pair.flags == ()


@pytest.mark.parametrize("patient, other", [
    ({"PatientID": "Q1"}, {"PatientID": "Q2"}),
    ({"PatientID": "Q1", "PatientSex": "F"}, {"PatientID": "Q1", "PatientSex": "M"}),
    ({"PatientID": "***", "PatientBirthDate": "19470929"}, {"PatientID": "***", "PatientBirthDate": "19500101"}),
])
def test_studies_of_two_patients_are_not_paired(tmp_path, patient, other):
    write_pair(tmp_path, patient, other)
    cases = find_cases(tmp_path).cases
    assert not [case.problem for case in cases if "same patient" in case.problem]
    pairs = across(cases)
    found = find_cases(tmp_path, manual_pairs=read_manual_pairs(pairs)).cases
    case = next(case for case in found if case.case == pairs[0].split(",")[0])
    assert case.pair is None and "two patients" in case.problem and "Q1" not in case.problem

"""Redaction of texts that identify a patient."""

import pytest
from dicom_series import PATIENT

from nnunet_tv.intake.privacy import secrets_of
from nnunet_tv.utils.redaction import redact


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

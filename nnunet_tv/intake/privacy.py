"""Texts of a DICOM header that identify a person.

Descriptions are typed by hand at the scanner and sometimes contain the patient's name.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

#: Elements whose values must not leave the header.
IDENTIFYING = ("PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames",
               "PatientBirthName", "PatientMotherBirthName", "AccessionNumber", "StudyID", "PatientAddress",
               "PatientTelephoneNumbers")
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})


def secrets_of(header: Mapping[str, Any]) -> frozenset[str]:
    """Values of :data:`IDENTIFYING`, whole and in parts of two characters or more, in usual spellings."""
    found = set()
    for name in IDENTIFYING:
        value: Any = header.get(name)
        several = isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue"
        for text in (str(one).strip() for one in ([*value] if several else [value]) if one is not None):
            # a StudyID such as 1 or 12 is a counter: redacting its parts would remove every number
            parts = [text] if name == "StudyID" else [text, *re.split(r"[\^=\s,;._/\\-]+", text)]
            parts += _dates(text) if name == "PatientBirthDate" else []
            found |= {part for part in parts if len(part) > 1 and not (part.isdigit() and len(part) < 3)}
    return frozenset(found | {plain for text in found for plain in _without_accents(text)})


def _dates(text: str) -> list[str]:
    """A DICOM date (YYYYMMDD) in common spellings."""
    if not re.fullmatch(r"\d{8}", text):
        return []
    year, month, day = text[:4], text[4:6], text[6:]
    found = [year[2:] + month + day, *(mark.join((year, month, day)) for mark in "./-_")]
    for first, second in ((day, month), (month, day)):
        for mark in ("", *"./-_"):
            found += [mark.join((first, second, year)), mark.join((first, second, year[2:]))]
        found += [mark.join((first.lstrip("0"), second.lstrip("0"), year)) for mark in "./-_"]
    return found


def _without_accents(text: str) -> set[str]:
    """Müller as Muller and as Mueller."""
    german = text.translate(_GERMAN)
    plain = {unicodedata.normalize("NFKD", one).encode("ascii", "ignore").decode().strip() for one in (text, german)}
    return {one for one in plain if len(one) > 1 and any(letter.isalpha() for letter in one)}

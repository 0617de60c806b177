"""What names a person in a DICOM header, and its removal from texts.

Descriptions are typed by hand at the scanner and sometimes hold the patient's name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

#: Elements whose values must not leave the header.
IDENTIFYING = ("PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames",
               "PatientBirthName", "PatientMotherBirthName", "AccessionNumber", "StudyID", "PatientAddress",
               "PatientTelephoneNumbers")
HIDDEN = "***"
_ALWAYS_A_PART = 4
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})


def secrets_of(header: Any) -> frozenset[str]:
    """Values of :data:`IDENTIFYING`, whole and in their parts (of two characters or more), as they may be typed."""
    found = set()
    for name in IDENTIFYING:
        value = header.get(name)
        values = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
        for text in (str(one).strip() for one in values if one is not None):
            parts = [text] if name == "StudyID" else [text, *re.split(r"[\^=\s,;._/\\-]+", text)]
            # a StudyID such as 1 or 12 is a counter, and hiding it would eat every number
            parts += _dates(text) if name == "PatientBirthDate" else []
            found |= {part for part in parts if len(part) > 1 and not (part.isdigit() and len(part) < 3)}
    return frozenset(found | {typed for text in found for typed in _without_accents(text)})


def _dates(text: str) -> list[str]:
    """A DICOM date (YYYYMMDD) as people write it."""
    if not re.fullmatch(r"\d{8}", text):
        return []
    year, month, day = text[:4], text[4:6], text[6:]
    found = [year[2:] + month + day]
    for first, second in ((day, month), (month, day)):
        found += [first + second + year, first + second + year[2:]]
        for mark in "./-_":
            found += [mark.join((first, second, year)), mark.join((first, second, year[2:])),
                      mark.join((first.lstrip("0"), second.lstrip("0"), year))]
    return [*found, *(mark.join((year, month, day)) for mark in "./-_")]


def _without_accents(text: str) -> set[str]:
    """Müller as Muller and as Mueller."""
    german = text.translate(_GERMAN)
    plain = {unicodedata.normalize("NFKD", one).encode("ascii", "ignore").decode().strip() for one in (text, german)}
    return {one for one in plain if len(one) > 1 and any(letter.isalpha() for letter in one)}


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced; short ones only where they are whole words."""
    for secret in sorted(secrets, key=len, reverse=True):
        pattern = re.escape(secret)
        if len(secret) < _ALWAYS_A_PART:
            pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
        text = re.sub(pattern, HIDDEN, text, flags=re.IGNORECASE)
    return text

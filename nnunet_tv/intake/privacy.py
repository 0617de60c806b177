"""What names a person in a DICOM header, and its removal from texts.

Descriptions are typed by hand at the scanner and sometimes hold the patient's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

#: Elements whose values must not leave the header.
IDENTIFYING = ("PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames",
               "PatientBirthName", "PatientMotherBirthName", "AccessionNumber", "StudyID", "PatientAddress",
               "PatientTelephoneNumbers")
HIDDEN = "***"
_ALWAYS_A_PART = 4


def secrets_of(header: Any) -> frozenset[str]:
    """Values of :data:`IDENTIFYING`, whole and in their parts (of two characters or more)."""
    found = set()
    for name in IDENTIFYING:
        value = header.get(name)
        values = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
        for text in (str(one).strip() for one in values if one is not None):
            parts = [text] if name == "StudyID" else [text, *re.split(r"[\^=\s,;._/\\-]+", text)]
            # a StudyID such as 1 or 12 is a counter, and hiding it would eat every number
            found |= {part for part in parts if len(part) > 1 and not (part.isdigit() and len(part) < 3)}
    return frozenset(found)


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced; short ones only where they are whole words."""
    for secret in sorted(secrets, key=len, reverse=True):
        pattern = re.escape(secret)
        if len(secret) < _ALWAYS_A_PART:
            pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
        text = re.sub(pattern, HIDDEN, text, flags=re.IGNORECASE)
    return text

"""What of a DICOM header identifies a person: texts that must not be written, and whose study it is.

Descriptions are typed by hand at the scanner and sometimes contain the patient's name. De-identified headers often have
the same text in place of everybody's id. Such a placeholder identifies nobody: what then identifies a case is the study
alone.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Elements whose values must not leave the header.
IDENTIFYING = ("PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDs", "OtherPatientNames",
               "PatientBirthName", "PatientMotherBirthName", "AccessionNumber", "StudyID", "PatientAddress",
               "PatientTelephoneNumbers")
#: Words that stand in place of an id, alone or together (``No Name``, ``anonymous patient``).
_WORDS = frozenset(
    "anon anonym anonymous anonyme anonymised anonymized anonymisiert anonymisé anonimo anonimizado anonimizzato "
    "pseudonym pseudonymised pseudonymized deidentified de identified dev test testing tester unknown unbekannt "
    "inconnu sconosciuto desconocido none null nil nan na n a no not noid nn patient patientid patienten pat subject "
    "name id default dummy demo demonstration example sample phantom removed deleted redacted hidden masked blinded "
    "empty blank missing undefined unspecified unnamed available applicable tbd todo void private confidential john "
    "jane doe noname unidentified nemo qa qc service anonymise anonymize abc xyz asdf qwerty foo bar "
    "匿名 未知 無名".split())
#: Those words, and compounds of the longer ones (``AnonPatient``).
_COMPOUND = re.compile(f"{'|'.join(_WORDS)}|(?:{'|'.join(word for word in _WORDS if len(word) > 3 or word == 'id')})+")
#: Digests of an empty text, as pseudonymisation writes them.
_EMPTY_DIGESTS = frozenset(getattr(hashlib, name)(b"").hexdigest() for name in ("md5", "sha1", "sha224", "sha256"))
_COUNTED = ("1234567890", "01234567890", "9876543210")
#: Dates of birth before this year are placeholders, as 1900-01-01 is.
_FIRST_YEAR = 1901
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})


def secrets_of(header: Mapping[str, Any]) -> frozenset[str]:
    """Values of :data:`IDENTIFYING`, whole and in parts of two characters or more, in usual spellings."""
    found = set()
    for name in IDENTIFYING:
        value: Any = header.get(name)
        several = isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue"
        for text in (str(one).strip() for one in ([*value] if several else [value]) if one is not None):
            if is_placeholder(text) and not re.search("[1-9]", text):  # a word that stands for nobody
                continue
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


@dataclass(frozen=True)
class Patient:
    """Elements of a header that identify a patient."""

    patient_id: str = ""
    birth_date: str = ""  #: eight digits
    sex: str = ""  #: ``M`` or ``F``

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> "Patient":
        """The patient of a DICOM header."""
        return cls(*(str(header.get(name) or "").strip() for name in ("PatientID", "PatientBirthDate", "PatientSex")))

    @property
    def identified(self) -> bool:
        """Whether the id is of one person, and no placeholder."""
        return not is_placeholder(self.patient_id)

    def same_as(self, other: "Patient") -> bool | None:
        """Whether both are one person; None where the headers leave it open."""
        pairs = [(self.patient_id, other.patient_id)] if self.identified and other.identified else []
        pairs += [(one, two) for one, two in ((_birth_date(self), _birth_date(other)), (_sex(self), _sex(other)))
                  if one and two]
        if any(one != two for one, two in pairs):
            return False
        return True if self.identified and other.identified else None


def is_placeholder(patient_id: str) -> bool:
    """Whether a PatientID identifies nobody.

    That is so without letters and digits (empty, ``***``), of one character repeated (``0``, ``XXXX``), of digits in
    their order (``12345``), of the digest of an empty text, and of words only that stand in place of an id
    (``DEV``, ``ANON``, ``anonymous patient``, ``Test 000``). A word with a number (``ANON017``) is a pseudonym, which
    does identify.

    >>> [is_placeholder(text) for text in ("", "***", "DEV", "XXXX", "ANON017", "ZX47")]
    [True, True, True, True, False, False]
    """
    text = patient_id.casefold()
    words = re.findall(r"[^\W\d_]+|\d+", text)
    whole = "".join(words)
    if not whole.strip("0") or len(set(whole)) == 1 or whole in _EMPTY_DIGESTS:
        return True
    if whole.isdigit():
        return len(whole) > 2 and any(counted.startswith(whole) for counted in _COUNTED)
    return all(_COMPOUND.fullmatch(word) or set(word) == {"0"} for word in words)


def _birth_date(patient: Patient) -> str:
    date = patient.birth_date
    return date if re.fullmatch(r"\d{8}", date) and _FIRST_YEAR <= int(date[:4]) < 9999 else ""


def _sex(patient: Patient) -> str:
    return patient.sex.upper() if patient.sex.upper() in ("M", "F") else ""

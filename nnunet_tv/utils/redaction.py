"""Removal of texts that identify a patient."""

import re
from collections.abc import Iterable

HIDDEN = "***"
#: Secrets of at least this many characters are hidden within words too.
_ALWAYS_A_PART = 4


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced by :data:`HIDDEN`; secrets of fewer than four characters only as whole words.

    >>> redact("series of Mueller, id 12", ["mueller", "12"])
    'series of ***, id ***'
    """
    for secret in sorted(secrets, key=len, reverse=True):
        pattern = re.escape(secret)
        if len(secret) < _ALWAYS_A_PART:
            pattern = rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"
        text = re.sub(pattern, HIDDEN, text, flags=re.IGNORECASE)
    return text

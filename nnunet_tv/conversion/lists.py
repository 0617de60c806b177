"""What layouts have in common: tables that people wrote, names of image files, one file of each kind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

#: Image files that can be read, longest ending first.
ENDINGS = (".nii.gz", ".nii", ".mha")
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def image_stem(name: str) -> str:
    """A file's name without the ending of an image; empty for other and for hidden files.

    >>> image_stem("a_FLAIR.nii.gz"), image_stem("a-ADC_ss.mha"), image_stem("a.txt"), image_stem("._a.nii")
    ('a_FLAIR', 'a-ADC_ss', '', '')
    """
    if not name.startswith("."):
        for ending in ENDINGS:
            if name.endswith(ending):
                return name.removesuffix(ending)
    return ""


def usable_name(case: str) -> bool:
    """Whether a case identifier can be part of nnU-Net's file names: letters, digits, ``-`` and ``_``.

    >>> usable_name("MGHNICU_306-VISIT_01"), usable_name("../x"), usable_name("P 1")
    (True, False, False)
    """
    return bool(_CASE.fullmatch(case))


def not_one_of_each(found: Mapping[str, Sequence[Path]], wanted: Mapping[str, int], names: Mapping[str, str]) -> str:
    """What differs from the wanted numbers of files, such as ``2 × T1w, 0 × lesion mask``; empty if nothing.

    Parameters
    ----------
    found : dict of str to list of Path
        Files by kind.
    wanted : dict of str to int
        How many there should be.
    names : dict of str to str
        What a reader calls each kind.
    """
    return ", ".join(f"{len(found[kind])} × {names[kind]}" for kind, count in wanted.items()
                     if len(found[kind]) != count)

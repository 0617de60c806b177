"""Checks that the layouts share: names of image files and of cases, one file of each kind."""

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
    endings = () if name.startswith(".") else ENDINGS
    return next((name.removesuffix(ending) for ending in endings if name.endswith(ending)), "")


def usable_name(case: str) -> bool:
    """Whether a case identifier can be part of nnU-Net's file names: letters, digits, ``-`` and ``_``.

    >>> usable_name("MGHNICU_306-VISIT_01"), usable_name("../x"), usable_name("P 1")
    (True, False, False)
    """
    return bool(_CASE.fullmatch(case))


def wrong_counts(found: Mapping[str, Sequence[Path]], names: Mapping[str, str], *, absent: Sequence[str] = ()) -> str:
    """Kinds of which there is not one file (no file for those in `absent`), such as ``2 × T1w, 0 × lesion mask``.

    `names` are the names of the kinds in messages.
    """
    return ", ".join(f"{len(found[kind])} × {name}" for kind, name in names.items()
                     if len(found[kind]) != (kind not in absent))

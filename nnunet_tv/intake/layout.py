"""Which NIfTI file belongs to which case: BIDS trees, folders of patients, flat folders.

A case is named by the first folder that says more than a contrast (``pat01/``, not ``T1/``), else by what
a file's name says beside its contrast (``pat01`` of ``pat01_3D_FLAIR_sag.nii.gz``). Files whose names share no
such case are never paired by guessing: they could be two people's.
"""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from nnunet_tv.intake.recognise import normal
from nnunet_tv.intake.series_metadata import ENDINGS, Series, nifti_series, stem

#: What `nnunet-tv-prepare` keeps in a folder that it wrote; the scans in there have been taken once.
_OURS = ".preparation"
#: Folders of a BIDS tree that hold no scans as acquired.
_SKIPPED = {"derivatives", "sourcedata", "code", "stimuli", "phenotype"}
_ANATOMY = re.compile(r"(sub-[^/]+)/(?:(ses-[^/]+)/)?anat/[^/]+")
#: Words that name a contrast, a sequence, a plane or a format, and nobody.
_VOCABULARY = re.compile(
    r"t1|t1w|t1wi|3dt1|t1c|t1ce|t2|t2w|t2star|3dt2|flair|3dflair|t2flair|t2sel|mprage|mp2rage|mpr|spgr|fspgr|bravo|tfe|"
    r"tfl|tse|spc|spcir|space|cube|vista|vibe|flash|dark|fluid|darkfluid|dwi|dti|adc|swi|tof|pd|bold|gd|gad|km|post|"
    r"pre|contrast|sag|cor|tra|ax|axial|sagittal|coronal|iso|[123]d|[123]mm|1\.?5t|3t|mri|mr|anat|nifti|nii|image|"
    r"images|scan|scans|roi|mask|label|lesion|seg|brain|loc|localizer|localiser|scout|fs|ns|uni|den|inv[12]|weighted|"
    r"w|e1|ir")


def nifti_files(root: Path) -> list[Path]:
    """Every NIfTI file below `root`, sorted, hidden files and folders left out; links to files and folders count."""
    return [path for path in walk(root) if path.name.lower().endswith(ENDINGS)]


def walk(root: Path) -> Iterator[Path]:
    """Every file below `root`, in order, but nothing hidden, and nothing of earlier preparations below it.

    Links to folders elsewhere are followed, each folder once.
    """
    top, seen = root.resolve(), set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = Path(folder).resolve()
        if real in seen or (Path(folder).is_symlink() and Path(folder) != root
                            and (real.is_relative_to(top) or top.is_relative_to(real))):
            folders.clear()
            continue
        seen.add(real)
        if _OURS in folders and Path(folder) != root:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(folder, name)


def nifti_cases(root: Path, files: list[Path]) -> dict[str, list[Series]]:
    """Candidates by the case's name as found (see :func:`case_name` for its final form)."""
    relative = [path.relative_to(root) for path in files]
    if any(_ANATOMY.fullmatch(path.as_posix()) for path in relative):
        return _bids(root, relative)
    base = _inner(root, relative)
    cases: dict[str, list[Series]] = {}
    for path in relative:
        below = path.relative_to(base)
        case, folders = _case_of(below)
        cases.setdefault(case, []).append(nifti_series(
            root / path, label=path.as_posix(), case=case, folders=tuple(reversed(folders))))
    # files called by their contrast alone: the folder is the patient
    return {case or (root / base).resolve().name: found for case, found in cases.items()}


def _bids(root: Path, relative: list[Path]) -> dict[str, list[Series]]:
    cases: dict[str, list[Series]] = {}
    for path in relative:
        found = _ANATOMY.fullmatch(path.as_posix())
        if found and path.parts[0] not in _SKIPPED:
            case = "_".join(part for part in found.groups() if part)
            cases.setdefault(case, []).append(nifti_series(root / path, label=path.as_posix(), case=case))
    return cases


def _inner(root: Path, relative: list[Path]) -> Path:
    """The folder in which the patients are: a lone wrapper around folders is stepped over."""
    base = Path()
    while True:
        below = [path.relative_to(base).parts for path in relative]
        if len({parts[0] for parts in below}) != 1 or any(len(parts) < 3 for parts in below):
            return base
        if all(_words_beside_contrast(parts[1]) == "" for parts in below):
            return base
        base = base / below[0][0]


def _case_of(below: Path) -> tuple[str, list[str]]:
    folders = list(below.parts[:-1])
    for number, name in enumerate(folders):
        if _words_beside_contrast(name):
            return name, folders[number + 1:]
    return _words_beside_contrast(stem(below)), folders


def _words_beside_contrast(name: str) -> str:
    """`name` without words of contrasts and sequences; BIDS names keep subject and session alone."""
    bids = re.match(r"(sub-[A-Za-z0-9]+)(?:_(ses-[A-Za-z0-9]+))?_", name)
    if bids:
        return "_".join(part for part in bids.groups() if part)
    pieces = re.split(r"([\s_\-.,+()]+)", name)
    kept = []
    for index in range(0, len(pieces), 2):
        word = pieces[index]
        if word and not all(_VOCABULARY.fullmatch(part) for part in normal(word).split("_")):
            kept.append((pieces[index - 1] if index and kept else "") + word)
    return "".join(kept)


def case_name(found: str) -> str:
    """`found` as part of a file's name: ASCII letters, digits, ``-`` and ``_``; never empty."""
    plain = unicodedata.normalize("NFKD", found).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-_")
    return plain or f"case-{hashlib.sha256(found.encode('utf-8', 'surrogateescape')).hexdigest()[:6]}"

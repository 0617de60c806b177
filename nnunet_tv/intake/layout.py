"""Which NIfTI file belongs to which case: BIDS trees, folders of patients, flat folders.

A case is named by the outermost folder whose name is more than a contrast (``pat01/``, not ``T1/``), else by the rest
of the file name (``pat01`` of ``pat01_3D_FLAIR_sag.nii.gz``). Files without such a common name are never paired: they
could belong to two people.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from nnunet_tv.intake.exclusions import normal
from nnunet_tv.intake.series_metadata import Series, nifti_series, stem

#: Marks a folder that nnunet-tv-prepare wrote; its scans are copies.
_PREPARED = ".preparation"
#: Folders of a BIDS tree without scans as acquired.
_SKIPPED = {"derivatives", "sourcedata", "code", "stimuli", "phenotype"}
_ANATOMY = re.compile(r"(sub-[^/]+)/(?:(ses-[^/]+)/)?anat/[^/]+")
#: Words that name a contrast, a sequence, a plane or a format, never a patient.
_VOCABULARY = re.compile(
    r"t1|t1w|t1wi|3dt1|t1c|t1ce|t2|t2w|t2star|3dt2|flair|3dflair|t2flair|t2sel|mprage|mp2rage|mpr|spgr|fspgr|bravo|tfe|"
    r"tfl|tse|spc|spcir|space|cube|vista|vibe|flash|dark|fluid|darkfluid|dwi|dti|adc|swi|tof|pd|bold|gd|gad|km|post|"
    r"pre|contrast|sag|cor|tra|ax|axial|sagittal|coronal|iso|[123]d|[123]mm|1\.?5t|3t|mri|mr|anat|nifti|nii|image|"
    r"images|scan|scans|rois?|masks?|labels?|lesions?|segs?|segmentations?|brain|loc|localizer|localiser|scout|fs|ns|"
    r"uni|den|inv[12]|weighted|w|e1|ir")


def walk(root: Path) -> Iterator[Path]:
    """Every file below `root`, sorted, without hidden files and without folders that nnunet-tv-prepare wrote.

    Links to folders elsewhere are followed, each folder once.
    """
    top, seen = root.resolve(), set()
    for name, folders, files in os.walk(root, followlinks=True):
        folder = Path(name)
        real = folder.resolve()
        inward = folder.is_symlink() and (real.is_relative_to(top) or top.is_relative_to(real))
        if real in seen or (folder != root and (inward or _PREPARED in folders)):
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (folder / name for name in sorted(files) if not name.startswith("."))


def nifti_cases(root: Path, files: list[Path]) -> dict[str, list[Series]]:
    """Scans by the case's name as found (see :func:`case_name` for its final form)."""
    relative = [path.relative_to(root) for path in files]
    bids = {path: match for path in relative if (match := _ANATOMY.fullmatch(path.as_posix()))}
    cases: dict[str, list[Series]] = {}
    base = Path() if bids else _patients_folder(relative)
    for path in bids or relative:
        if bids and path.parts[0] in _SKIPPED:
            continue
        case, folders = ("_".join(filter(None, bids[path].groups())), []) if bids else _case_of(path.relative_to(base))
        cases.setdefault(case, []).append(nifti_series(
            root / path, label=path.as_posix(), case=case, folders=tuple(reversed(folders))))
    # files named by their contrast alone: the folder is the patient
    return {case or (root / base).resolve().name: found for case, found in cases.items()}


def _patients_folder(relative: list[Path]) -> Path:
    """The folder that contains the patients: single folders around folders are skipped."""
    base = Path()
    while True:
        below = [path.relative_to(base).parts for path in relative]
        if len({parts[0] for parts in below}) != 1 or any(len(parts) < 3 for parts in below):
            return base
        if not any(_without_contrast(parts[1]) for parts in below):
            return base
        base = base / below[0][0]


def _case_of(below: Path) -> tuple[str, list[str]]:
    folders = list(below.parts[:-1])
    for number, name in enumerate(folders):
        if _without_contrast(name):
            return name, folders[number + 1:]
    return _without_contrast(stem(below)), folders


def _without_contrast(name: str) -> str:
    """`name` without words of contrasts and sequences; of BIDS names, subject and session."""
    bids = re.match(r"(sub-[A-Za-z0-9]+)(?:_(ses-[A-Za-z0-9]+))?_", name)
    if bids:
        return "_".join(filter(None, bids.groups()))
    pieces = re.split(r"([\s_\-.,+()]+)", name)
    kept = ""
    for separator, word in zip(["", *pieces[1::2]], pieces[::2], strict=True):
        if word and not all(_VOCABULARY.fullmatch(part) for part in normal(word).split("_")):
            kept += (separator if kept else "") + word
    return kept


def case_name(found: str) -> str:
    """`found` as part of a file's name: ASCII letters, digits, ``-`` and ``_``; never empty."""
    plain = unicodedata.normalize("NFKD", found).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-_")
    return plain or f"case-{hashlib.sha256(found.encode('utf-8', 'surrogateescape')).hexdigest()[:6]}"

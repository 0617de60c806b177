"""Files of a folder of scans, sorted by what they contain."""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_tv.intake.dicom_header import is_dicom
from nnunet_tv.intake.layout import walk
from nnunet_tv.intake.series_metadata import ENDINGS
from nnunet_tv.utils.errors import NnunetTVError

_OTHER_FORMATS = (".nrrd", ".nhdr", ".mgz", ".mgh", ".mha", ".mhd", ".img", ".mnc", ".mnc.gz", ".par", ".rec")
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_PACKED_DICOM = re.compile(r".*(\.(?:dcm|dicom|dic|ima)\.(?:gz|bz2|xz|zst|z|lz4))", re.IGNORECASE)
_DICOM_ENDINGS = (".dcm", ".dicom", ".ima")


@dataclass(frozen=True)
class FolderFiles:
    """Files that can be scans; others, such as text, are not listed."""

    niftis: list[Path] = field(default_factory=list)
    dicoms: list[Path] = field(default_factory=list)
    packed: dict[str, int] = field(default_factory=dict)  #: number of archives and packed DICOM files, by ending
    others: dict[str, int] = field(default_factory=dict)  #: number of files of formats that are not read, by ending
    damaged: int = 0  #: files that end as DICOM and are not

    @property
    def left_out(self) -> list[str]:
        """Why files are not used, with what to do."""
        remarks = {
            f"{_count(self.packed, 'packed files')} were left out: unpack them into the folder, and run again":
                self.packed,
            f"{_count(self.others, 'files of other formats')} were left out: convert them to NIfTI if they are scans":
                self.others,
            f"{self.damaged} files are named as DICOM ({', '.join(_DICOM_ENDINGS)}) but do not contain it, and were "
            "left out: copy or export them again": self.damaged}
        return [remark for remark, holds in remarks.items() if holds]


def sort_files(folder: Path, exclude: Path | None) -> FolderFiles:
    """Files below `folder`, without the folder `exclude`, by their content."""
    if not folder.exists():
        raise NnunetTVError(f"{folder}: no such folder (-i)")
    if not folder.is_dir():
        raise NnunetTVError(f"{folder}: expected a folder of scans (-i), found a file: give the folder that holds it")
    niftis, dicoms, damaged = [], [], 0
    packed, others = Counter[str](), Counter[str]()
    for path in walk(folder):
        if exclude is not None and path.resolve().is_relative_to(exclude.resolve()):
            continue
        name = path.name.lower()
        if name.endswith(ENDINGS):
            niftis.append(path)
        elif is_dicom(path):
            dicoms.append(path)
        elif ending := _packed(path):
            packed[ending] += 1
        elif ending := _ending(name, _OTHER_FORMATS):
            others[ending] += 1
        elif name.endswith(_DICOM_ENDINGS):
            damaged += 1
    return FolderFiles(niftis, dicoms, dict(packed), dict(others), damaged)


def _ending(name: str, endings: Sequence[str]) -> str:
    return max((ending for ending in endings if name.endswith(ending)), key=len, default="")


def _packed(path: Path) -> str:
    """Ending of an archive, or of a DICOM file that is packed; empty for other files."""
    name = path.name.lower()
    if match := _PACKED_DICOM.fullmatch(name):
        return match[1].lower()
    if name.endswith(".gz") and not name.endswith((*_OTHER_FORMATS, *_ARCHIVES)):
        with suppress(OSError, EOFError, zlib.error), gzip.open(path) as file:
            return ".gz" if file.read(132)[128:] == b"DICM" else ""
    return _ending(name, _ARCHIVES)


def _count(numbers: dict[str, int], what: str) -> str:
    return f"{sum(numbers.values())} {what} ({', '.join(sorted(numbers))})"

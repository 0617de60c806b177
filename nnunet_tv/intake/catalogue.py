"""All scans below a folder by case, and the names by which a pair of them can be given."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from nnunet_tv.intake.dicom import Studies, Study, read_studies
from nnunet_tv.intake.folder_files import FolderFiles, sort_files
from nnunet_tv.intake.layout import case_name, nifti_cases
from nnunet_tv.intake.manual_pairs import ManualPair
from nnunet_tv.intake.series_metadata import ENDINGS, Series, nifti_series, without_exam_names
from nnunet_tv.utils.errors import CaseError, NnunetTVError

#: Prefix of a path that is meant exactly, below the input folder, percent-encoded where it cannot stand in a table.
_EXACT = "file:"
_WRITTEN = re.compile(r"study-([0-9a-f]{6,16})/series-(\d+)(?:-([0-9a-f]{6,16}))?")
_SERIES = re.compile(r"(?:(?P<case>[^/]+)/)?(?:series-)?(?P<number>\d+)(?:-(?P<uid>[0-9a-f]{6,16}))?")
_NUMBERED_CASE = re.compile(r"case-\d{4,}")


@dataclass(frozen=True)
class Catalogue:
    """Scans below a folder.

    In tables a scan has a name that stays valid whatever is added later: the path of a NIfTI file, and for DICOM
    ``study-1a2b3c4d/series-3-5e6f7a8b`` with hashes of the UIDs of study and series.
    """

    folder: Path
    cases: dict[str, list[Series]]
    studies: dict[str, Study] = field(default_factory=dict)  #: of DICOM, by case
    clashes: dict[str, CaseError] = field(default_factory=dict)  #: case names that two groups share
    names: dict[str, str] = field(default_factory=dict)  #: case names by study key, also of studies not here now
    remarks: tuple[str, ...] = ()  #: on the folder as a whole

    @property
    def scans(self) -> list[Series]:
        """Every scan."""
        return [scan for scans in self.cases.values() for scan in scans]

    def written(self, scan: Series) -> str:
        """Name of a scan in a table; :meth:`find` gives the same scan for it."""
        if scan.is_dicom:
            return f"study-{scan.study[:8]}/series-{scan.number}-{scan.uid_hash[:8]}"
        plain = (scan.label.isprintable() and scan.label == " ".join(scan.label.split())
                 and not re.search(r'^[=+@-]|[,"]', scan.label))  # what spreadsheets change
        ambiguous = any(_ends_with(other, scan.label) and other.files != scan.files for other in self.scans)
        if plain and not ambiguous and not scan.label.startswith(_EXACT) and not _SERIES.fullmatch(scan.label):
            return scan.label
        return _exact(scan)

    def find(self, pair: ManualPair, name: str) -> Series:
        """The scan that `pair` calls `name`, or a :class:`CaseError` that lists the choices.

        Names are those of :meth:`written`; paths below the folder, of one of the case's own files also its end, or as
        they are; ``series-5`` of the case's own study; ``CASE/series-5``. In a table ``series-5`` alone must not be in
        several studies: earlier versions wrote scans of other studies so.
        """
        own = self.cases.get(pair.case, [])
        if name.startswith(_EXACT):
            found = self._file(pair.case, os.fsdecode(unquote_to_bytes(name.removeprefix(_EXACT))), below=True)
            fitting = [found] if found else []
        elif match := _WRITTEN.fullmatch(name):
            fitting = [scan for scan in self.scans if scan.study.startswith(match[1])
                       and scan.number == int(match[2]) and scan.uid_hash.startswith(match[3] or "")]
        elif match := _SERIES.fullmatch(name):
            fitting = self._series(pair, own, match)
        else:
            fitting = self._files(pair.case, own, name)
        if len(fitting) == 1:
            return self._labelled(fitting[0], own)
        if fitting:
            choices = ", ".join(self.written(scan) for scan in fitting)
            raise CaseError(pair.case, f"the pair names {name!r}, which several scans are called; expected one of: "
                            f"{choices}")
        seen = ", ".join(scan.label for scan in own) or "nothing"
        number = _SERIES.fullmatch(name)
        elsewhere = [f"{case}/{scan.label}" for case, scans in self.cases.items() for scan in scans
                     if number and scan.is_dicom and scan.number == int(number["number"])]
        hint = f"; such a series of another case is given as {', '.join(elsewhere)}" if elsewhere else ""
        raise CaseError(pair.case, f"the pair names {name!r}, which is neither a NIfTI file below {self.folder} nor a "
                        f"scan of this case; seen: {seen}{hint}")

    def _series(self, pair: ManualPair, own: Sequence[Series], match: re.Match[str]) -> list[Series]:
        def fits(scan: Series) -> bool:
            return (scan.is_dicom and scan.number == int(match["number"])
                    and scan.uid_hash.startswith(match["uid"] or ""))

        if match["case"]:
            return [scan for scan in self.cases.get(match["case"], []) if fits(scan)]
        everywhere = [scan for scan in self.scans if fits(scan)]
        mine = [scan for scan in own if fits(scan)]
        if pair.table and {scan.study for scan in everywhere} - {scan.study for scan in mine}:
            choices = ", ".join(self.written(scan) for scan in everywhere)
            raise CaseError(pair.case, f"the table names {match[0]!r} without its study, and such a series is in "
                            f"{len({scan.study for scan in everywhere})} studies: write which one, as one of {choices}")
        return mine

    def _files(self, case: str, own: Sequence[Series], name: str) -> list[Series]:
        exact = self._file(case, name, below=True)
        ends = [scan for scan in own if _ends_with(scan, name)]
        if exact and any(scan.files != exact.files for scan in ends):
            choices = ", ".join(_exact(scan) for scan in (exact, *ends))
            raise CaseError(case, f"the pair names {name!r}, which several files are called; expected one of: "
                            f"{choices}")
        if exact or ends:
            return [exact] if exact else ends
        found = self._file(case, name, below=False)
        return [found] if found else []

    def _file(self, case: str, name: str, *, below: bool) -> Series | None:
        """The NIfTI file at a path, below the folder or as it is, whether or not it belongs to a case."""
        path = self.folder / name if below else Path(name)
        for scan in self.scans:
            if not scan.is_dicom and scan.files[0] == path:
                return scan
        if not (path.name.lower().endswith(ENDINGS) and path.is_file()):
            return None
        for scan in self.scans:
            if not scan.is_dicom and scan.files[0].absolute() == path.absolute():
                return scan
        inside = path.is_relative_to(self.folder)
        label = path.relative_to(self.folder).as_posix() if inside else str(path.absolute())
        return nifti_series(path, label=label, case=case)

    def _labelled(self, scan: Series, own: Sequence[Series]) -> Series:
        """`scan`, a series of another study with the name of that case in its label."""
        if not scan.is_dicom or scan in own:
            return scan
        other = next(case for case, scans in self.cases.items() if scan in scans)
        return replace(scan, label=f"{other}/{scan.label}")


def _ends_with(scan: Series, name: str) -> bool:
    return not scan.is_dicom and scan.label.endswith(f"/{name}")


def _exact(scan: Series) -> str:
    return _EXACT + quote_from_bytes(os.fsencode(scan.label), safe="/()!")


def read_catalogue(
    folder: Path, *, keep_ids: bool = False, names: Mapping[str, str] | None = None,
    pairs: Sequence[ManualPair] = (), exclude: Path | None = None,
) -> Catalogue:
    """Read headers and names of all scans below `folder`, with the options of `find_cases`."""
    files = sort_files(folder, exclude)
    read = read_studies(files.dicoms, keep_ids=keep_ids)
    remarks = tuple(_remarks(folder, files, read))
    given = _study_names(read.studies, names or {}, pairs, keep_ids)
    studies = {given[study.key]: study for study in read.studies}
    cases: dict[str, list[Series]] = {}
    origin: dict[str, str] = {}
    clashes: dict[str, CaseError] = {}
    for found, scans in nifti_cases(folder, files.niftis).items() if files.niftis else ():
        name = case_name(found)
        if origin.setdefault(name, found) != found:
            clashes[name] = CaseError(name, f"{origin[name]!r} and {found!r} would both be called {name}: rename one")
        cases.setdefault(name, []).extend(scans)
    for name, study in studies.items():
        if name in cases:
            clashes[name] = CaseError(name, "a NIfTI case and a DICOM study have this name: give -i one of them")
        cases.setdefault(name, []).extend(study.series)
    cases = {name: without_exam_names(scans) for name, scans in cases.items()}
    return Catalogue(folder, cases, studies, clashes, given, remarks)


def _remarks(folder: Path, files: FolderFiles, read: Studies) -> Iterator[str]:
    """Remarks on the folder as a whole; an error without any scan."""
    count = len(read.studies)
    if not files.niftis and not count:
        found = [f"of {len(files.dicoms)} DICOM files none has a readable header: export them again"
                 ] if files.dicoms else []
        raise NnunetTVError(f"{folder}: expected NIfTI files (.nii, .nii.gz) or DICOM, in a BIDS tree, in a folder for "
                            f"each patient or all in one folder, found none{'; '.join(['', *found, *files.left_out])}")
    if files.niftis and count:
        yield (f"{len(files.niftis)} NIfTI files and {count} DICOM studies: both are used; where they are the same "
               "scans, give -i one of them")
    if read.unreadable:
        yield f"{read.unreadable} DICOM files have no readable header and were left out"
    if read.unassigned:
        yield (f"{read.unassigned} DICOM files have no StudyInstanceUID or SeriesInstanceUID and were left out: export "
               "them again")
    yield from files.left_out


def _study_names(studies: Sequence[Study], names: Mapping[str, str], pairs: Sequence[ManualPair],
                 keep_ids: bool) -> dict[str, str]:
    """Case names by study key; names given before are kept, also of studies that are not here now.

    A numbered case of a table keeps its number, by the study of its T1w.
    """
    if keep_ids:
        ids = [study.case for study in studies]
        return {study.key: study.case if ids.count(study.case) == 1 else f"{study.case}_study-{study.key[:6]}"
                for study in studies}
    given, number = dict(names), 1
    for pair in pairs:
        match = _WRITTEN.fullmatch(pair.t1)
        keys = [study.key for study in studies if match and study.key.startswith(match[1])]
        if len(keys) == 1 and _NUMBERED_CASE.fullmatch(pair.case) and pair.case not in given.values():
            given.setdefault(keys[0], pair.case)
    for study in studies:
        while f"case-{number:04d}" in given.values():
            number += 1
        given.setdefault(study.key, f"case-{number:04d}")
    return given

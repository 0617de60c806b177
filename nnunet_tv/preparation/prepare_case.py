"""Preparation of one case that was found, in a worker process: conversion from DICOM, preparation, QC picture."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.imaging.volume import check_file, write_volume
from nnunet_tv.intake.dcm2niix import convert_series
from nnunet_tv.intake.scan_pair import ScanPair
from nnunet_tv.intake.series_metadata import Series
from nnunet_tv.preparation.alignment import RegistrationOptions
from nnunet_tv.preparation.chain import CHAIN_VERSION, PreparedCase, prepare_case
from nnunet_tv.preparation.contrast import with_contrast_check
from nnunet_tv.preparation.prepared_folder import PreparedFolder
from nnunet_tv.preparation.provenance import MAPS
from nnunet_tv.preparation.qc import draw_prepared
from nnunet_tv.utils.case_outcome import CaseOutcome
from nnunet_tv.utils.case_store import CaseJob
from nnunet_tv.utils.errors import CaseError
from nnunet_tv.utils.files import sha256

#: Part of what decides whether a case is up to date: raise it when pictures or records would differ.
WORKER_VERSION = 1
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, kw_only=True)
class PreparationJob(CaseJob):
    """A case to prepare."""

    folder: PreparedFolder
    pair: ScanPair
    study: str  #: hash of the StudyInstanceUID for DICOM, else empty
    space: str
    registration: RegistrationOptions

    @property
    def outputs(self) -> dict[str, Path]:
        dicom = [name for name, scan in self.pair.scans.items() if scan.is_dicom]
        return self.folder.outputs(self.case, self.pair.scans, dicom, () if self.space == "none" else MAPS)

    def digests(self) -> Iterator[tuple[str, str]]:
        for channel, scan in self.pair.scans.items():
            if not scan.is_dicom:
                yield channel, sha256(check_file(scan.files[0], self.case))
                continue
            try:
                digests = sorted(sha256(path) for path in scan.files)
            except OSError as error:
                raise CaseError(self.case, f"a file of {scan.label} ({channel}) cannot be read ({error.strerror}): "
                                "check its permissions") from error
            yield channel, hashlib.sha256("".join(digests).encode()).hexdigest()

    def made_from(self, digests: Mapping[str, str]) -> dict[str, Any]:
        for channel, digest in digests.items():
            if digest == _EMPTY:
                raise CaseError(self.case, f"the file of the {channel} is empty: download or export it again")
        if len(set(digests.values())) < len(digests):
            raise CaseError(self.case, "the T1w and the FLAIR are the same scan (equal SHA-256): find the other one, "
                            "and name both with --pair")
        options = {"registration": self.space}
        if self.space != "none":  # as folders of version 0.1.0 have it
            options["choices"] = f"Choices(backend={self.registration.backend!r}, brain={self.registration.brain!r})"
        doubts = {"doubts": list(self.pair.flags)} if self.pair.flags else {}
        return {"scans": dict(digests), "labels": {channel: scan.label for channel, scan in self.pair.scans.items()},
                "options": options, **doubts,
                "version": f"{__version__}, chain {CHAIN_VERSION}, worker {WORKER_VERSION}"}

    def make(self, staging: Path, digests: Mapping[str, str]) -> CaseOutcome:
        staged = {key: staging / path.name for key, path in self.outputs.items()}
        channels = {}
        for channel, scan in self.pair.scans.items():
            channels[channel] = staged[channel] if scan.is_dicom else scan.files[0]
            if scan.is_dicom:
                convert_series(self.case, channel, scan, staged[channel], secrets=self.secrets)
        prepared = prepare_case(self.case, channels, space=self.space, registration=self.registration)
        if self.space == "none":  # otherwise the registration checks it
            prepared = with_contrast_check(prepared)
        flags = [*self.pair.flags, *prepared.record.flags]
        prepared = replace(prepared, record=replace(prepared.record, flags=flags))
        scans = {channel: self._origin(channel, scan, digests[channel]) for channel, scan in self.pair.scans.items()}
        study = {"study": self.study} if self.study else {}
        outcome = write_prepared(prepared, staged, scans=scans, **study)
        return replace(outcome, notes=(*self.pair.notes, *outcome.notes))

    def _origin(self, channel: str, scan: Series, digest: str) -> dict[str, str]:
        """A scan in the record; of a DICOM series the converted file, since original paths may name the patient."""
        file = (self.folder.scan(self.case, channel).relative_to(self.folder.root) if scan.is_dicom
                else scan.files[0].absolute())
        return {"file": str(file), "sha256": digest, "chosen": self.pair.reasons[channel],
                "header": scan.metadata.summary(), **({"series": scan.uid_hash} if scan.is_dicom else {})}


def write_prepared(prepared: PreparedCase, staged: Mapping[str, Path], **details: Any) -> CaseOutcome:
    """Write images and, as far as `staged` has their keys, record (with `details`), transforms and picture."""
    for index, volume in enumerate(prepared.images.values()):
        write_volume(volume, staged[f"{index:04d}"])
    record = replace(prepared.record, details={**prepared.record.details, **details})
    if "record" in staged:
        record.write(staged["record"])
    for name in MAPS:
        if name in staged:
            getattr(record, name).write_itk(staged[name])
    if "picture" in staged:
        draw_prepared(prepared, staged["picture"])
    return CaseOutcome(record.case, flags=prepared.flags, notes=prepared.notes, orientation=prepared.orientation,
                       metrics=record.metrics)

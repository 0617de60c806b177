"""One found case: convert from DICOM, prepare, draw, remember. Runs in worker processes.

A bad case returns, it never raises; what it had made before is taken away, since it no longer is true.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_tv import __version__
from nnunet_tv.imaging.geometry import write_itk_transform
from nnunet_tv.imaging.volume import check_file, write_volume
from nnunet_tv.intake.dcm2niix import convert_series
from nnunet_tv.intake.find import FoundCase
from nnunet_tv.intake.privacy import redact
from nnunet_tv.intake.series_metadata import Series
from nnunet_tv.preparation.chain import CHAIN_VERSION, PreparedCase, prepare_case
from nnunet_tv.preparation.prepared_folder import PreparedFolder
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.preparation.qc_case import draw_prepared, numbers
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import sha256

log = logging.getLogger(__name__)
#: Part of what decides whether a case is up to date: raise it when pictures or records would differ.
WORKER_VERSION = 1
#: Matrices of the record that are also written as ITK transforms.
TRANSFORMS = ("flair_to_t1", "t1_to_template")


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of one case.

    Attributes
    ----------
    found : FoundCase
        With its pair of scans.
    folder : PreparedFolder
        Where to write.
    options : dict
        Keyword arguments of :func:`~nnunet_tv.preparation.chain.prepare_case`, such as ``registration``.
    """

    found: FoundCase
    folder: PreparedFolder
    options: Mapping[str, Any]

    @property
    def case(self) -> str:
        """Name of the case."""
        return self.found.case

    @property
    def scans(self) -> Mapping[str, Series]:
        """Scans of the pair by channel."""
        assert self.found.pair is not None
        return self.found.pair.scans


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes
    ----------
    case : str
        Name of the case.
    problem : str
        Why it is not in the folder; empty if it is.
    flags, notes : tuple of str
        What a person must look at; what was done that is not self-evident.
    sha256 : dict of str to str
        Of each scan, by channel; of a DICOM series, of its files' digests.
    metrics : dict of str to float
        Numbers of the preparation, for the page.
    changed : bool
        False when all was up to date.
    """

    case: str
    problem: str = ""
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    changed: bool = False


def prepare_job(job: Job) -> Outcome:
    """Prepare `job` unless its scans, settings, program version and outputs are what they were."""
    digests: dict[str, str] = {}
    try:
        return _prepare(job, digests)
    except CaseError as error:
        problem = str(error).removeprefix(f"{job.case}: ")
    except NnunetTVError:  # no case's fault, such as a backend that is not installed
        raise
    except Exception as error:  # one case's surprise must not cost the others
        log.debug("%s", job.case, exc_info=not job.found.secrets)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        # of DICOM, the text could quote a path that names the patient
        told = "" if job.found.secrets else f": {error}"
        problem = (f"unexpected {type(error).__name__}{told} ({Path(frame.filename).name}, line {frame.lineno}); "
                   "please report this with the file")
    shutil.rmtree(job.folder.staging / job.case, ignore_errors=True)
    job.folder.remove(job.case)
    return Outcome(job.case, problem=redact(problem, job.found.secrets), sha256=digests)


def _prepare(job: Job, digests: dict[str, str]) -> Outcome:
    for channel, scan in job.scans.items():
        digests[channel] = _digest(job, channel, scan)
    if len(set(digests.values())) < len(digests):
        raise CaseError(job.case, "the T1w and the FLAIR are the same scan (equal SHA-256): find the other one, and "
                        "name both with --pair")
    made_from = {"scans": dict(digests), "labels": {channel: scan.label for channel, scan in job.scans.items()},
                 "options": {key: str(value) for key, value in job.options.items() if not _idle(job, key)},
                 "version": f"{__version__}, chain {CHAIN_VERSION}, worker {WORKER_VERSION}"}
    record = job.folder.record(job.case)
    outputs = _outputs(job)
    if record.get("made_from") == made_from and _intact(outputs, record["outputs"]):
        return Outcome(job.case, "", tuple(record["flags"]), tuple(record["notes"]), digests, record["metrics"])
    staged = {key: job.folder.staging / job.case / f"{key}{''.join(path.suffixes[-2:])}"
              for key, path in outputs.items()}
    (job.folder.staging / job.case).mkdir(exist_ok=True)
    outcome = replace(_make(job, staged, digests), sha256=digests, changed=True)
    made = {key: sha256(path) for key, path in staged.items()}
    job.folder.begin_change()
    job.folder.write_record(job.case, {})  # from here on, files of this case are known to be ours
    for key, path in outputs.items():
        path.parent.mkdir(exist_ok=True)
        os.replace(staged[key], path)
    job.folder.write_record(job.case, {"made_from": made_from, "outputs": made, "flags": list(outcome.flags),
                                       "notes": list(outcome.notes), "metrics": dict(outcome.metrics)})
    return outcome


def _idle(job: Job, option: str) -> bool:
    """Whether an option means nothing here: without a registration there is nothing to choose about it."""
    return option == "choices" and job.options["registration"] == "none"


def _outputs(job: Job) -> dict[str, Path]:
    return job.folder.outputs(job.case, job.scans, [name for name, scan in job.scans.items() if scan.is_dicom],
                              () if job.options["registration"] == "none" else TRANSFORMS)


def _intact(outputs: Mapping[str, Path], digests: Mapping[str, str]) -> bool:
    return set(outputs) == set(digests) and all(
        path.is_file() and sha256(path) == digests[key] for key, path in outputs.items())


def _digest(job: Job, channel: str, scan: Series) -> str:
    if not scan.is_dicom:
        return sha256(check_file(scan.files[0], job.case))
    total = hashlib.sha256()
    try:
        for digest in sorted(sha256(path) for path in scan.files):
            total.update(digest.encode())
    except OSError as error:
        raise CaseError(job.case, f"a file of {scan.label} ({channel}) cannot be read ({error.strerror}): check its "
                        "permissions") from error
    return total.hexdigest()


def _make(job: Job, staged: Mapping[str, Path], digests: Mapping[str, str]) -> Outcome:
    """Write everything of the case to its staged paths."""
    case, channels = job.case, {}
    for channel, scan in job.scans.items():
        if scan.is_dicom:
            convert_series(case, channel, scan, staged[channel], secrets=job.found.secrets)
            channels[channel] = staged[channel]
        else:
            channels[channel] = scan.files[0]
    prepared = prepare_case(case, channels, **job.options)
    for index, volume in enumerate(prepared.images.values()):
        write_volume(volume, staged[f"{index:04d}"])
    record = _record(job, prepared, digests)
    record.write(staged["record"])
    for name in TRANSFORMS:
        if name in staged:
            write_itk_transform(np.asarray(getattr(record, name), float), staged[name])
    draw_prepared(prepared, channels, staged["picture"])
    assert job.found.pair is not None
    notes = (*job.found.pair.notes, *prepared.notes)
    return Outcome(case, flags=tuple(record.flags), notes=notes, metrics=numbers(record.details.get("metrics", {})))


def _record(job: Job, prepared: PreparedCase, digests: Mapping[str, str]) -> Provenance:
    """The chain's record, with what intake knows."""
    assert job.found.pair is not None
    scans = {channel: {"file": _told_file(job, channel, scan), "sha256": digests[channel],
                       "chosen": job.found.pair.reasons[channel], "header": scan.metadata.summary(),
                       **({"series": scan.uid_hash} if scan.is_dicom else {})}
             for channel, scan in job.scans.items()}
    extra = {"scans": scans, **({"study": job.found.study} if job.found.study else {})}
    return replace(prepared.record, details={**prepared.record.details, **extra})


def _told_file(job: Job, channel: str, scan: Series) -> str:
    """Where the scan is, from wherever it is asked: of DICOM, what was converted, below the prepared folder, since the
    folders of the original may name the patient.
    """
    if scan.is_dicom:
        return str(job.folder.scan(job.case, channel).relative_to(job.folder.root))
    return str(scan.files[0].absolute())

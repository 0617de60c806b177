"""One case: read, prepare, write, remember. Runs in worker processes; a bad case returns, it never raises."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_tv import __version__
from nnunet_tv.conversion.folder import BESIDE, ENDING, PICTURE, RawFolder
from nnunet_tv.imaging.geometry import write_itk_transform
from nnunet_tv.imaging.volume import write_volume
from nnunet_tv.preparation.alignment import RegistrationOptions
from nnunet_tv.preparation.chain import CHAIN_VERSION, PreparedCase, prepare_case
from nnunet_tv.preparation.qc_case import draw_prepared, numbers
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import sha256

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of one case.

    Attributes
    ----------
    case : str
        Case identifier.
    channels : dict of str to Path
        Scans in the network's order.
    label : Path, optional
        Lesion mask; without it the label is empty (a control).
    label_on : str
        Scan on which the mask was drawn.
    registration : str
        As for :func:`~nnunet_tv.preparation.chain.prepare_case`.
    folder : RawFolder
        Where to write.
    training : bool
        imagesTr or imagesTs.
    choices : RegistrationOptions
        Backends; without meaning for the registration ``none``.
    one_grid : bool
        As for :func:`~nnunet_tv.preparation.chain.prepare_case`.
    """

    case: str
    channels: Mapping[str, Path]
    label: Path | None
    label_on: str
    registration: str
    folder: RawFolder
    training: bool
    choices: RegistrationOptions = field(default_factory=RegistrationOptions)
    one_grid: bool = False

    @property
    def outputs(self) -> dict[str, Path]:
        """Where the case's files go."""
        return self.placed(self.training)

    def placed(self, training: bool) -> dict[str, Path]:
        """Where they go in imagesTr and labelsTr, or in imagesTs and labelsTs."""
        return self.folder.outputs(self.case, len(self.channels), training, registered=self.registration != "none")


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes
    ----------
    case : str
        Case identifier.
    problem : str
        Why it is not in the data set; empty if it is.
    flags, notes : tuple of str
        What a person must look at; what its conversion noted.
    metrics : dict of str to float
        Numbers of its registration, for the page.
    sha256 : dict of str to str
        Of each source that could be read, by channel name or ``label``.
    orientation : str
        Axis codes of the first scan.
    changed : bool
        Whether files were written or moved; False when all was up to date.
    """

    case: str
    problem: str = ""
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    sha256: Mapping[str, str] | None = None
    orientation: str = ""
    changed: bool = False


def convert_case(job: Job) -> Outcome:
    """Convert `job` unless its sources, settings, program version and outputs are what they were."""
    digests: dict[str, str] = {}
    try:
        return _convert(job, digests)
    except CaseError as error:
        problem = str(error).removeprefix(f"{job.case}: ")
    except NnunetTVError:  # no case's fault, such as a backend that is not installed
        raise
    except Exception as error:  # one case's surprise must not cost the others
        log.debug("%s", job.case, exc_info=True)
        problem = f"unexpected {type(error).__name__}: {error}; please report this with the file"
    return Outcome(job.case, problem=problem, sha256=digests)


def _convert(job: Job, digests: dict[str, str]) -> Outcome:
    sources = {**job.channels, **({} if job.label is None else {"label": job.label})}
    for name, path in sources.items():
        if path.is_file():
            digests[name] = sha256(path)
    made_from: dict[str, Any] = {
        "sources": dict(digests),
        "channels": list(job.channels),
        "label_on": job.label_on,
        "registration": job.registration,
        "version": f"{__version__}, chain {CHAIN_VERSION}",
    }
    if job.registration != "none":
        made_from["choices"] = asdict(job.choices)
    record = job.folder.record(job.case)
    if "flags" in record and set(digests) == set(sources) and record.get("made_from") == made_from:
        moved = _bring_back(job, record["outputs"])
        if moved is not None:
            return Outcome(job.case, flags=tuple(record["flags"]), notes=tuple(record["notes"]),
                           metrics=record["metrics"], sha256=digests, orientation=record["orientation"], changed=moved)
    prepared = prepare_case(job.case, job.channels, job.label, label_on=job.label_on, registration=job.registration,
                            choices=job.choices, one_grid=job.one_grid)
    metrics = numbers(prepared.record.details.get("metrics", {}))
    outputs = _stage(job, prepared)
    job.folder.begin_change()
    job.folder.write_record(job.case, {})  # from here on, files of this case are known to be ours
    for key, path in job.outputs.items():
        path.parent.mkdir(exist_ok=True)
        os.replace(_staged(job, key), path)
    job.folder.write_record(job.case, {
        "made_from": made_from, "outputs": outputs, "flags": list(prepared.flags), "notes": list(prepared.notes),
        "metrics": metrics, "orientation": prepared.orientation,
    })
    return Outcome(job.case, flags=prepared.flags, notes=prepared.notes, metrics=metrics, sha256=digests,
                   orientation=prepared.orientation, changed=True)


def _stage(job: Job, prepared: PreparedCase) -> dict[str, str]:
    """Write the case to the staging folder; SHA-256 of each file."""
    volumes = dict(zip(job.outputs, [*prepared.images.values(), prepared.label], strict=False))
    for key, volume in volumes.items():
        write_volume(volume, _staged(job, key))
    if "record" in job.outputs:
        scans = {name: {"file": path.name} for name, path in job.channels.items()}
        record = replace(prepared.record, details={**prepared.record.details, "scans": scans})
        record.write(_staged(job, "record"))
        for key in ("flair_to_t1", "t1_to_template"):
            write_itk_transform(np.asarray(getattr(record, key), float), _staged(job, key))
        draw_prepared(prepared, job.channels, _staged(job, "picture"))
    return {key: sha256(_staged(job, key)) for key in job.outputs}


def _staged(job: Job, key: str) -> Path:
    # the ending says the format
    return job.folder.staging / f"{job.case}_{key}{PICTURE if key == 'picture' else BESIDE.get(key, ENDING)}"


def _bring_back(job: Job, digests: Mapping[str, str]) -> bool | None:
    """False if all outputs are in place and intact; True if they were moved from Tr to Ts or back; else None."""
    def intact(paths: Mapping[str, Path]) -> bool:
        return set(paths) == set(digests) and all(
            path.is_file() and sha256(path) == digests[key] for key, path in paths.items())

    if intact(job.outputs):
        return False
    elsewhere = job.placed(not job.training)
    if not intact(elsewhere):
        return None
    job.folder.begin_change()
    for key, path in job.outputs.items():
        os.replace(elsewhere[key], path)
    return True

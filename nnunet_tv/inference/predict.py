"""Patients in, findings out: prepare, predict, filter, restore, describe; one patient never costs another."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.imaging.volume import read_volume, same_grid
from nnunet_tv.inference.native import grid_volume
from nnunet_tv.inference.patient import describe_patient
from nnunet_tv.inference.patient_html import ModelSummary
from nnunet_tv.inference.predictor import CHANNELS, Filter, Model, Predictor, read_filter
from nnunet_tv.intake.privacy import redact
from nnunet_tv.postprocessing import ENDING
from nnunet_tv.preparation.provenance import ENDING as RECORD_ENDING
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import TEMPORARY_PREFIX, read_json, sha256, write_json

log = logging.getLogger(__name__)
DONE, EMPTY, FLAGGED, FAILED = "done", "empty", "flagged", "failed"
STATUS, CASE_FILE, PREPARED = "status.json", "case.json", "prepared"
#: Part of what decides whether a case is up to date: raise it when files would differ.
PREDICT_VERSION = 1


@dataclass(frozen=True)
class PredictOptions:
    """How to predict.

    Attributes
    ----------
    device : str
        ``cpu`` or ``cuda``.
    mirroring : bool
        Average over mirrored inputs.
    step : float
        Step of the sliding window as a share of the patch.
    precision : str
        On the CPU: see :mod:`nnunet_tv.inference.precision`.
    """

    device: str = "cuda"
    mirroring: bool = True
    step: float = 0.5
    precision: str = "auto"


@dataclass(frozen=True)
class Patient:
    """A case that might be predicted.

    Attributes
    ----------
    case : str
        Name.
    problem : str
        Why it could not be prepared; empty if it was.
    dicom : tuple of Path
        Files of the T1w's DICOM series; empty for NIfTI.
    secrets : frozenset of str
        What must not be told of this patient.
    """

    case: str
    problem: str = ""
    dicom: tuple[Path, ...] = ()
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True)
class Result:
    """What became of a case; `status` is done, empty, flagged or failed, and `text` says it in words."""

    case: str
    status: str
    text: str
    clusters: int | None = None
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    changed: bool = True

    def as_json(self) -> dict[str, Any]:
        """For ``status.json``."""
        return {"status": self.status, "text": self.text, "clusters": self.clusters, "flags": list(self.flags),
                "notes": list(self.notes)}


def prepare_patients(source: str | Path, out: str | Path, **options: Any) -> list[Patient]:
    """Prepare all that is below `source` into ``out/prepared``; `options` as
    :func:`nnunet_tv.preparation.prepare_folder.prepare_folder`.
    """
    from nnunet_tv.preparation.prepare_folder import prepare_folder

    done = prepare_folder(source, Path(out) / PREPARED, **options)
    patients = []
    for found, outcome in zip(done.cases, done.outcomes, strict=True):
        scan = found.pair.scans.get("T1w") if found.pair else None
        files = tuple(scan.files) if scan is not None and scan.is_dicom else ()
        patients.append(Patient(found.case, outcome.problem, files, found.secrets))
    for remark in done.remarks:
        log.info("note: %s", remark)
    return patients


def prepared_patients(prepared: str | Path) -> list[Patient]:
    """Every case of a folder that nnunet-tv-prepare wrote.

    Raises
    ------
    NnunetTVError
        No such folder, or no prepared case in it.
    """
    prepared = Path(prepared)
    cases = sorted(path.name.removesuffix(RECORD_ENDING) for path in prepared.glob(f"*{RECORD_ENDING}"))
    if not cases:
        raise NnunetTVError(f"{prepared}: expected prepared cases (CASE{RECORD_ENDING}), found none: give the folder "
                            "that nnunet-tv-prepare wrote, or scans with -i")
    return [Patient(case) for case in cases]


def predict_patients(
    patients: Sequence[Patient], prepared: str | Path, out: str | Path, model: Model,
    settings: PredictOptions | None = None,
) -> list[Result]:
    """Predict, filter, restore and describe each patient into a folder of its own.

    ``out/CASE`` holds the masks (``CASE_T1w_fcd.nii.gz``, ``CASE_FLAIR_fcd.nii.gz``; ``_prob`` and, with
    several folds, ``_std``), ``clusters.csv``, ``CASE.html``, ``CASE.png``, for DICOM also ``CASE_fcd.dcm``,
    and ``case.json``; it is replaced as a whole or not at all. What is up to date stays. ``out/status.json``
    tells of all.

    Parameters
    ----------
    patients : sequence of Patient
        Who is to be predicted.
    prepared : Path
        Folder with their prepared images and records.
    out : Path
        Folder to write; earlier results of other patients stay.
    model : Model
        The network and its folds.
    settings : PredictOptions, optional
        How to predict.

    Returns
    -------
    list of Result
        One per patient, in order.

    Raises
    ------
    NnunetTVError
        The model cannot be used.
    """
    prepared, out = Path(prepared), Path(out)
    run = _Run(prepared, out, model, settings or PredictOptions(), read_filter(model.folder), model.fingerprint())
    out.mkdir(parents=True, exist_ok=True)
    for left in out.glob(f"{TEMPORARY_PREFIX}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    results: dict[str, Result] = {}
    for patient in patients:
        results[patient.case] = result = run.one(patient)
        log.info("%s: %s%s", result.case, result.text, "" if result.changed else " (up to date)")
        _write_status(out, run, results.values(), complete=len(results) == len(patients))
    return list(results.values())


class _Run:
    """What all cases of a run share; the network is loaded when the first case needs it."""

    def __init__(self, prepared: Path, out: Path, model: Model, settings: PredictOptions, filter_: Filter,
                 fingerprint: str):
        self.prepared, self.out, self.model, self.settings = prepared, out, model, settings
        self.filter, self.fingerprint = filter_, fingerprint
        self.created = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        self._predictor: Predictor | None = None

    @property
    def predictor(self) -> Predictor:
        if self._predictor is None:
            self._predictor = Predictor(self.model, device=self.settings.device, mirroring=self.settings.mirroring,
                                    step=self.settings.step, progress=sys.stderr.isatty(),
                                    precision=self.settings.precision)
        return self._predictor

    def one(self, patient: Patient) -> Result:
        """Bring one case up to date; whatever goes wrong with it is its own."""
        try:
            return self._one(patient)
        except CaseError as error:
            problem = str(error).removeprefix(f"{patient.case}: ")
        except NnunetTVError:  # the model's fault: no case can be predicted
            raise
        except Exception as error:
            log.debug("%s", patient.case, exc_info=not patient.secrets)
            told = "" if patient.secrets else f": {error}"
            problem = f"unexpected {type(error).__name__}{told}; please report this with the case"
        folder = self.out / patient.case
        if (folder / CASE_FILE).is_file():  # of other inputs, so no longer true
            shutil.rmtree(folder)
        return Result(patient.case, FAILED, redact(problem, patient.secrets))

    def _one(self, patient: Patient) -> Result:
        case, folder = patient.case, self.out / patient.case
        if patient.problem:
            raise CaseError(case, patient.problem)
        if folder.exists() and not (folder / CASE_FILE).is_file():
            raise CaseError(case, "this folder was not made by nnunet-tv-predict and stays as it is: choose "
                            "another -o, or move it away", folder)
        record = Provenance.read(self.prepared / f"{case}{RECORD_ENDING}")
        if tuple(record.sources) != CHANNELS:
            raise CaseError(case, f"expected the channels {', '.join(CHANNELS)}, found {', '.join(record.sources)}: "
                            "prepare the case again")
        self.model.trained_on.check(record)
        images = [self._image(record, number) for number in range(len(CHANNELS))]
        inputs = self._inputs(patient, images)
        known = _up_to_date(folder, inputs)
        if known is not None:
            return Result(case, known["status"], known["text"], known["clusters"], tuple(known["flags"]),
                          tuple(known["notes"]), changed=False)
        staged = self.out / f"{TEMPORARY_PREFIX}{case}"
        shutil.rmtree(staged, ignore_errors=True)
        try:
            result = self._make(patient, record, images, staged)
            files = {path.name: sha256(path) for path in sorted(staged.iterdir())}
            write_json({"inputs": inputs, "files": files, **result.as_json()}, staged / CASE_FILE)
            if folder.exists():
                shutil.rmtree(folder)
            staged.rename(folder)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
        return result

    def _image(self, record: Provenance, number: int) -> Path:
        """A prepared image, checked: nnU-Net's reader would end in an error that names no case."""
        path = self.prepared / f"{record.case}_{number:04d}{ENDING}"
        if not same_grid(read_volume(path, case=record.case), grid_volume(record.grid)):
            raise CaseError(record.case, "the image is not on the grid of the case's record: prepare the case again",
                            path)
        return path

    def _inputs(self, patient: Patient, images: Sequence[Path]) -> str:
        """Digest of everything that decides a case's files."""
        content = {"images": [sha256(path) for path in images],
                   "record": sha256(self.prepared / f"{patient.case}{RECORD_ENDING}"), "model": self.fingerprint,
                   "folds": self.model.folds, "filter": self.filter.text, "mirroring": self.settings.mirroring,
                   "step": self.settings.step, "precision": self.settings.precision, "dicom": len(patient.dicom),
                   "version": f"{__version__}, {PREDICT_VERSION}"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _make(self, patient: Patient, record: Provenance, images: Sequence[Path], staged: Path) -> Result:
        prediction = self.predictor.predict(images)
        highest = float(prediction.probability.max())
        filtered = self.filter(prediction.segmentation.transpose(2, 1, 0)).transpose(2, 1, 0)
        summary = ModelSummary(self.model.name, self.filter.text, record.registration, highest)
        clusters, text, notes = describe_patient(
            record, filtered, prediction.probability, prediction.deviation, staged, prepared=self.prepared,
            summary=summary, dicom=patient.dicom, created=self.created)
        notes = [redact(note, patient.secrets) for note in notes]
        status = FLAGGED if record.flags else DONE if clusters else EMPTY
        if record.flags:
            text += " Look at the preparation first: " + "; ".join(record.flags) + "."
        return Result(patient.case, status, text, len(clusters), tuple(record.flags), tuple(notes))


def _up_to_date(folder: Path, inputs: str) -> Mapping[str, Any] | None:
    """The remembered case if it was made from `inputs` and its files are as they were."""
    try:
        known = read_json(folder / CASE_FILE)
        same = known["inputs"] == inputs and all(
            (folder / name).is_file() and sha256(folder / name) == digest for name, digest in known["files"].items())
        return known if same and {"status", "text", "clusters", "flags", "notes"} <= set(known) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_status(out: Path, run: _Run, results: Iterable[Result], *, complete: bool) -> None:
    cases = {result.case: result.as_json() for result in results}
    counts = {status: sum(case["status"] == status for case in cases.values())
              for status in (DONE, EMPTY, FLAGGED, FAILED)}
    write_json({"nnunet_tv": __version__, "created": run.created, "complete": complete, "model": str(run.model.folder),
                "folds": list(run.model.folds), "filter": run.filter.text, "counts": counts, "cases": cases},
               out / STATUS)

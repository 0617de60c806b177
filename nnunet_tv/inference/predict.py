"""Prediction of patients: prepare, predict, filter, restore and describe, as ``nnunet-tv-predict`` does it."""

import hashlib
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from nnunet_tv import __version__
from nnunet_tv.imaging.volume import read_volume, same_grid
from nnunet_tv.inference.model_folder import (
    CHANNELS,
    CHECKPOINT,
    Accuracy,
    Filter,
    Model,
    find_model,
    read_accuracy,
    read_filter,
)
from nnunet_tv.inference.patient import describe_patient
from nnunet_tv.inference.patient_html import ModelSummary
from nnunet_tv.inference.predictor import PredictOptions, Predictor, check_device
from nnunet_tv.inference.trained_on import SYNTHETIC
from nnunet_tv.intake.find import FoundCase
from nnunet_tv.intake.manual_pairs import ManualPair
from nnunet_tv.postprocessing import ENDING
from nnunet_tv.preparation.prepare_folder import prepare_folder
from nnunet_tv.preparation.provenance import ENDING as RECORD_ENDING
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.utils.case_outcome import FAILED, FLAGGED, CaseOutcome
from nnunet_tv.utils.case_store import CaseFolders, CaseJob
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import sha256, write_json
from nnunet_tv.utils.redaction import redact

log = logging.getLogger(__name__)
DONE, EMPTY = "done", "empty"
STATUS, PREPARED = "status.json", "prepared"
#: Part of what decides whether a case is up to date: raise it when files would differ.
PREDICT_VERSION = 2


def predict(
    source: str | Path, out: str | Path, *, model: Model | str | Path, folds: Sequence[str] | None = None,
    checkpoint: str = CHECKPOINT, options: PredictOptions | None = None, prepared: bool = False,
    space: str | None = None, backend: str = "simpleitk", brain: str | None = None,
    manual_pairs: Mapping[str, ManualPair] | None = None, keep_ids: bool = False, processes: int = 1,
) -> list[CaseOutcome]:
    """Predict all patients of a folder; what is up to date stays.

    ``out/CASE`` holds the masks on the patient's own scans (``CASE_T1w_fcd.nii.gz``, ``CASE_FLAIR_fcd.nii.gz``; with
    ``_prob`` and, with several folds, ``_std``), ``clusters.csv``, ``CASE.html``, ``CASE.png``, for DICOM also
    ``CASE_fcd.dcm``, and ``case.json``; it is replaced as a whole. ``out/status.json`` summarises all patients.

    Parameters
    ----------
    source : Path
        Scans; they are prepared into ``out/prepared``. With `prepared`, a folder that ``nnunet-tv-prepare`` wrote.
    out : Path
        Folder to write; earlier results of other patients stay.
    model, folds, checkpoint
        As for :func:`~nnunet_tv.inference.model_folder.find_model`; a :class:`Model` has its own folds and checkpoint.
    options : PredictOptions, optional
        Device, mirroring, step of the sliding window, precision.
    prepared : bool
        Whether the scans are prepared; the options below then have no effect.
    space, brain : str, optional
        As the model's training scans if left out.
    backend, manual_pairs, keep_ids, processes
        As for :func:`~nnunet_tv.preparation.prepare_folder.prepare_folder`.

    Raises
    ------
    NnunetTVError
        The model cannot be used; nothing to predict; `out` was made by another program; a program that is needed is
        not installed.
    """
    source, out, options = Path(source), Path(out), options or PredictOptions()
    if not isinstance(model, Model):
        model = find_model(model, folds=folds, checkpoint=checkpoint)
    check_device(options.device)
    cluster_filter, fingerprint = read_filter(model.folder), model.fingerprint()
    accuracy, reason = read_accuracy(model, fingerprint=fingerprint, filter_text=cluster_filter.text)
    if reason:
        log.warning("no accuracy is quoted: %s", reason)
    run = _Run(source if prepared else out / PREPARED, FindingsFolder(out, model.trained_on.warning), model, options,
               cluster_filter, fingerprint, accuracy)
    if prepared:
        cases = sorted(path.name.removesuffix(RECORD_ENDING) for path in source.glob(f"*{RECORD_ENDING}"))
        if not cases:
            raise NnunetTVError(f"{source}: expected prepared cases (CASE{RECORD_ENDING}), found none: give the folder "
                                "that nnunet-tv-prepare wrote, or scans with -i")
        jobs = [PatientJob(case=case, run=run) for case in cases]
    else:
        space, registration = model.trained_on.settings(space=space, backend=backend, brain=brain)
        done = prepare_folder(source, run.prepared, space=space, registration=registration, manual_pairs=manual_pairs,
                              keep_ids=keep_ids, processes=processes)
        jobs = [PatientJob(case=found.case, secrets=found.secrets, run=run, problem=outcome.problem,
                           dicom=_dicom_files(found)) for found, outcome in zip(done.cases, done.outcomes, strict=True)]
        for remark in done.remarks:
            log.info("note: %s", remark)
    run.store.create()
    outcomes: dict[str, CaseOutcome] = {}
    for job in jobs:
        outcomes[job.case] = outcome = run.store.process(job)
        log.info("%s: %s%s", outcome.case, outcome.problem or outcome.text,
                 "" if outcome.changed or outcome.problem else " (up to date)")
        _write_status(run, outcomes, complete=len(outcomes) == len(jobs))
    return list(outcomes.values())


def _dicom_files(found: FoundCase) -> tuple[Path, ...]:
    """Files of the T1w's series; none for NIfTI."""
    scan = found.pair.scans.get("T1w") if found.pair else None
    return tuple(scan.files) if scan and scan.is_dicom else ()


def status(outcome: CaseOutcome) -> str:
    """``done``, ``empty`` (no cluster), ``flagged`` or ``failed``."""
    return outcome.status(DONE if outcome.clusters else EMPTY)


@dataclass(frozen=True)
class FindingsFolder(CaseFolders):
    """The folder that ``nnunet-tv-predict`` writes."""

    warning: str = ""  #: about the model

    COMMAND: ClassVar[str] = "nnunet-tv-predict"
    ELSEWHERE: ClassVar[str] = "choose another -o"
    RECORDED: ClassVar[tuple[str, ...]] = ("text", "clusters", "flags", "notes")

    def to_record(self, outcome: CaseOutcome) -> dict[str, Any]:
        return {"status": status(outcome), "warning": self.warning, **super().to_record(outcome)}


@dataclass
class _Run:
    """State shared by all cases of a run; the network is loaded when the first case needs it."""

    prepared: Path
    store: FindingsFolder
    model: Model
    options: PredictOptions
    filter: Filter
    fingerprint: str
    accuracy: Accuracy | None
    created: str = field(default_factory=lambda: datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"))

    @cached_property
    def predictor(self) -> Predictor:
        return Predictor(self.model, self.options, progress=sys.stderr.isatty())


@dataclass(frozen=True, kw_only=True)
class PatientJob(CaseJob):
    """A patient to predict."""

    run: _Run
    problem: str = ""  #: why the patient could not be prepared
    dicom: tuple[Path, ...] = ()  #: files of the T1w's DICOM series

    @property
    def _record(self) -> Path:
        return self.run.prepared / f"{self.case}{RECORD_ENDING}"

    @property
    def _images(self) -> list[Path]:
        return [self.run.prepared / f"{self.case}_{number:04d}{ENDING}" for number in range(len(CHANNELS))]

    def digests(self) -> Iterator[tuple[str, str]]:
        if self.problem:
            raise CaseError(self.case, self.problem)
        self.run.store.check_ours(self.case)
        record = Provenance.read(self._record)
        if tuple(record.sources) != CHANNELS:
            raise CaseError(self.case, f"expected the channels {', '.join(CHANNELS)}, found "
                            f"{', '.join(record.sources)}: prepare the case again")
        self.run.model.trained_on.check(record)
        grid = record.grid
        for channel, path in zip(CHANNELS, self._images, strict=True):
            # checked here, since an error of nnU-Net's reader would not name the case
            if not same_grid(read_volume(path, case=self.case), grid):
                raise CaseError(self.case, "the image is not on the grid of the case's record: prepare the case again",
                                path)
            yield channel, sha256(path)
        yield "record", sha256(self._record)

    def made_from(self, digests: Mapping[str, str]) -> str:
        run, options = self.run, self.run.options
        content = {"images": [digests[channel] for channel in CHANNELS], "record": digests["record"],
                   "model": run.fingerprint, "folds": run.model.folds, "filter": run.filter.text,
                   "accuracy": run.accuracy and asdict(run.accuracy), "mirroring": options.mirroring,
                   "step": options.step, "precision": options.precision, "dicom": len(self.dicom),
                   "version": f"{__version__}, {PREDICT_VERSION}"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def make(self, staging: Path, digests: Mapping[str, str]) -> CaseOutcome:
        run, record = self.run, Provenance.read(self._record)
        prediction = run.predictor.predict(self._images, affine=record.grid.affine)
        summary = ModelSummary(run.model.name, run.filter.text, record.registration,
                               float(prediction.probability.data.max()), run.model.trained_on, run.accuracy)
        filtered = replace(prediction, segmentation=run.filter(prediction.segmentation))
        outcome = describe_patient(record, filtered, staging, prepared=run.prepared, summary=summary, dicom=self.dicom,
                                   created=run.created)
        warning = f"{SYNTHETIC}. " if run.store.warning else ""
        return replace(outcome, flags=(*record.flags, *outcome.flags), text=warning + outcome.text,
                       notes=tuple(redact(note, self.secrets) for note in outcome.notes))


def _write_status(run: _Run, outcomes: Mapping[str, CaseOutcome], *, complete: bool) -> None:
    cases = {case: {**run.store.to_record(outcome), "text": outcome.problem or outcome.text}
             for case, outcome in outcomes.items()}
    counts = {name: sum(case["status"] == name for case in cases.values()) for name in (DONE, EMPTY, FLAGGED, FAILED)}
    origin = run.model.trained_on
    write_json({"nnunet_tv": __version__, "warning": run.store.warning, "created": run.created, "complete": complete,
                "model": str(run.model.folder), "folds": run.model.folds,
                "trained_on": {"data_set": origin.data_set, "synthetic": origin.synthetic}, "filter": run.filter.text,
                "accuracy": run.accuracy and asdict(run.accuracy), "counts": counts, "cases": cases},
               run.store.root / STATUS)

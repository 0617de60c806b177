"""``report.json``: the results of scoring, from which all tables can be made again without images."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.reporting.cohort.maps import Cohort
from nnunet_tv.reporting.redraws import CHOICES, Redraw
from nnunet_tv.scoring.participants import Column, Participants, sidecar
from nnunet_tv.scoring.prediction_settings import prediction_settings
from nnunet_tv.scoring.rescans import RescanRow
from nnunet_tv.scoring.rows import CaseFlow, CaseRow
from nnunet_tv.scoring.runs import MissingRun, Run
from nnunet_tv.scoring.trainings import Training
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.external import package_version
from nnunet_tv.utils.files import read_json, sha256
from nnunet_tv.utils.times import now

TOOL = "nnunet-tv-report"
#: Version of the file's structure.
FORMAT = 3
#: Fields of a record that the file stores under their names, as they are.
_PLAIN = ("problems", "warnings", "participants", "contrast")
_PACKAGES = ("nnunetv2", "numpy", "scipy", "connected-components-3d", "nibabel", "matplotlib", "Jinja2")


@dataclass(frozen=True)
class Record:
    """Everything that a report shows."""

    rows: list[CaseRow]
    controls: list[CaseRow] = field(default_factory=list)
    candidates: list[FrocCandidates] = field(default_factory=list)
    rescans: list[RescanRow] = field(default_factory=list)  #: predictions of two scans of one subject
    control_candidates: list[FrocCandidates] = field(default_factory=list)  #: of the controls, all false
    problems: list[str] = field(default_factory=list)  #: cases that could not be scored
    warnings: list[str] = field(default_factory=list)  #: remarks for the reader
    participants: Participants = field(default_factory=dict)  #: columns of the participants table by case
    columns: dict[str, Column] = field(default_factory=dict)  #: what the sidecar of that table states
    trainings: list[Training] | None = None  #: of the models; None if an earlier version did not look for them
    missing_runs: list[MissingRun] = field(default_factory=list)  #: runs that were to be scored and were not
    flow: CaseFlow | None = None  #: what of the folders was scored; None if not recorded
    contrast: dict[str, float] | None = None  #: lesion contrast by case, if measured
    settings: dict[str, Any] = field(default_factory=dict)  #: of ``ReportOptions``, and the remarks over the tables
    meta: dict[str, Any] = field(default_factory=dict)  #: tool, date, command, versions, folders, SHA-256 of inputs
    cohort: Cohort | None = None  #: how many subjects are marked at the same place
    redraws: list[Redraw] = field(default_factory=list)  #: since scoring, in their order

    def cases(self) -> list[str]:
        """Return the names of all cases and controls."""
        return list(dict.fromkeys(row.case for row in (*self.rows, *self.controls)))


def make_meta(
    *, reference: Path, runs: Sequence[Run], controls: Sequence[Run], participants: Path | None,
    settings: dict[str, Any], command: Sequence[str], inputs: dict[str, str],
) -> dict[str, Any]:
    """Return the provenance of a report that is made now."""
    return {
        "tool": TOOL, "format": FORMAT, "created": now(),
        "command": list(command),
        "versions": {"nnunet-tv": __version__, "python": platform.python_version(),
                     **{name: package_version(name) for name in _PACKAGES}},
        "when_scored": {name: settings[name] for name in CHOICES},
        "participants": None if participants is None else participants_table(participants),
        "reference": str(reference), "runs": [_run(run) for run in runs],
        "controls": [_run(run) for run in controls], "sha256": inputs,
    }


def participants_table(path: Path) -> dict[str, str]:
    """Return the path and the SHA-256 of a participants table, and that of the description of its columns."""
    beside = sidecar(path)
    return {"file": str(path), "sha256": sha256(path),
            **({"sidecar_sha256": sha256(beside)} if beside.is_file() else {})}


def to_content(record: Record, tables: dict[str, Any]) -> dict[str, Any]:
    """Return the content of ``report.json``; `tables` are for readers and are not read again."""
    content = asdict(record)
    meta = {**record.meta, "settings": record.settings, "redraws": content["redraws"]}
    return {**tables, **{name: content[name] for name in _PLAIN}, "meta": meta, "cases": content["rows"],
            **{name: content[name] for name in ("controls", "candidates", "control_candidates", "rescans", "columns",
                                                "flow", "cohort", "missing_runs", "trainings")}}


def read_record(path: str | Path) -> Record:
    """Read the record of an earlier report; NnunetTVError without a ``report.json`` with this version's structure."""
    path = Path(path, "report.json") if Path(path).is_dir() else Path(path)
    if not path.is_file():
        raise NnunetTVError(f"{path}: no such file; give the folder of an earlier report")
    try:
        content = read_json(path)
        if content["meta"]["tool"] != TOOL:
            raise KeyError("tool")
        found = content["meta"].get("format")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NnunetTVError(f"{path}: not a report.json of {TOOL} ({type(error).__name__}: {error})") from error
    if found != FORMAT:
        raise NnunetTVError(f"{path}: structure {found}, expected {FORMAT}: written by another version of nnunet-tv; "
                            "score again")
    try:
        meta = dict(content["meta"])
        settings = meta.pop("settings")
        redraws = [Redraw.from_dict(one) for one in meta.pop("redraws")]
        rows, controls = ([CaseRow.from_dict(row) for row in content[name]] for name in ("cases", "controls"))
        candidates, of_controls = ([FrocCandidates.from_dict(one) for one in content[name]]
                                   for name in ("candidates", "control_candidates"))
        return Record(rows, controls, candidates, [RescanRow.from_dict(one) for one in content["rescans"]],
                      of_controls, **{name: content[name] for name in _PLAIN}, settings=settings, meta=meta,
                      redraws=redraws, flow=None if content["flow"] is None else CaseFlow.from_dict(content["flow"]),
                      columns={name: Column(**column) for name, column in content["columns"].items()},
                      missing_runs=[MissingRun(**one) for one in content.get("missing_runs", [])],  # earlier: none
                      trainings=_trainings(content.get("trainings")),
                      cohort=None if content["cohort"] is None else Cohort.from_dict(content["cohort"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise NnunetTVError(f"{path}: damaged ({type(error).__name__}: {error}); score again") from error


def _trainings(content: list[dict[str, Any]] | None) -> list[Training] | None:
    return None if content is None else [Training.from_dict(one) for one in content]


def _run(run: Run) -> dict[str, Any]:
    """Folders of a run, and of the folds of a pooled cross-validation; how it was predicted, as far as recorded."""
    content: dict[str, Any] = {"group": run.group, "run": run.run, **_folders(run),
                               "predicted": [asdict(settings) for settings in prediction_settings(run)]}
    if run.parts:
        content["folds"] = [{**_folders(fold), "cases": [case for case, part in run.parts.items() if part is fold]}
                            for fold in run.folds()]
        content["filtered"] = None if any(fold["filtered"] is None for fold in content["folds"]) else content["raw"]
    return content


def _folders(run: Run) -> dict[str, str | None]:
    return {name: None if folder is None else str(folder)
            for name, folder in (("raw", run.raw), ("filtered", run.filtered), ("probabilities", run.probabilities),
                                 ("rescan", run.rescan))}

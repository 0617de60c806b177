"""``report.json``: the results of scoring, from which all tables can be made again without images."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.metrics.froc_candidates import FrocCandidates
from nnunet_tv.scoring.participants import Participants
from nnunet_tv.scoring.rows import CaseRow
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json

TOOL = "nnunet-tv-report"
#: Version of the file's structure.
FORMAT = 2
_PACKAGES = ("nnunetv2", "numpy", "scipy", "connected-components-3d", "nibabel", "matplotlib", "Jinja2")


@dataclass(frozen=True)
class Record:
    """Everything that a report shows.

    `problems` are cases that could not be scored and `warnings` remarks for the reader. `participants` has the columns
    of the participants table by case, controls included, and `contrast` the lesion contrast by case if it was measured.
    `settings` are those of :class:`nnunet_tv.reporting.report.ReportOptions` and the remarks over the tables; `meta`
    has tool, date, command, versions, folders, and SHA-256 of the inputs.
    """

    rows: list[CaseRow]
    controls: list[CaseRow] = field(default_factory=list)
    candidates: list[FrocCandidates] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    participants: Participants = field(default_factory=dict)
    contrast: dict[str, float] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    def cases(self) -> list[str]:
        """Return the names of all cases and controls."""
        return list(dict.fromkeys(row.case for row in (*self.rows, *self.controls)))


def make_meta(
    *, reference: Path, runs: Sequence[Run], controls: Sequence[Run], command: Sequence[str], inputs: dict[str, str]
) -> dict[str, Any]:
    """Return the provenance of a report that is made now."""
    return {
        "tool": TOOL,
        "format": FORMAT,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": list(command),
        "versions": {"nnunet-tv": __version__, "python": platform.python_version(),
                     **{name: _version(name) for name in _PACKAGES}},
        "reference": str(reference),
        "runs": [_run(run) for run in runs],
        "controls": [_run(run) for run in controls],
        "sha256": inputs,
    }


def to_content(record: Record, tables: dict[str, Any]) -> dict[str, Any]:
    """Return the content of ``report.json``; `tables` are for readers and are not read again."""
    return {
        **tables,
        "problems": record.problems,
        "warnings": record.warnings,
        "participants": record.participants,
        "contrast": record.contrast,
        "meta": {**record.meta, "settings": record.settings},
        "cases": [asdict(row) for row in record.rows],
        "controls": [asdict(row) for row in record.controls],
        "candidates": [asdict(one) for one in record.candidates],
    }


def read_record(path: str | Path) -> Record:
    """Read the record of an earlier report.

    Raises
    ------
    NnunetTVError
        Not a readable ``report.json`` with the structure of this version.
    """
    path = Path(path)
    path = path / "report.json" if path.is_dir() else path
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
        return Record(
            rows=[CaseRow.from_dict(row) for row in content["cases"]],
            controls=[CaseRow.from_dict(row) for row in content["controls"]],
            candidates=[FrocCandidates.from_dict(one) for one in content["candidates"]],
            problems=content["problems"], warnings=content["warnings"], participants=content["participants"],
            contrast=content["contrast"], settings=settings, meta=meta,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise NnunetTVError(f"{path}: damaged ({type(error).__name__}: {error}); score again") from error


def _run(run: Run) -> dict[str, Any]:
    """Folders of a run, and of the folds of a pooled cross-validation."""
    content: dict[str, Any] = {"group": run.group, "run": run.run, **_folders(run)}
    if run.parts:
        folds = {id(part): part for part in run.parts.values()}
        content["folds"] = [{**_folders(fold), "cases": [case for case, part in run.parts.items() if part is fold]}
                            for fold in folds.values()]
        content["filtered"] = None if any(fold["filtered"] is None for fold in content["folds"]) else content["raw"]
    return content


def _folders(run: Run) -> dict[str, str | None]:
    return {name: None if folder is None else str(folder)
            for name, folder in (("raw", run.raw), ("filtered", run.filtered), ("probabilities", run.probabilities))}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None

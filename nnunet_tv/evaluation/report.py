"""The report as a folder: score, make tables, draw, and put it in place in one move."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from glob import escape
from importlib import metadata
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.errors import CaseError, NnunetTVError
from nnunet_tv.evaluation import paper, tables
from nnunet_tv.evaluation.folders import RAW, CaseRow, Run, Scores, score_folders
from nnunet_tv.evaluation.measures import BOTH_EMPTY, EMPTY_PREDICTION, EMPTY_REFERENCE
from nnunet_tv.evaluation.page import to_html
from nnunet_tv.evaluation.pictures import PictureJob, draw_files
from nnunet_tv.files import TEMPORARY_PREFIX, abandoned, read_json, write_json, write_text
from nnunet_tv.parallel import each_case
from nnunet_tv.postprocessing import ENDING, describe

TOOL = "nnunet-tv-report"
#: What a report folder may hold; anything else in it is somebody's own and is not overwritten.
CONTENT = {"table1.md", "table1.csv", "table1.tex", "report.json", "cases.csv", "report.html", "pictures"}
_PACKAGES = ("nnunetv2", "numpy", "scipy", "connected-components-3d", "nibabel", "matplotlib")


def make_report(
    *,
    reference: str | Path,
    runs: Sequence[Run],
    out: str | Path,
    images: str | Path | None = None,
    with_paper: bool = False,
    connectivity: int = 26,
    filter_settings: dict[str, Any] | None = None,
    processes: int = 1,
    remark: str = "",
    command: Sequence[str] = (),
) -> Scores:
    """Score, and write the report folder.

    With any problem (missing prediction, other geometry, unusable file) there are no tables: only
    ``cases.csv`` and ``report.json``, with every case's status, are written.

    Parameters
    ----------
    reference, runs, connectivity, filter_settings, processes
        As :func:`nnunet_tv.evaluation.score_folders`.
    out : Path
        Report folder; an earlier report there is replaced in one move.
    images : Path, optional
        Folder of scans (``CASE_0000.nii.gz``) to draw on.
    with_paper : bool
        Whether the TV paper's Table 1 is shown too.
    remark : str
        Added to the table's note, such as how the predictions were made.
    command : sequence of str
        The command line, for the record.

    Returns
    -------
    Scores
        ``problems`` is empty when the report is complete.

    Raises
    ------
    NnunetTVError
        `out` holds something that is not a report; as :func:`score_folders`.
    """
    out, reference = Path(out).resolve(), Path(reference)
    images = None if images is None else Path(images)
    check_out(out)
    if images is not None and not images.is_dir():
        raise NnunetTVError(f"{images}: no such folder of images")
    settings = filter_settings or {}
    steps = describe(**({**settings, "voxel_mm3": 1.0} if settings.get("min_mm3") is not None else settings))
    scores = score_folders(reference, runs, connectivity=connectivity, filter_settings=settings, processes=processes)
    content = _content(scores, reference, runs, command, {
        "connectivity": connectivity, "hit": "any true positive voxel", "filter": settings, "filter_steps": steps,
    })
    _remove_left(out)
    # In the same folder as `out`, so that the last step is a rename.
    work = out.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{out.name}"
    try:
        work.mkdir(parents=True)
        if not scores.problems:
            notes = notes_of(scores.rows, runs, connectivity=connectivity, steps=steps, remark=remark)
            _draw(scores, reference, runs, images, work, settings, connectivity, processes)
            _write_tables(scores, content, notes, with_paper, work)
        write_text(tables.cases_csv(scores.rows), work / "cases.csv")
        write_json(content, work / "report.json")
        _replace(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return scores


def check_out(out: Path) -> None:
    """Raise unless `out` is new, empty, or an earlier report with nothing else in it."""
    if not out.exists():
        return
    if not out.is_dir():
        raise NnunetTVError(f"{out}: expected a folder for the report, found a file")
    found = {path.name for path in out.iterdir()}
    foreign = sorted(found - CONTENT)
    if foreign:
        raise NnunetTVError(f"{out}: holds {', '.join(foreign[:5])}{', …' if len(foreign) > 5 else ''}, which is not "
                            "part of a report; choose a new folder")
    if found and not _is_report(out / "report.json"):
        raise NnunetTVError(f"{out}: not an earlier report (no report.json by {TOOL}); choose a new folder")


def notes_of(
    rows: Sequence[CaseRow], runs: Sequence[Run], *, connectivity: int, steps: Sequence[str], remark: str = ""
) -> list[str]:
    """What a reader of the table must know, one sentence or two each."""
    first = [row for row in rows if (row.group, row.run, row.stage) == (runs[0].group, runs[0].run, RAW)]
    with_lesion = sum(row.score.n_lesions > 0 for row in first)
    counts = {status: sum(row.status == status for row in rows)
              for status in (EMPTY_REFERENCE, EMPTY_PREDICTION, BOTH_EMPTY)}
    in_memory = [f"{run.group}, run {run.run}" for run in runs if run.filtered is None]
    given = [f"{run.group}, run {run.run}" for run in runs if run.filtered is not None]
    notes = [
        f"{len(first)} subjects, {with_lesion} of them with a lesion in the reference."
        + (" Fewer than 10 subjects: descriptive only." if len(first) < 10 else ""),
        "± is the sample standard deviation (n − 1) over runs, which says how training varies, not how subjects "
        "do; a single run has none.",
        "Sens and Prec: voxels pooled over all subjects of a run; their means over subjects stand beside (Sens: "
        "subjects with a lesion; Prec: subjects with a prediction).",
        f"DC: mean Dice over the {with_lesion} subjects with a lesion; an empty prediction there is 0.",
        "sSens: share of the subjects with a lesion that are detected. Hit rule: any true positive voxel.",
        f"nFPC: clusters of the prediction ({connectivity}-connectivity) without any voxel of the reference, per "
        f"subject, over all {len(first)} subjects.",
        "Empty, over all rows of cases.csv: " + ", ".join(f"{status} {n}" for status, n in counts.items()) + ".",
    ]
    if in_memory:
        notes.append(f"Post-processing applied here to {_some(in_memory)}: {'; '.join(steps)}.")
    if given:
        notes.append(f"Post-processed predictions given as files for {_some(given)}; what was done to them is not "
                     "known to this report.")
    notes.append(f"How predictions were made: {remark}" if remark else
                 "How predictions were made (mirroring, overlap, checkpoint) is not known to this report.")
    return notes


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _content(
    scores: Scores, reference: Path, runs: Sequence[Run], command: Sequence[str], settings: dict[str, Any]
) -> dict[str, Any]:
    """``report.json`` without its tables: scored cases, problems, and where everything came from."""
    return {
        "groups": {},
        "per_subject": {},
        "problems": scores.problems,
        "warnings": scores.warnings,
        "cases": [asdict(row) for row in scores.rows],
        "meta": {
            "tool": TOOL,
            "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "command": list(command),
            "versions": {"nnunet-tv": __version__, "python": platform.python_version(),
                         **{name: _version(name) for name in _PACKAGES}},
            "settings": settings,
            "reference": str(reference),
            "runs": [{"group": run.group, "run": run.run, "raw": str(run.raw),
                      "filtered": None if run.filtered is None else str(run.filtered)} for run in runs],
            "sha256": scores.inputs,
        },
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _draw(
    scores: Scores, reference: Path, runs: Sequence[Run], images: Path | None, work: Path,
    settings: dict[str, Any], connectivity: int, processes: int,
) -> None:
    """One picture per case; the first run of each group has a row. Warnings go to `scores`."""
    firsts = {run.group: run for run in reversed(runs)}
    shown = tuple(firsts[group] for group in dict.fromkeys(run.group for run in runs))
    found = {(row.case, row.group, row.run, row.stage): row for row in scores.rows}
    jobs = []
    for case in sorted({row.case for row in scores.rows}):
        captions = tuple(_caption(found, case, run) for run in shown)
        jobs.append(PictureJob(case, reference / f"{case}{ENDING}", shown, captions, images,
                               work / "pictures" / f"{case}.png", settings, connectivity))
    for outcome in each_case(draw_files, jobs, processes=processes, label="draw"):
        if isinstance(outcome, CaseError):
            raise outcome
        scores.warnings.extend([outcome] if outcome else [])


def _caption(found: dict[tuple[str, str, int, str], CaseRow], case: str, run: Run) -> str:
    raw, filtered = (found[case, run.group, run.run, stage].score for stage in tables.STAGES)
    return (f"Dice {raw.dice:.2f}, filtered {filtered.dice:.2f};  "
            f"false clusters {raw.n_false_clusters}, filtered {filtered.n_false_clusters}")


def _write_tables(
    scores: Scores, content: dict[str, Any], notes: list[str], with_paper: bool, work: Path
) -> None:
    groups, per_subject = tables.table_one(scores.rows), tables.per_subject_table(scores.rows)
    content.update(groups=groups, per_subject=per_subject, notes=notes)
    shown = groups
    if with_paper:
        content["paper"] = paper.paper_groups()
        if taken := sorted(set(groups) & set(content["paper"])):
            raise NnunetTVError(f"{taken[0]!r} is the name of a row of the paper's: give your group another name, or "
                                "leave --paper out")
        shown, notes = {**groups, **content["paper"]}, [*notes, paper.NOTE]
    write_text(tables.to_markdown(shown, per_subject, notes), work / "table1.md")
    write_text(tables.to_csv(shown, per_subject), work / "table1.csv")
    write_text(tables.to_latex(shown, notes), work / "table1.tex")
    page = to_html(shown, per_subject, notes=notes, warnings=scores.warnings, version=__version__,
                   created=content["meta"]["created"], pictures=sorted((work / "pictures").glob("*.png")))
    write_text(page, work / "report.html")


def _is_report(path: Path) -> bool:
    try:
        return read_json(path)["meta"]["tool"] == TOOL
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _remove_left(out: Path) -> None:
    """Delete the working folders of killed runs; those of running processes stay."""
    for left in out.parent.glob(f"{TEMPORARY_PREFIX}*-{escape(out.name)}*"):
        if abandoned(left):
            shutil.rmtree(left, ignore_errors=True)


def _replace(work: Path, out: Path) -> None:
    """Put the finished folder in place; an earlier report stays until then."""
    check_out(out)
    old = work.with_name(f"{work.name}-old")
    if out.exists():
        out.rename(old)
    try:
        work.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)

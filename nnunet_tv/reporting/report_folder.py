"""The report's folder: what goes in, and that it is whole or not there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

from nnunet_tv.postprocessing import ENDING, ClusterFilter
from nnunet_tv.reporting.figures.case_pictures import PictureJob, draw_files
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.record import TOOL, Record, to_content
from nnunet_tv.reporting.report_html import to_html
from nnunet_tv.reporting.sections import Contents, make_contents
from nnunet_tv.reporting.tables import table_one
from nnunet_tv.reporting.tables.csv_export import cases_csv, clusters_csv, lesions_csv
from nnunet_tv.reporting.tables.every_case import cases_table
from nnunet_tv.reporting.tables.table import to_csv, to_latex, to_markdown
from nnunet_tv.scoring.rows import MISSING, STAGES, CaseRow
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import TEMPORARY_PREFIX, abandoned, read_json, write_json, write_text
from nnunet_tv.utils.parallel import each_case

#: What a report folder may hold; anything else in it is somebody's own and is not overwritten.
CONTENT = {"table1.md", "table1.csv", "table1.tex", "report.json", "cases.csv", "clusters.csv", "lesions.csv",
           "report.html", "pictures", "curves", "tables"}
_UNWRITABLE = "{}: cannot be made: {} is not a folder that may be written to; choose another place"


def check_out(out: Path) -> None:
    """Raise unless `out` is new where one may write, empty, or an earlier report with nothing else in it."""
    if not out.exists():
        above = next(folder for folder in out.absolute().parents if folder.exists())
        if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
            raise NnunetTVError(_UNWRITABLE.format(out, above))
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


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A working folder that takes `out`'s place when the block is done; an earlier report stays until then."""
    _remove_left(out)
    # In the same folder as `out`, so that the last step is a rename.
    work = out.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{out.name}"
    try:
        try:
            work.mkdir(parents=True)
        except OSError as error:
            raise NnunetTVError(_UNWRITABLE.format(out, out.parent)) from error
        yield work
        _replace(work, out)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def draw_pictures(
    record: Record, reference: Path, runs: Sequence[Run], images: Path | None, folder: Path, *, processes: int = 1
) -> None:
    """One picture per case; the first run of each group has a row. Warnings go to `record`."""
    firsts = {run.group: run for run in reversed(runs)}
    shown = tuple(firsts[group] for group in dict.fromkeys(run.group for run in runs))
    found = {(row.case, row.group, row.run, row.stage): row for row in record.rows}
    jobs = []
    for case in sorted({row.case for row in record.rows}):
        captions = tuple(_caption(found, case, run) for run in shown)
        jobs.append(PictureJob(
            case, reference / f"{case}{ENDING}", tuple(run.of(case) for run in shown), captions, images,
            folder / f"{case}.png", ClusterFilter(**record.settings["filter"]), record.settings["connectivity"]))
    for outcome in each_case(draw_files, jobs, processes=processes, label="draw"):
        if isinstance(outcome, CaseError):
            raise outcome
        record.warnings.extend([outcome] if outcome else [])


def write_report(record: Record, work: Path) -> None:
    """Everything but the pictures, of the record alone."""
    contents = make_contents(record, work)
    _write_listings(record, work)
    _write_tables(contents, work)
    page = to_html(record, contents, cases=cases_table(gather(record.rows)),
                   pictures=sorted((work / "pictures").glob("*.png")))
    write_text(page, work / "report.html")
    made: dict[str, Any] = {"groups": table_one.contents(contents.table_one, "figures"),
                            "per_subject": table_one.contents(contents.table_one, "per_subject"),
                            "notes": contents.notes}
    if record.settings["paper"]:
        made["paper"] = table_one.contents(contents.shown[len(contents.table_one):], "figures")
    write_json(to_content(record, made), work / "report.json")


def write_problems(record: Record, work: Path) -> None:
    """Every case's status, and no table: figures over the rest would flatter."""
    _write_listings(record, work)
    write_json(to_content(record, {"groups": {}}), work / "report.json")


def _write_listings(record: Record, work: Path) -> None:
    rows = [*record.rows, *record.controls]
    write_text(cases_csv(rows), work / "cases.csv")
    if not record.problems:
        write_text(clusters_csv(rows), work / "clusters.csv")
        write_text(lesions_csv(rows), work / "lesions.csv")


def _write_tables(contents: Contents, work: Path) -> None:
    notes = [*contents.sections[0].warnings, *contents.notes]
    write_text(table_one.to_markdown(contents.shown, notes), work / "table1.md")
    write_text(table_one.to_csv(contents.shown), work / "table1.csv")
    write_text(table_one.to_latex(contents.shown, notes), work / "table1.tex")
    for table in contents.tables():
        for ending, text in ((".csv", to_csv(table)), (".md", to_markdown(table)), (".tex", to_latex(table))):
            write_text(text, work / "tables" / f"{table.key}{ending}")


def _caption(found: dict[tuple[str, str, int, str], CaseRow], case: str, run: Run) -> str:
    rows = [found[case, run.group, run.run, stage] for stage in STAGES]
    raw, filtered = (row.score for row in rows)
    if MISSING in (row.status for row in rows):
        return "missing prediction, scored as empty"
    return (f"Dice {raw.dice:.2f}, filtered {filtered.dice:.2f};  "
            f"false clusters {raw.n_false_clusters}, filtered {filtered.n_false_clusters}")


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

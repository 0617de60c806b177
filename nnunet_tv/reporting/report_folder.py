"""The report folder: its files, written completely or not at all."""

import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

from nnunet_tv.imaging.drawing import CONVENTION
from nnunet_tv.inference.model_folder import ACCURACY
from nnunet_tv.postprocessing import ENDING, ClusterFilter
from nnunet_tv.reporting.cohort.maps import FOLDER
from nnunet_tv.reporting.figures.case_pictures import PictureJob, draw_files
from nnunet_tv.reporting.groups import gather
from nnunet_tv.reporting.record import TOOL, Record, to_content
from nnunet_tv.reporting.sections.all import make_sections
from nnunet_tv.reporting.tables import table_one
from nnunet_tv.reporting.tables.csv_export import cases_csv, clusters_csv, lesions_csv
from nnunet_tv.reporting.tables.every_case import cases_table
from nnunet_tv.reporting.tables.rescans import rescans_csv
from nnunet_tv.reporting.tables.table import to_csv, to_latex, to_markdown
from nnunet_tv.scoring.rows import MISSING, STAGES, CaseRow
from nnunet_tv.scoring.runs import Run
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.files import TEMPORARY_PREFIX, abandoned, read_json, write_json, write_json_rows, write_text
from nnunet_tv.utils.html import render
from nnunet_tv.utils.parallel import each_case

#: Names in a report folder; a folder with any other file is not overwritten.
CONTENT = {"table1.md", "table1.csv", "table1.tex", "report.json", "cases.csv", "clusters.csv", "lesions.csv",
           "rescans.csv", "report.html", "pictures", "curves", "tables", FOLDER, ACCURACY}
_UNWRITABLE = "{}: cannot be made: {} is not a folder that may be written to; choose another place"


def check_folder(out: Path) -> None:
    """Raise unless `out` can be created, is empty, or contains an earlier report and nothing else."""
    if not out.exists():
        parent = next(folder for folder in out.absolute().parents if folder.exists())
        if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
            raise NnunetTVError(_UNWRITABLE.format(out, parent))
        return
    if not out.is_dir():
        raise NnunetTVError(f"{out}: expected a folder for the report, found a file")
    found = {path.name for path in out.iterdir()}
    if foreign := sorted(found - CONTENT):
        raise NnunetTVError(f"{out}: contains {', '.join(foreign[:5])}{', …' if len(foreign) > 5 else ''}, which is "
                            "not part of a report; choose a new folder")
    if found and not _is_report(out / "report.json"):
        raise NnunetTVError(f"{out}: not an earlier report (no report.json by {TOOL}); choose a new folder")


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """Yield a working folder that replaces `out` at the end of the block; an earlier report stays until then."""
    for left in out.parent.glob(f"{TEMPORARY_PREFIX}*-{escape(out.name)}*"):
        if abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
    # In the same folder as `out`, so that the last step is a rename.
    work = out.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{out.name}"
    try:
        work.mkdir(parents=True)
    except OSError as error:
        raise NnunetTVError(_UNWRITABLE.format(out, out.parent)) from error
    try:
        yield work
        check_folder(out)
        replaced = work.with_name(f"{work.name}-old")
        if out.exists():
            out.rename(replaced)
        try:
            work.rename(out)
        except OSError:
            if replaced.exists():
                replaced.rename(out)
            raise
        shutil.rmtree(replaced, ignore_errors=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def draw_pictures(
    record: Record, reference: Path, runs: Sequence[Run], images: Path | None, folder: Path, *, processes: int = 1
) -> list[str]:
    """Draw one picture per case, with a row for the first run of each group; return warnings."""
    first_runs = [run for index, run in enumerate(runs) if run.group not in {before.group for before in runs[:index]}]
    found = {(row.case, row.group, row.run, row.stage): row for row in record.rows}
    jobs = [
        PictureJob(case, reference / f"{case}{ENDING}", tuple(run.of(case) for run in first_runs),
                   tuple(_caption([found[case, run.group, run.run, stage] for stage in STAGES]) for run in first_runs),
                   images, folder / f"{case}.png", ClusterFilter(**record.settings["filter"]),
                   record.settings["connectivity"])
        for case in sorted({row.case for row in record.rows})
    ]
    results = each_case(draw_files, jobs, processes=processes, label="draw")
    for result in results:
        if isinstance(result, CaseError):
            raise result
    return [str(result) for result in results if result]


def write_report(record: Record, work: Path) -> None:
    """Write everything except the pictures, from the record alone."""
    sections, meta = make_sections(record, work), record.meta
    rows = [*record.rows, *record.controls]
    notes = [*sections.warnings, *sections.notes]
    texts = {"cases.csv": cases_csv(rows, record.settings), "clusters.csv": clusters_csv(rows),
             "lesions.csv": lesions_csv(rows), "table1.md": table_one.to_markdown(sections.shown, notes),
             "table1.csv": table_one.to_csv(sections.shown), "table1.tex": table_one.to_latex(sections.shown, notes)}
    if record.rescans:
        texts["rescans.csv"] = rescans_csv(record.rescans)
    for table in sections.tables():
        for ending, write in ((".csv", to_csv), (".md", to_markdown), (".tex", to_latex)):
            texts[f"tables/{table.key}{ending}"] = write(table)
    for name, text in texts.items():
        write_text(text, work / name)
    page = render(
        "report.html.j2", convention=CONVENTION, version=meta["versions"]["nnunet-tv"], created=meta["created"],
        command=shlex.join(meta["command"]), redraws=[(each, shlex.join(each.command)) for each in record.redraws],
        versions=meta["versions"], n_inputs=len(meta["sha256"]),
        report=sections, cases=cases_table(gather(record.rows), record.settings), warnings=record.warnings,
        pictures=sorted((work / "pictures").glob("*.png")),
    )
    write_text(page, work / "report.html")
    if meta.get("accuracy"):
        write_json({"tool": TOOL, "models": meta["accuracy"]}, work / ACCURACY)
    shown: dict[str, Any] = {"groups": table_one.contents(sections.table_one, "figures"),
                             "per_subject": table_one.contents(sections.table_one, "per_subject"),
                             "notes": sections.notes}
    if record.settings["paper"]:
        shown["paper"] = table_one.contents(sections.shown[len(sections.table_one):], "figures")
    write_json_rows(to_content(record, shown), work / "report.json")


def write_problems(record: Record, work: Path) -> None:
    """Write the status of every case, and no table: excluding failures biases the result."""
    write_text(cases_csv([*record.rows, *record.controls], record.settings), work / "cases.csv")
    write_json_rows(to_content(record, {"groups": {}}), work / "report.json")


def _caption(rows: Sequence[CaseRow]) -> str:
    """Scores of a case, raw and filtered."""
    raw, filtered = (row.score for row in rows)
    if raw is None or filtered is None or MISSING in (row.status for row in rows):
        return "missing prediction, scored as empty"
    return (f"Dice {raw.dice:.2f}, filtered {filtered.dice:.2f};  "
            f"false clusters {raw.n_false_clusters}, filtered {filtered.n_false_clusters}")


def _is_report(path: Path) -> bool:
    try:
        return read_json(path)["meta"]["tool"] == TOOL
    except (OSError, ValueError, KeyError, TypeError):
        return False

"""The report as a folder: score, make tables, draw, and put it in place in one move."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from nnunet_tv.postprocessing import STANDARD, ClusterFilter
from nnunet_tv.reporting.record import Record, make_meta, read_record
from nnunet_tv.reporting.report_folder import check_out, draw_pictures, new_folder, write_problems, write_report
from nnunet_tv.reporting.tables import tv_paper
from nnunet_tv.reporting.tables.comparison import check_primary
from nnunet_tv.reporting.tables.strata import CONTRAST, check_strata
from nnunet_tv.scoring.contrast import contrast_of_case
from nnunet_tv.scoring.folders import Run, score_controls, score_folders
from nnunet_tv.scoring.participants import Participants, of_cases, read_participants
from nnunet_tv.scoring.rows import CaseRow
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.parallel import each_case


@dataclass(frozen=True)
class Options:
    """How to score and what to show.

    Attributes
    ----------
    connectivity : {26, 18, 6}
        Which neighbours make one cluster.
    cluster_filter : ClusterFilter
        For runs without a filtered folder.
    hits : tuple of str
        Hit rules; the first is the primary one.
    measures : bool
        Whether distances are measured and all measures shown.
    allow_missing : bool
        Whether a missing prediction is scored as an empty one.
    primary : {"DC", "sSens", "nFPC"}
        Endpoint chosen before results were seen.
    seed : int
        Of bootstrap and permutations.
    paper : bool
        Whether the TV paper's Table 1 is shown too.
    strata : tuple of str
        As :func:`nnunet_tv.reporting.tables.strata.make_strata` names them.
    remark : str
        Added to the table's note, such as how the predictions were made.
    over_tables : tuple of str
        Said over Table 1, such as that a selection set is no test set.
    warnings : tuple of str
        What was left out before scoring.
    processes : int
        Worker processes.
    """

    connectivity: int = 26
    cluster_filter: ClusterFilter = STANDARD
    hits: tuple[str, ...] = ("any",)
    measures: bool = False
    allow_missing: bool = False
    primary: str = "DC"
    seed: int = 0
    paper: bool = False
    strata: tuple[str, ...] = ()
    remark: str = ""
    over_tables: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    processes: int = 1

    def settings(self) -> dict[str, Any]:
        """What the tables depend on, for the record."""
        size = "min_voxels" if self.cluster_filter.min_mm3 is None else "min_mm3"
        every, default = asdict(self.cluster_filter), asdict(STANDARD)
        filtering = {name: value for name, value in every.items()
                     if name in (size, "connectivity") or value != default[name]}
        return {"connectivity": self.connectivity, "hits": list(self.hits), "filter": filtering,
                "filter_steps": self.cluster_filter.steps, "measures": self.measures,
                "allow_missing": self.allow_missing, "primary": self.primary, "seed": self.seed, "paper": self.paper,
                "strata": list(self.strata), "remark": self.remark, "over_tables": list(self.over_tables)}


def make_report(
    *,
    reference: str | Path,
    runs: Sequence[Run],
    out: str | Path,
    cases: Sequence[str] | None = None,
    controls: Sequence[Run] = (),
    images: str | Path | None = None,
    participants: str | Path | None = None,
    options: Options | None = None,
    command: Sequence[str] = (),
) -> Record:
    """Score, and write the report folder.

    With any problem (missing prediction, other geometry, unusable file) there are no tables: only
    ``cases.csv`` and ``report.json``, with every case's status, are written.

    Parameters
    ----------
    reference, runs, cases
        As :func:`nnunet_tv.scoring.folders.score_folders`.
    out : Path
        Report folder; an earlier report there is replaced in one move.
    controls : sequence of Run
        Predictions of subjects without a lesion, shown apart.
    images : Path, optional
        Folder of scans (``CASE_0000.nii.gz``) to draw on, and to measure lesion contrast.
    participants : Path, optional
        Table of the subjects (BIDS ``participants.tsv``).
    options : Options, optional
        How to score and what to show.
    command : sequence of str
        The command line, for the record.

    Returns
    -------
    Record
        ``problems`` is empty when the report is complete.

    Raises
    ------
    NnunetTVError
        `out` holds something that is not a report; an unknown stratum or endpoint; as :func:`score_folders`.
    """
    out, reference, options = Path(out).resolve(), Path(reference), options or Options()
    images = None if images is None else Path(images)
    check_out(out)
    known = {} if participants is None else read_participants(participants)
    check_primary(options.primary)
    if images is not None and not images.is_dir():
        raise NnunetTVError(f"{images}: no such folder of images")
    check_strata(options.strata, known, has_images=images is not None)
    if options.paper:
        tv_paper.check_names(run.group for run in runs)
    record = _score(reference, runs, cases, controls, images, known, options, command)
    with new_folder(out) as work:
        if record.problems:
            write_problems(record, work)
        else:
            draw_pictures(record, reference, runs, images, work / "pictures", processes=options.processes)
            write_report(record, work)
    return record


def redraw_report(source: str | Path, out: str | Path, *, participants: str | Path | None = None,
                  **changes: Any) -> Record:
    """Make the tables of an earlier report again, without scoring; equal bytes for equal wishes.

    Parameters
    ----------
    source : Path
        ``report.json`` or its folder; pictures are taken from beside it.
    out : Path
        Report folder.
    participants : Path, optional
        Another table of the subjects.
    **changes
        Of ``primary``, ``seed``, ``paper``, ``strata``, ``remark``; None keeps what was.

    Raises
    ------
    NnunetTVError
        No usable report, or one with problems; as :func:`make_report`.
    """
    out, source = Path(out).resolve(), Path(source)
    check_out(out)
    record = read_record(source)
    if record.problems:
        raise NnunetTVError(f"{source}: a report with {len(record.problems)} problems and no tables, the first: "
                            f"{record.problems[0]}")
    given = {name: value for name, value in changes.items() if value is not None}
    settings = {**record.settings, **given}
    check_primary(settings["primary"])
    record = replace(record, settings=settings)
    if participants is not None:
        cases = [row.case for row in (*record.rows, *record.controls)]
        record = replace(record, participants=of_cases(read_participants(participants), dict.fromkeys(cases))[0])
    beside = (source if source.is_dir() else source.parent) / "pictures"
    with new_folder(out) as work:
        if beside.is_dir():
            shutil.copytree(beside, work / "pictures")
        write_report(record, work)
    return record


def _score(
    reference: Path, runs: Sequence[Run], cases: Sequence[str] | None, controls: Sequence[Run], images: Path | None,
    known: Participants, options: Options, command: Sequence[str],
) -> Record:
    how = {"connectivity": options.connectivity, "cluster_filter": options.cluster_filter, "hits": options.hits,
           "processes": options.processes}
    scores = score_folders(reference, runs, **how, cases=cases, distances=options.measures,
                           allow_missing=options.allow_missing)
    healthy = score_controls(controls, **how) if controls else None
    rows, problems = list(scores.rows), list(scores.problems)
    warnings = [*options.warnings, *scores.warnings]
    control_rows: list[CaseRow] = []
    inputs = dict(scores.inputs)
    if healthy is not None:
        control_rows = list(healthy.rows)
        problems += healthy.problems
        warnings += healthy.warnings
        inputs.update(healthy.inputs)
    subjects = list(dict.fromkeys(row.case for row in (*rows, *control_rows)))
    found, absent = of_cases(known, subjects)
    if known and absent:
        warnings.append(f"{len(absent)} of {len(subjects)} cases are not in the participants table: "
                        f"{', '.join(absent[:6])}{', …' if len(absent) > 6 else ''}")
    contrast = None
    if CONTRAST in options.strata:
        contrast, said = _contrast(reference, images, list(dict.fromkeys(row.case for row in rows)), options.processes)
        warnings += said
    meta = make_meta(reference=reference, runs=runs, controls=controls, command=command, inputs=inputs)
    return Record(rows, control_rows, list(scores.candidates), problems, warnings, found, contrast, options.settings(),
                  meta)


def _contrast(
    reference: Path, images: Path, cases: Sequence[str], processes: int
) -> tuple[dict[str, float], list[str]]:
    measure = partial(contrast_of_case, reference=reference, images=images)
    done = each_case(measure, cases, processes=processes, label="contrast")
    found = {case: value for case, value in zip(cases, done, strict=True) if isinstance(value, float)}
    return found, [str(value) for value in done if isinstance(value, CaseError)]

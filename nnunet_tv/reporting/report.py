"""Make a report: score folders of predictions, or redraw the tables of an earlier report."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from nnunet_tv import __version__
from nnunet_tv.postprocessing import STANDARD
from nnunet_tv.reporting.accuracy import accuracies, tested_models
from nnunet_tv.reporting.cohort.make import make_cohort
from nnunet_tv.reporting.cohort.maps import FOLDER
from nnunet_tv.reporting.origins import synthetic_warnings
from nnunet_tv.reporting.record import Record, make_meta, participants_table, read_record
from nnunet_tv.reporting.redraws import Change, Redraw
from nnunet_tv.reporting.report_folder import check_folder, draw_pictures, new_folder, write_problems, write_report
from nnunet_tv.reporting.tables import tv_paper
from nnunet_tv.reporting.tables.comparison import check_primary
from nnunet_tv.reporting.tables.strata import CONTRAST, check_strata
from nnunet_tv.scoring.case_scoring import ScoringOptions
from nnunet_tv.scoring.contrast import contrast_of_case
from nnunet_tv.scoring.folders import patients_as_controls, score_controls, score_folders
from nnunet_tv.scoring.marks import Marks
from nnunet_tv.scoring.model_folder import ModelRuns, check_comparable
from nnunet_tv.scoring.participants import of_cases, read_columns, read_participants
from nnunet_tv.scoring.rescans import compare_rescans
from nnunet_tv.scoring.rows import Scores
from nnunet_tv.scoring.runs import MissingRun, Run
from nnunet_tv.scoring.trainings import find_trainings
from nnunet_tv.utils.errors import CaseError, NnunetTVError
from nnunet_tv.utils.parallel import each_case
from nnunet_tv.utils.times import now


@dataclass(frozen=True)
class ReportOptions:
    """How to score and what to show."""

    scoring: ScoringOptions = field(default_factory=ScoringOptions)  #: all measures are shown if distances are computed
    primary: str = "DC"  #: endpoint chosen before the results were seen: ``DC``, ``sSens`` or ``nFPC``
    seed: int = 0  #: of bootstrap and permutations
    paper: bool = False  #: whether to show Table 1 of the TV paper as well
    strata: tuple[str, ...] = ()  #: names for :func:`nnunet_tv.reporting.tables.strata.make_strata`
    remark: str = ""  #: how the predictions were made, for the notes
    processes: int = 1  #: worker processes

    def settings(self) -> dict[str, Any]:
        """Return the options that determine the tables, as recorded in ``report.json``."""
        scoring, cluster_filter, default = self.scoring, asdict(self.scoring.cluster_filter), asdict(STANDARD)
        size = "min_voxels" if cluster_filter["min_mm3"] is None else "min_mm3"
        return {"connectivity": scoring.connectivity, "hits": list(scoring.hits),
                "filter": {name: cluster_filter[name] for name in (size, "connectivity", *default)
                           if name in (size, "connectivity") or cluster_filter[name] != default[name]},
                "filter_steps": scoring.cluster_filter.steps, "measures": scoring.distances,
                "nsd_tolerance_mm": scoring.nsd_tolerance_mm,
                "allow_missing": scoring.allow_missing, "primary": self.primary, "seed": self.seed,
                "paper": self.paper, "strata": list(self.strata), "remark": self.remark}


def make_report(
    out: str | Path, *, reference: str | Path | None = None, runs: Sequence[Run] = (), models: Sequence[ModelRuns] = (),
    controls: Sequence[Run] = (), images: str | Path | None = None, participants: str | Path | None = None,
    missing: Sequence[MissingRun] = (), options: ReportOptions | None = None, command: Sequence[str] = (),
) -> Record:
    """Score predictions and write the report folder; after any problem with a case only the status of every case.

    Parameters
    ----------
    out, reference : Path
        Report folder, where an earlier report is replaced in one step; folder of references (default: the models').
    runs, controls : sequence of Run
        Predictions to score; those of subjects without a lesion, run k of a group by the model of its run k.
    models : sequence of ModelRuns
        Validated folds of nnU-Net's model folders, from :func:`nnunet_tv.scoring.model_folder.model_runs`.
    images, participants : Path, optional
        Folder of scans (``CASE_0000.nii.gz``) for pictures and lesion contrast; BIDS ``participants.tsv``.
    missing : sequence of MissingRun
        Runs that were to be scored and were not; the tables name them.
    options, command : ReportOptions, sequence of str
        How to score and what to show; the command line, for the record.

    Returns
    -------
    Record
        Its `problems` are empty if the report is complete.

    Raises
    ------
    NnunetTVError
        `out` contains something other than a report; two groups have one name; models that cannot be compared; an
        unknown stratum or endpoint; a run that was not predicted by the model that is given for it, or of cases that
        the model was trained on; as :func:`nnunet_tv.scoring.folders.score_folders`.
    """
    out, options = Path(out).resolve(), options or ReportOptions()
    images, participants = (None if path is None else Path(path) for path in (images, participants))
    groups = [*dict.fromkeys(run.group for run in runs), *(model.group for model in models)]
    if twice := sorted({name for name in groups if groups.count(name) > 1}):
        raise NnunetTVError(f"two groups are named {twice[0]}: name a model with --model NAME=FOLDER")
    if models:
        check_comparable(models)
        reference = models[0].reference
    if reference is None:
        raise NnunetTVError("no references to score against: give a folder of references")
    check_folder(out)
    columns = {} if participants is None else read_participants(participants)
    if participants is not None:
        read_columns(participants)  # an unusable one is named before scoring
    check_primary(options.primary)
    if images is not None and not images.is_dir():
        raise NnunetTVError(f"{images}: no such folder of images")
    check_strata(options.strata, columns, has_images=images is not None)
    if options.paper:
        tv_paper.check_names(groups)
    runs = [*runs, *(run for model in models for run in model.runs)]
    tested, trainings = tested_models(Path(reference), runs), find_trainings(runs)
    record, marks = _score(Path(reference), runs, models, controls, images, participants, options, command)
    record = replace(record, missing_runs=list(missing), trainings=trainings)
    if tested and not record.problems:
        record.meta["accuracy"] = [asdict(one) for one in accuracies(record, tested, Path(reference))]
    with new_folder(out) as work:
        if record.problems:
            write_problems(record, work)
        else:
            warnings = draw_pictures(record, Path(reference), runs, images, work / "pictures",
                                     processes=options.processes)
            cohort = make_cohort(*marks, work / FOLDER, images=images, connectivity=options.scoring.connectivity)
            record = replace(record, warnings=[*record.warnings, *warnings], cohort=cohort)
            write_report(record, work)
    return record


def redraw_report(source: str | Path, out: str | Path, *, participants: str | Path | None = None,
                  command: Sequence[str] = (), **changes: Any) -> Record:
    """Write the tables of an earlier report again, without scoring; the same options give identical tables.

    The redraw is recorded with its date, `command` and what it changed.

    Parameters
    ----------
    source : Path
        ``report.json`` or its folder, with pictures next to it; NnunetTVError if it is unusable or has problems.
    out, participants : Path
        Report folder; another table of the subjects. Errors are those of :func:`make_report`.
    command : sequence of str
        The command line, for the record.
    **changes
        New values of ``primary``, ``seed``, ``paper``, ``strata``, ``remark``; None keeps the earlier value.
    """
    out, source = Path(out).resolve(), Path(source)
    check_folder(out)
    record = read_record(source)
    if record.problems:
        raise NnunetTVError(f"{source}: a report with {len(record.problems)} problems and no tables, the first: "
                            f"{record.problems[0]}")
    changes = {name: list(value) if isinstance(value, tuple) else value for name, value in changes.items()}
    changed = {name: Change(record.settings[name], value) for name, value in changes.items()
               if value is not None and value != record.settings[name]}
    record.settings.update({name: change.after for name, change in changed.items()})
    check_primary(record.settings["primary"])
    if participants is not None:
        record = _with_participants(record, Path(participants))
        before, after = record.meta["participants"], participants_table(Path(participants))
        if after != before:
            changed["participants"] = Change(before, after)
        record.meta["participants"] = after
    record = replace(record, redraws=[*record.redraws, Redraw(now(), tuple(command), __version__, changed)])
    earlier = source if source.is_dir() else source.parent
    with new_folder(out) as work:
        for name in ("pictures", FOLDER):
            if (earlier / name).is_dir():
                shutil.copytree(earlier / name, work / name)
        write_report(record, work)
    return record


def _score(
    reference: Path, runs: Sequence[Run], models: Sequence[ModelRuns], controls: Sequence[Run], images: Path | None,
    participants: Path | None, options: ReportOptions, command: Sequence[str],
) -> tuple[Record, tuple[list[Marks], list[Marks]]]:
    """The record, and what is marked in patients and in controls."""
    how: dict[str, Any] = {"options": options.scoring, "processes": options.processes}
    rescans = compare_rescans(runs, controls, **how)
    scores = score_folders(reference, runs, cases=models[0].cases if models else None, **how)
    healthy = score_controls(controls, **how) if controls else Scores()
    marks = scores.marks, healthy.marks
    record = Record(
        rows=scores.rows, controls=healthy.rows, candidates=scores.candidates, control_candidates=healthy.candidates,
        rescans=rescans.rows, flow=scores.flow,
        problems=[*scores.problems, *healthy.problems, *patients_as_controls(scores.rows, runs, controls),
                  *rescans.problems],
        warnings=[*(text for model in models for text in model.warnings), *scores.warnings, *healthy.warnings,
                  *rescans.warnings],
        settings={**options.settings(), "over_tables": [*synthetic_warnings(reference, [*runs, *controls]),
                                                        *dict.fromkeys(model.note for model in models)]},
        meta=make_meta(reference=reference, runs=runs, controls=controls, participants=participants,
                       settings=options.settings(), command=command,
                       inputs={**scores.inputs, **healthy.inputs, **rescans.inputs}))
    if participants is not None:
        record = _with_participants(record, participants)
    if CONTRAST not in options.strata or images is None:
        return record, marks
    cases = list(dict.fromkeys(row.case for row in record.rows))
    values = each_case(partial(contrast_of_case, reference=reference, images=images), cases,
                       processes=options.processes, label="contrast")
    contrast = {case: value for case, value in zip(cases, values, strict=True) if isinstance(value, float)}
    return replace(record, contrast=contrast, warnings=[
        *record.warnings, *(str(value) for value in values if isinstance(value, CaseError))]), marks


def _with_participants(record: Record, table: Path) -> Record:
    """`record` with the columns of its cases in `table`, and a warning on cases that it lacks in place of the last."""
    found = of_cases(read_participants(table), record.cases())[0]
    before = _absence(record)
    warnings = [text for text in record.warnings if text != before]
    record = replace(record, participants=found, columns=read_columns(table))
    return replace(record, warnings=[*warnings, *([_absence(record)] if len(found) < len(record.cases()) else [])])


def _absence(record: Record) -> str:
    """The warning on cases that the table of participants lacks."""
    cases = record.cases()
    absent = [case for case in cases if case not in record.participants]
    return (f"{len(absent)} of {len(cases)} cases are not in the participants table: "
            f"{', '.join(absent[:6])}{', …' if len(absent) > 6 else ''}")

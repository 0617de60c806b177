"""The report of an experiment over the runs that are finished, and the curve of a sweep."""

from collections.abc import Callable, Sequence
from typing import Any

from nnunet_tv.experiments import commands
from nnunet_tv.experiments.attempts import missing_runs
from nnunet_tv.experiments.commands import Command, Predictions
from nnunet_tv.experiments.config import TEST
from nnunet_tv.experiments.study import Study, TrainingRun
from nnunet_tv.experiments.sweep.files import write_sweep
from nnunet_tv.inference.model_folder import CHANNELS
from nnunet_tv.scoring.runs import MissingRun
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json


def make_reports(study: Study, call: Callable[[Command], None]) -> None:
    """Score what is finished and name what is missing; for a sweep also its curve."""
    missing = missing_runs(study)
    if len(missing) == len(study.runs):
        raise NnunetTVError(f"{study.folder}: no run is finished, so there is nothing to report; the first: "
                            f"{missing[0].group}, run {missing[0].run}: {missing[0].reason}")
    call(report_command(study, missing))
    if study.config.tv_weights:
        names = dict(zip(study.config.trainers, study.config.tv_weights, strict=True))
        write_sweep(study.report, names, study.folder / "sweep")


def report_command(study: Study, missing: Sequence[MissingRun]) -> Command:
    """``nnunet-tv-report`` over the runs that are not missing."""
    config, absent = study.config, {(one.group, one.run) for one in missing}
    finished = [run for run in study.runs if (run.group, run.number) not in absent]
    options: list[str] = []
    for flag, value in (("--strata", ",".join(config.strata)), ("--primary", config.primary)):
        options += [flag, value] if value else []
    options += ["--paper"] if config.paper else []
    if missing:
        options += ["--missing-run", *(f"{one.group}={one.run}:{one.reason}" for one in missing)]
    images = study.raw / ("imagesTs" if config.score == TEST else "imagesTr")
    mirroring = "with nnU-Net's mirroring" if config.mirroring else "without mirroring"
    made = f"nnUNetv2_predict, each run by itself, {mirroring}, overlap 0.5." if config.score == TEST else ""
    where: dict[str, Any] = {"images": images, "remark": " ".join(filter(None, (made, config.remark))),
                             "options": options, "processes": config.processes}
    if config.score == TEST:
        # With the model of each run the report refuses test cases that it was trained on. It then filters in memory,
        # with the filter that it records.
        channels = read_json(study.raw / "dataset.json").get("channel_names", {})
        stated = tuple(channels.get(str(number)) for number in range(len(channels))) == CHANNELS
        return commands.report(study.report, reference=study.raw / "labelsTs",
                               predictions=[_predictions(study, run, stated=stated) for run in finished], **where)
    models = {run.group: run.model.folder(study.results) for run in finished}
    return commands.report(study.report, models=list(models.items()), **where)


def _predictions(study: Study, run: TrainingRun, *, stated: bool) -> Predictions:
    """Predictions of a run, with its model, or where that cannot be given, with the record of its training."""
    fold, raw = study.fold(run), study.predictions(run)
    if stated:
        return Predictions(run.group, raw, predicted_by=fold)
    record = fold / "run.json"
    return Predictions(run.group, raw, run_json=record if record.is_file() else None)

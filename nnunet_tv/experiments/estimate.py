"""What is left to do in an experiment: jobs, hours and disk, each with the basis of the figure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from nnunet_tv.experiments.disk import Disk, disk_items
from nnunet_tv.experiments.study import PREPARATION, REPORT, Study, TrainingRun
from nnunet_tv.experiments.trainer_names import epochs_of
from nnunet_tv.training.record.run_record import RunRecord, read_run_record
from nnunet_tv.utils.errors import NnunetTVError
from nnunet_tv.utils.files import read_json
from nnunet_tv.utils.numbers import counted


@dataclass(frozen=True)
class Hours:
    """Hours of a kind of job that are left; None where nothing is known."""

    title: str
    hours: float | None
    basis: str


@dataclass(frozen=True)
class Estimate:
    """What is left to do."""

    jobs: Mapping[str, int]  #: by step
    done: Mapping[str, int]
    hours: tuple[Hours, ...]
    disk: tuple[Disk, ...]
    device: str


def estimate(study: Study, *, hours_per_run: float | None = None) -> Estimate:
    """Estimate from what was measured in the study, else from `hours_per_run`; what is not known stays unknown."""
    left: dict[str, int] = {}
    done: dict[str, int] = {}
    for step in (*PREPARATION, *study.steps(), REPORT):
        marks = [study.mark(step)] if step in (*PREPARATION, REPORT) else [study.mark(step, run) for run in study.runs]
        done[step] = sum(mark.is_file() for mark in marks)
        left[step] = len(marks) - done[step]
    if not left[REPORT] and any(left.values()):
        left[REPORT], done[REPORT] = 1, 0  # made again with the other runs
    return Estimate(left, done, tuple(_hours(study, hours_per_run)), tuple(disk_items(study)), study.config.device)


def _hours(study: Study, given: float | None) -> Iterator[Hours]:
    yield _training_hours(study, given)
    if "predict" not in study.steps():
        return
    marks = [study.mark("predict", run) for run in study.runs]
    seconds = [read_json(mark)["seconds"] for mark in marks if mark.is_file()]
    n_left = len(marks) - len(seconds)
    yield Hours("prediction of the test cases", n_left * median(seconds) / 3600 if seconds else 0.0 if not n_left else
                None, f"median of {counted(len(seconds), 'prediction')} in this study" if seconds else
                "no prediction was timed in this study")


def _training_hours(study: Study, given: float | None) -> Hours:
    """Hours of the trainings that are left: from timed ones on this device, else as given."""
    records = {(run.group, run.number): record for run in study.runs if (record := _record(study, run)) is not None}
    left = [run for run in study.runs if not study.mark("train", run).is_file()]
    if not left:
        return Hours("training", 0.0, "all trainings are done")
    complete = [record for record in records.values() if record.complete]
    timed = [record for record in records.values() if record.seconds_per_epoch]
    if complete:
        each = median(record.hours for record in complete)
        basis = f"median of {counted(len(complete), 'finished training')} in this study, {each:.2g} h (run.json)"
        return Hours("training", sum(_rest(records, run, each) for run in left), basis + _part(records, left))
    if timed:
        seconds = median(record.seconds_per_epoch or 0.0 for record in timed)
        epochs = [epochs_of(run.model.trainer) for run in left]
        hours = sum(_rest(records, run, seconds * number / 3600) for run, number in zip(left, epochs, strict=True))
        basis = f"median of {counted(len(timed), 'training')} under way, run.json"
        return Hours("training", hours, f"at most: {seconds:.3g} s an epoch ({basis}) times {_range(epochs)} epochs; "
                     "early stopping ends sooner")
    if given is not None:
        return Hours("training", len(left) * given, f"as given: {given:g} h each (--hours-per-run)")
    return Hours("training", None, "no training was timed in this study: give --hours-per-run, or start it; after "
                 "one epoch it is measured")


def _rest(records: Mapping[tuple[str, int], RunRecord], run: TrainingRun, hours: float) -> float:
    """The part of `hours` of a training that is left, by the epochs that are done."""
    record = records.get((run.group, run.number))
    return hours if record is None else hours * max(0.0, 1 - record.epochs / record.planned_epochs)


def _part(records: Mapping[tuple[str, int], RunRecord], left: Sequence[TrainingRun]) -> str:
    begun = sum((run.group, run.number) in records for run in left)
    return f"; {counted(begun, 'training')} of those left with some epochs done" if begun else ""


def _range(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else f"{min(numbers)} to {max(numbers)}"


def _record(study: Study, run: TrainingRun) -> RunRecord | None:
    """``run.json`` of a run that was made on the kind of device that the experiment uses now."""
    try:
        record = read_run_record(study.fold(run) / "run.json")
    except NnunetTVError:
        return None
    return record if record.device.type == study.config.device else None


def estimate_text(found: Estimate, *, at_once: int | None = None) -> str:
    """The estimate for a person."""
    total, done = sum(found.jobs.values()), sum(found.done.values())
    lines = [f"Jobs: {total} to run, {done} done",
             *(f"  {step:<8} {n:>4} to run, {found.done[step]} done" for step, n in found.jobs.items())]
    kind = "GPU-hours" if found.device == "cuda" else "Hours on the CPU"
    known = [each.hours for each in found.hours if each.hours is not None]
    whole = "unknown" if not known else hours_text(sum(known)) + (" and more" if len(known) < len(found.hours) else "")
    lines += ["", f"{kind}: {whole}"]
    for each in found.hours:
        lines += _item(each.title, "unknown" if each.hours is None else f"{hours_text(each.hours)} h", each.basis)
    if found.device == "cuda":
        lines.append("  Converting, planning, filtering and the report take no GPU; the validation at the end of each "
                     "training is not included.")
    if at_once and at_once > 1 and known:
        lines.append(f"  With {at_once} trainings at once: about {hours_text(sum(known) / at_once)} h.")
    sizes = [item.n_bytes for item in found.disk if item.n_bytes is not None]
    whole = "unknown" if not sizes else f"about {size_text(sum(sizes))}" + (
        " and more" if len(sizes) < len(found.disk) else "")
    lines += ["", f"Disk: {whole} in all"]
    for item in found.disk:
        lines += _item(item.title, "unknown" if item.n_bytes is None else size_text(item.n_bytes), item.basis)
    return "\n".join(lines)


def _item(title: str, figure: str, basis: str) -> list[str]:
    """A figure, and below it what it is based on."""
    return [f"  {title}: {figure}", *textwrap.wrap(basis, width=96, initial_indent="    ", subsequent_indent="    ")]


def hours_text(hours: float) -> str:
    """Hours for a person: two significant digits, and whole ones from 10.

    >>> hours_text(0.0417), hours_text(1.25), hours_text(720.4), hours_text(0)
    ('0.042', '1.2', '720', '0')
    """
    return f"{hours:.2g}" if hours < 10 else f"{hours:.0f}"


def size_text(n_bytes: float) -> str:
    """A size for a person.

    >>> size_text(1.5e9), size_text(2e6), size_text(0)
    ('1.5 GB', '2.0 MB', '0.0 MB')
    """
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"

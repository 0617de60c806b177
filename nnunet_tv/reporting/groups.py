"""Scored rows by group and stage, with the runs of a subject averaged: the basis of every table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from nnunet_tv.metrics.registry import NOT_RECORDED, RATE, SHARE, Measure
from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.reporting.statistics import Interval, mean_interval, rate_interval, share_interval, unit_mean_interval
from nnunet_tv.scoring.rows import STAGES, CaseRow

Value = Callable[[CaseScore], float | None]
Limits = tuple[float | None, float | None]


@dataclass(frozen=True)
class GroupStage:
    """One group at one stage."""

    group: str
    stage: str
    runs: tuple[int, ...]  #: ascending
    scores: dict[str, tuple[CaseScore, ...]]  #: scores of each case, in the order of `runs`

    @property
    def one_run(self) -> bool:
        """Whether every subject has one score."""
        return len(self.runs) == 1

    def subjects(self, value: Value) -> dict[str, float]:
        """`value` of each subject, averaged over its runs; subjects where it is None in every run are left out."""
        found = {case: [float(number) for score in scores if (number := value(score)) is not None]
                 for case, scores in self.scores.items()}
        return {case: fmean(values) for case, values in found.items() if values}

    def recorded(self, measure: Measure) -> bool:
        """Whether every score has the measure."""
        return all(measure.recorded(score) for scores in self.scores.values() for score in scores)

    def by_run(self, value: Value) -> np.ndarray:
        """`value` of each subject in each run, shape (subjects, runs), NaN where it is None.

        Subjects where it is None in every run are left out.
        """
        table = np.array([[np.nan if (number := value(score)) is None else float(number) for score in scores]
                          for scores in self.scores.values()]).reshape(len(self.scores), len(self.runs))
        return table[~np.isnan(table).all(axis=1)]

    def mean(self, value: Value, *, limits: Limits = (None, None), seed: int = 0) -> Interval:
        """Mean over the subjects for which `value` is defined, in each run, and then over runs, with its interval."""
        table = self.by_run(value)
        if limits == (0.0, 1.0):
            return unit_mean_interval(np.nan_to_num(table), ~np.isnan(table), seed=seed)
        return mean_interval(np.nan_to_num(table), ~np.isnan(table), limits=limits, seed=seed)

    def interval(self, measure: Measure, *, seed: int = 0) -> Interval:
        """Mean over subjects with its 95 % interval; without a value where the measure is not recorded."""
        if not self.recorded(measure):
            return Interval(None, None, None, 0, NOT_RECORDED)
        if measure.interval == SHARE:
            return share_interval(list(self.subjects(measure.value).values()))
        if measure.interval == RATE:
            return rate_interval(list(self.subjects(measure.value).values()), runs=len(self.runs))
        return self.mean(measure.value, limits=measure.limits, seed=seed)

    def only(self, cases: set[str]) -> GroupStage:
        """The same for some of the subjects."""
        return replace(self, scores={case: scores for case, scores in self.scores.items() if case in cases})


def gather(rows: Sequence[CaseRow]) -> list[GroupStage]:
    """Rows by group (in order of appearance) and stage.

    Raises
    ------
    ValueError
        A row has no score (leaving it out biases the result), or the runs of a group differ in their subjects.
    """
    lost = [row for row in rows if row.score is None]
    if lost:
        raise ValueError(f"{len(lost)} rows have no score, the first {lost[0].case} ({lost[0].status}): no table "
                         "is made of the rest")
    found: dict[tuple[str, str], dict[int, dict[str, CaseScore]]] = {}
    for row in rows:
        if row.score is not None:
            found.setdefault((row.group, row.stage), {}).setdefault(row.run, {})[row.case] = row.score
    return [_group_stage(group, stage, runs)
            for (group, stage), runs in sorted(found.items(), key=lambda item: STAGES.index(item[0][1]))]


def _group_stage(group: str, stage: str, runs: dict[int, dict[str, CaseScore]]) -> GroupStage:
    first, *others = numbers = sorted(runs)
    for number in others:
        if differing := sorted(set(runs[first]) ^ set(runs[number])):
            raise ValueError(f"{group}, {stage}: runs {first} and {number} differ in {len(differing)} subjects, "
                             f"the first {differing[0]}: runs of one group score the same subjects")
    return GroupStage(group, stage, tuple(numbers),
                      {case: tuple(runs[number][case] for number in numbers) for case in runs[first]})

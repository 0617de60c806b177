"""Scored rows gathered by group and stage, with the runs of a subject averaged: the ground of every table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from nnunet_tv.metrics.scores import STAGES, CaseRow, CaseScore

Value = Callable[[CaseScore], float | None]


@dataclass(frozen=True)
class GroupStage:
    """One group at one stage.

    Attributes
    ----------
    group, stage : str
        Which.
    runs : tuple of int
        Its runs, ascending.
    scores : dict of str to tuple of CaseScore
        Case to its scores in the order of `runs`.
    """

    group: str
    stage: str
    runs: tuple[int, ...]
    scores: dict[str, tuple[CaseScore, ...]]

    @property
    def one_run(self) -> bool:
        """Whether every subject has one score."""
        return len(self.runs) == 1

    def by_run(self) -> list[list[CaseScore]]:
        """Scores of all subjects, run by run."""
        return [[scores[position] for scores in self.scores.values()] for position in range(len(self.runs))]

    def subjects(self, value: Value) -> dict[str, float]:
        """`value` of each subject, averaged over its runs; subjects where it is None in every run are left out."""
        means = {}
        for case, scores in self.scores.items():
            found = [float(number) for score in scores if (number := value(score)) is not None]
            if found:
                means[case] = fmean(found)
        return means

    def only(self, cases: set[str]) -> GroupStage:
        """The same for some of the subjects."""
        kept = {case: scores for case, scores in self.scores.items() if case in cases}
        return GroupStage(self.group, self.stage, self.runs, kept)


def gather(rows: Sequence[CaseRow]) -> list[GroupStage]:
    """Rows by group (in order of appearance) and stage.

    Raises
    ------
    ValueError
        A row has no score (figures over the rest would flatter), or the runs of a group differ in their subjects.
    """
    lost = [row for row in rows if row.score is None]
    if lost:
        raise ValueError(f"{len(lost)} rows have no score, the first {lost[0].case} ({lost[0].status}): no table "
                         "is made of the rest")
    found: dict[tuple[str, str], dict[int, dict[str, CaseScore]]] = {}
    for row in rows:
        found.setdefault((row.group, row.stage), {}).setdefault(row.run, {})[row.case] = row.score
    names = list(dict.fromkeys(row.group for row in rows))
    return [_one(group, stage, found[group, stage]) for stage in STAGES for group in names if (group, stage) in found]


def _one(group: str, stage: str, runs: dict[int, dict[str, CaseScore]]) -> GroupStage:
    numbers = sorted(runs)
    cases = runs[numbers[0]]
    for number in numbers[1:]:
        if differing := sorted(set(cases) ^ set(runs[number])):
            raise ValueError(f"{group}, {stage}: runs {numbers[0]} and {number} differ in {len(differing)} subjects, "
                             f"the first {differing[0]}: runs of one group score the same subjects")
    return GroupStage(group, stage, tuple(numbers), {case: tuple(runs[n][case] for n in numbers) for case in cases})


def has_lesion(score: CaseScore) -> bool:
    """Whether the reference of a score holds a lesion."""
    return score.n_lesions > 0


def dice(score: CaseScore) -> float | None:
    """Dice of a subject with a lesion; None without one."""
    return score.dice if has_lesion(score) else None


def detected(score: CaseScore) -> float | None:
    """1 or 0 by the primary hit rule; None without a lesion."""
    return None if score.detected is None else float(score.detected)


def false_clusters(score: CaseScore) -> float:
    """False clusters by the primary hit rule."""
    return float(score.n_false_clusters)


def sensitivity(score: CaseScore) -> float | None:
    """Share of the lesion's voxels that are found; None without a lesion."""
    return score.tp / (score.tp + score.fn) if score.tp + score.fn else None

"""Tables of the agreement between predictions of two scans of one subject."""

from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np

from nnunet_tv.metrics.agreement import Agreement
from nnunet_tv.reporting.statistics import RESAMPLES, mean_interval, share_interval
from nnunet_tv.reporting.tables.table import Cell, Table, csv_text
from nnunet_tv.scoring.rescans import RescanRow
from nnunet_tv.scoring.rows import STAGES

Value = Callable[[Agreement], float | None]


def rescans_csv(rows: Sequence[RescanRow]) -> str:
    """Every subject of every run and stage; Dice is empty where both predictions are."""
    return csv_text(
        ("case", "group", "run", "stage", "dice", "first_clusters", "second_clusters", "clusters_in_both", "first_mm3",
         "second_mm3"),
        [(row.case, row.group, row.run, row.stage, one.dice, one.n_first, one.n_second, one.n_both, one.first_mm3,
          one.second_mm3) for row in rows for one in (row.agreement,)])


def rescans_table(rows: Sequence[RescanRow], *, seed: int = 0) -> Table:
    """Return the agreement of each group at each stage, with 95 % intervals over subjects."""
    lines: list[tuple[Cell, ...]] = []
    for stage in STAGES:
        for group in dict.fromkeys(row.group for row in rows):
            ours = [row for row in rows if (row.group, row.stage) == (group, stage)]
            everyone = _by_subject(ours)
            marked = [runs for runs in everyone if not all(one.empty for one in runs)]
            one_scan_only = _means(everyone, lambda one: (one.n_first == 0) != (one.n_second == 0))
            in_pairs, clusters = (_means(marked, value) for value in (
                lambda one: 2 * one.n_both, lambda one: one.n_first + one.n_second))
            lines.append((
                group, stage, len({row.run for row in ours}), len(everyone), len(everyone) - len(marked),
                share_interval(one_scan_only),
                mean_interval(_means(marked, lambda one: one.dice), limits=(0, 1), seed=seed),
                mean_interval(in_pairs, np.array(clusters), limits=(0, 1), seed=seed),
                *(mean_interval(_means(marked, value), limits=(0, None), seed=seed) for value in (
                    lambda one: (one.first_mm3 + one.second_mm3) / 2000,
                    lambda one: abs(one.first_mm3 - one.second_mm3) / 1000))))
    return Table(
        "rescans", "Agreement of the predictions of two scans of one subject",
        ("Group", "Stage", "Runs", "Subjects", "No cluster in either scan", "Clusters in one scan only", "Dice",
         "Clusters found in both", "Mean volume (ml)", "Volume difference (ml)"),
        tuple(lines), digits={"Mean volume (ml)": 2, "Volume difference (ml)": 2},
        notes=(
            "No reference is used: neither scan is the truth, and what is found in both can still be wrong. Filtered: "
            "both raw predictions filtered here.",
            "No cluster in either scan: number of subjects in whom no run predicts anything in either scan. They "
            "agree, but on no place. Dice and the columns after it leave them out; as a Dice of 1 they would raise its "
            "mean.",
            "Clusters in one scan only: share of all subjects; Clopper-Pearson, n is the number of subjects.",
            "Dice of the two predictions: mean over subjects, 0 where only one scan has a cluster. Clusters found in "
            "both: twice the number of pairs over the number of clusters in both scans together, over all subjects. "
            "The two clusters of a pair share a voxel, and each cluster is in one pair at most. Volumes: mean of the "
            "two scans, and absolute difference between them, averaged over subjects.",
            f"Their intervals: bootstrap-t over subjects, {RESAMPLES} resamples, seed {seed}. Runs of a subject "
            "are averaged first; runs in which neither scan has a cluster count for no Dice. No "
            "interval: too few subjects, or subjects that agree.",
        ),
    )


def _by_subject(rows: Sequence[RescanRow]) -> list[list[Agreement]]:
    """Runs of each subject."""
    return [[row.agreement for row in rows if row.case == case] for case in dict.fromkeys(row.case for row in rows)]


def _means(subjects: Sequence[Sequence[Agreement]], value: Value) -> list[float]:
    """Mean over the runs of each subject in which the value is defined, which is at least one."""
    return [fmean(float(found) for one in runs if (found := value(one)) is not None) for runs in subjects]

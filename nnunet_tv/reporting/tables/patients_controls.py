"""Patients with a lesion against controls, subject by subject: tables of two by two and of predictive values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from nnunet_tv.metrics.registry import DETECTED
from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import clopper_pearson, mean_of_shares, share_interval
from nnunet_tv.reporting.tables.table import Cell, Table
from nnunet_tv.utils.numbers import counted

#: What makes a subject positive.
ANY_CLUSTER, LESION_HIT = "any cluster", "lesion hit"


@dataclass(frozen=True)
class Pair:
    """A group's subjects with references and its controls, at one stage, in the runs that both have."""

    references: GroupStage
    controls: GroupStage

    @property
    def patients(self) -> GroupStage:
        """Subjects with a lesion."""
        return _patients(self.references)

    @property
    def name(self) -> tuple[str, str, int]:
        """First cells of a row: group, stage, number of runs."""
        return self.references.group, self.references.stage, len(self.references.runs)


def make_pairs(groups: Sequence[GroupStage], controls: Sequence[GroupStage]) -> tuple[list[Pair], list[str]]:
    """Pair each group with the controls of its name, and name what is left out.

    Run k of the controls is by the model of run k of the group; other runs are left out, since the scores of another
    model give no specificity of this one. Groups without patients with a lesion, or without controls, have no pair.
    """
    pairs, remarks = [], []
    for healthy in controls:
        if not any(of.group == healthy.group and _patients(of).scores for of in groups):
            remarks.append(f"{healthy.group}: controls, but no patients with a lesion in a group of this name.")
    for group in groups:
        for healthy in controls:
            if (healthy.group, healthy.stage) != (group.group, group.stage) or not _patients(group).scores:
                continue
            runs = [run for run in group.runs if run in healthy.runs]
            pair = Pair(_in_runs(group, runs), _in_runs(healthy, runs))
            if runs != [*group.runs] or runs != [*healthy.runs]:
                remarks.append(f"{group.group}: {counted(len(group.runs), 'run')} of patients, "
                               f"{counted(len(healthy.runs), 'run')} of controls. Patients and controls are compared "
                               + (f"in {counted(len(runs), 'run')} of both." if runs else "in no run."))
            if not runs:
                continue
            pairs.append(pair)
            if both := sorted(set(pair.patients.scores) & set(healthy.scores)):
                remarks.append(f"{group.group}: {counted(len(both), 'control')} with the name of a patient with a "
                               f"lesion ({', '.join(both[:5])}{', …' if len(both) > 5 else ''}). Check that no subject "
                               "is both.")
    return pairs, list(dict.fromkeys(remarks))


def _patients(group: GroupStage) -> GroupStage:
    return group.only({case for case, scores in group.scores.items() if scores[0].n_lesions})


def _in_runs(group: GroupStage, runs: Collection[int]) -> GroupStage:
    kept = tuple(run for run in group.runs if run in runs)
    return replace(group, runs=kept, scores={
        case: tuple(score for run, score in zip(group.runs, scores, strict=True) if run in runs)
        for case, scores in group.scores.items()})


def marked(score: CaseScore) -> bool:
    """Whether there is any cluster."""
    return score.n_clusters > 0


def two_by_two_table(pairs: Sequence[Pair]) -> Table:
    """Two by two of subjects, sensitivity, specificity and balanced accuracy, by two criteria."""
    rows = []
    for pair in pairs:
        alarms = list(pair.controls.subjects(marked).values())
        specificity = share_interval([1 - share for share in alarms])
        for criterion, positive in ((ANY_CLUSTER, marked), (LESION_HIT, DETECTED.value)):
            found = list(pair.patients.subjects(positive).values())
            sensitivity = share_interval(found)
            counts = _counts(pair, sum(found), len(found) - sum(found), sum(alarms), len(alarms) - sum(alarms))
            rows.append((*pair.name, criterion, *counts, sensitivity, specificity,
                         mean_of_shares(sensitivity, specificity)))
    return Table(
        "patients-controls", "Patients and controls: subjects found and spared",
        ("Group", "Stage", "Runs", "Positive by", "TP", "FN", "FP", "TN", "Sensitivity", "Specificity",
         "Balanced accuracy"), tuple(rows),
        digits=dict.fromkeys(("TP", "FN", "FP", "TN"), 1),
        notes=(
            f"Patients: subjects with a lesion in the reference. Positive by {ANY_CLUSTER}: a subject with a predicted "
            f"cluster, wherever it is. Positive by {LESION_HIT}: a patient in whom a cluster hits the lesion by the "
            "primary hit rule (this sensitivity is sSens); a control with a predicted cluster. TP and FN: patients "
            "who are positive, and not; FP and TN: the same of controls; means over runs if there are several. "
            "References without a lesion are neither patients nor controls here.",
            "Sensitivity TP / (TP + FN), specificity TN / (TN + FP), balanced accuracy: their mean.",
            "Intervals: Clopper-Pearson on the number of subjects, as for sSens. Balanced accuracy: from the two "
            "intervals (MOVER, Newcombe's square-and-add); its n is the smaller of patients and controls.",
        ),
    )


def predictive_table(pairs: Sequence[Pair]) -> Table:
    """Predictive values of a cluster, and of none, in a subject."""
    columns = ("Cluster: patients, lesion hit", "Cluster: patients, lesion missed", "Cluster: controls",
               "No cluster: patients", "No cluster: controls")
    rows = []
    for pair in pairs:
        hit, found, alarms = (sum(group.subjects(value).values()) for group, value in (
            (pair.patients, DETECTED.value), (pair.patients, marked), (pair.controls, marked)))
        missed, spared = len(pair.patients.scores) - found, len(pair.controls.scores) - alarms
        rows.append((*pair.name, *_counts(pair, hit, found - hit, alarms, missed, spared),
                     clopper_pearson(found, found + alarms), clopper_pearson(spared, spared + missed),
                     clopper_pearson(hit, found + alarms)))
    return Table(
        "predictive-values", "Patients and controls: what a cluster in a subject means",
        ("Group", "Stage", "Runs", *columns, "PPV", "NPV", "Lesion hit"), tuple(rows),
        digits=dict.fromkeys(columns, 1),
        notes=(
            "Numbers of subjects; means over runs if there are several. PPV: patients / all subjects, of those with "
            "any cluster. NPV: controls / all subjects, of those without. Lesion hit: patients whose lesion is hit by "
            "a cluster (primary hit rule) / all subjects with any cluster.",
            "All three hold for the share of patients among these subjects, not for that of a clinic: with fewer "
            "patients PPV is lower.",
            f"There are no PPV and NPV of the criterion {LESION_HIT}: in a new subject nobody sees whether a cluster "
            "hits the lesion, and a patient with false clusters alone is neither detected nor negative.",
            "Intervals: Clopper-Pearson on the number of subjects with (without) a cluster; with several runs on their "
            "mean number, rounded up where it is shown as n.",
        ),
    )


def _counts(pair: Pair, *counts: float) -> list[Cell]:
    """Whole numbers for one run; means over runs are not."""
    return [round(count) if pair.references.one_run else count for count in counts]

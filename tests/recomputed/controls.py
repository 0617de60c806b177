"""Tables of controls, patients and controls, and of two scans."""

import csv

import numpy as np
from recomputed.compare import interval
from recomputed.figures import bootstrapped, both
from recomputed.intervals import beta_bounds, rate, share
from recomputed.scores import STAGES
from recomputed.study import CONTROLS, GROUPS, RESCAN_GROUPS, RESCANNED, RUNS, SUBJECTS
from scipy import stats
from scipy.optimize import brentq
from sklearn.metrics import roc_auc_score


def participants(scores):
    with (scores.folder / "participants.tsv").open(encoding="utf-8") as stream:
        return {row["participant_id"]: row for row in csv.DictReader(stream, delimiter="\t")}


def known(scores, column, cases):
    """The recorded values of a column of participants.tsv."""
    table = participants(scores)
    values = {case: table.get(case, {}).get(column, "n/a") for case in cases}
    return {case: value for case, value in values.items() if value != "n/a"}


def controls_setup(scores):
    of = {name: list(known(scores, "scanner", cases).values()) for name, cases in
          (("Patients", SUBJECTS), ("Controls", CONTROLS))}
    return [{"Column": "scanner", "Value": value, **{name: found.count(value) for name, found in of.items()}}
            for value in sorted(set(of["Patients"] + of["Controls"]))] + [
        {"Column": "scanner", "Value": "not given",
         **{name: len(cases) - len(of[name]) for name, cases in (("Patients", SUBJECTS), ("Controls", CONTROLS))}}]


def controls(scores):
    rows = []
    for stage, group in both(scores):
        clusters = scores.control_table("n_clusters", group, stage)
        positive = (clusters > 0).mean(axis=1)
        rows.append({
            "Group": group, "Stage": stage, "Runs": RUNS, "Controls": len(CONTROLS),
            **interval("With any cluster", *share(positive)),
            **interval("Without (specificity)", *share(1 - positive)),
            **interval("Clusters per control", *rate(clusters.mean(axis=1), RUNS)),
        })
    return rows


def square_and_add(first, second):
    """Balanced accuracy from two independent shares with their bounds (Newcombe's MOVER)."""
    (a, al, au), (b, bl, bu) = first, second
    return ((a + b) / 2, (a + b - np.hypot(a - al, b - bl)) / 2, (a + b + np.hypot(au - a, bu - b)) / 2)


def patients_controls(scores):
    rows = []
    for stage, group in both(scores):
        sick = scores.lesion_cases()
        spared = (scores.control_table("n_clusters", group, stage) == 0).mean(axis=1)
        for criterion, column in (("any cluster", "n_clusters"), ("lesion hit", "detected")):
            positive = (scores.table(column, group, stage, cases=sick) > 0).mean(axis=1)
            sensitivity, specificity = share(positive), share(spared)
            rows.append({
                "Group": group, "Stage": stage, "Runs": RUNS, "Positive by": criterion,
                "TP": positive.sum(), "FN": len(positive) - positive.sum(),
                "FP": len(spared) - spared.sum(), "TN": spared.sum(),
                **interval("Sensitivity", *sensitivity), **interval("Specificity", *specificity),
                **interval("Balanced accuracy", *square_and_add(sensitivity[:3], specificity[:3]),
                           min(len(sick), len(CONTROLS)), "MOVER"),
            })
    return rows


def share_of_mean(part, whole):
    """Clopper-Pearson on a mean number of subjects; n is rounded up."""
    if not whole:
        return None, None, None, 0, "Clopper-Pearson"
    return part / whole, *beta_bounds(part, whole), int(np.ceil(whole - 1e-9)), "Clopper-Pearson"


def predictive_values(scores):
    rows = []
    for stage, group in both(scores):
        sick = scores.lesion_cases()
        any_cluster = scores.table("n_clusters", group, stage, cases=sick) > 0
        hit = scores.table("detected", group, stage, cases=sick) > 0
        control = scores.control_table("n_clusters", group, stage) > 0
        of = {"hit": hit, "missed": any_cluster & ~hit, "false": control, "lost": ~any_cluster, "spared": ~control}
        n = {name: mask.sum() / RUNS for name, mask in of.items()}
        marked = n["hit"] + n["missed"] + n["false"]
        rows.append({
            "Group": group, "Stage": stage, "Runs": RUNS,
            "Cluster: patients, lesion hit": n["hit"], "Cluster: patients, lesion missed": n["missed"],
            "Cluster: controls": n["false"], "No cluster: patients": n["lost"], "No cluster: controls": n["spared"],
            **interval("PPV", *share_of_mean(n["hit"] + n["missed"], marked)),
            **interval("NPV", *share_of_mean(n["spared"], n["lost"] + n["spared"])),
            **interval("Lesion hit", *share_of_mean(n["hit"], marked)),
        })
    return rows


def newcombe(auc, m, n):
    """Method 5 of Newcombe (2006): Hanley and McNeil's variance at the bound, with the mean of m and n."""
    mean = (m + n) / 2 - 1

    def distance(theta, sign):
        variance = theta * (1 - theta) * (1 + mean * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (m * n)
        return theta + sign * stats.norm.ppf(0.975) * np.sqrt(variance) - auc

    low = brentq(distance, 0, auc, args=(1,)) if auc > 0 else 0.0
    high = brentq(distance, auc, 1 - 1e-15, args=(-1,)) if auc < 1 else 1.0
    return low, high


def roc(scores):
    rows = []
    sick = scores.lesion_cases()
    for group in GROUPS:
        areas = []
        for run in range(RUNS):
            highest = [max((confidence for confidence, _ in scores.candidates[case, group, run]), default=0.0)
                       for case in (*sick, *CONTROLS)]
            areas.append(roc_auc_score([True] * len(sick) + [False] * len(CONTROLS), highest))
        area = float(np.mean(areas))
        rows.append({"Group": group, "Runs": RUNS, "Patients": len(sick), "Controls": len(CONTROLS),
                     **interval("AUC", area, *newcombe(area, len(sick), len(CONTROLS)),
                                min(len(sick), len(CONTROLS)), "Newcombe's method 5")})
    return rows


def rescans(scores):
    rows = []
    for stage in STAGES:
        for group in RESCAN_GROUPS:
            part = scores.rescans[(scores.rescans.group == group) & (scores.rescans.stage == stage)]
            table = {name: part.pivot(index="case", columns="run", values=name).astype(float).to_numpy()
                     for name in part.columns[4:]}
            first, second = table["first_clusters"] > 0, table["second_clusters"] > 0
            subjects = (first | second).any(axis=1)  # the others agree in having no cluster, on no place
            dice = table["dice"][subjects]
            millilitres = [table[name][subjects] / 1000 for name in ("first_mm3", "second_mm3")]
            rows.append({
                "Group": group, "Stage": stage, "Runs": RUNS, "Subjects": len(RESCANNED),
                "No cluster in either scan": (~subjects).sum(),
                **interval("Clusters in one scan only", *share((first != second).mean(axis=1))),
                **bootstrapped("Dice", np.nanmean(dice, axis=1, keepdims=True), low=0, high=1),
                **bootstrapped("Clusters found in both",
                               2 * table["clusters_in_both"][subjects].mean(axis=1, keepdims=True),
                               (table["first_clusters"] + table["second_clusters"])[subjects].mean(
                                   axis=1, keepdims=True), low=0, high=1),
                **bootstrapped("Mean volume (ml)", (millilitres[0] + millilitres[1]) / 2, low=0),
                **bootstrapped("Volume difference (ml)", np.abs(millilitres[0] - millilitres[1]), low=0),
            })
    return rows

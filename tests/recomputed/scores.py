"""All scores of the study: one table per kind of row, from the files of make_study."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from recomputed.images import (
    FULL,
    Image,
    Reference,
    components,
    filtered,
    read,
    read_probability,
    reference_of,
    score_case,
)
from recomputed.study import CONTROLS, GROUPS, RESCAN_GROUPS, RESCANNED, RUNS, SUBJECTS
from scipy import ndimage

STAGES = ("raw", "filtered")


@dataclass
class Scores:
    """Rows of cases.csv and clusters.csv (with the controls), lesions.csv and rescans.csv; candidates."""

    folder: Path
    cases: pd.DataFrame
    clusters: pd.DataFrame
    lesions: pd.DataFrame
    rescans: pd.DataFrame
    #: (case, group, run): the candidates of FROC as (confidence, true)
    candidates: dict

    def table(self, column, group, stage, *, cases=SUBJECTS):
        """A column of the cases as an array (subjects, runs), undefined values as NaN."""
        rows = self.cases[(self.cases.group == group) & (self.cases.stage == stage)]
        return rows.pivot(index="case", columns="run", values=column).loc[list(cases)].astype(float).to_numpy()

    def control_table(self, column, group, stage):
        return self.table(column, group, stage, cases=CONTROLS)

    def lesion_cases(self):
        """The subjects with a lesion."""
        one = self.cases[(self.cases.group == GROUPS[0]) & (self.cases.run == 0) & (self.cases.stage == "raw")]
        return tuple(one.case[one.n_lesions > 0])


def score_study(folder: Path) -> Scores:
    """Score every prediction of every group, run, subject and control."""
    cases, clusters, lesions, rescans, found = [], [], [], [], {}
    for group in GROUPS:
        for run in range(RUNS):
            name = f"{group}{run}"
            for case in (*SUBJECTS, *CONTROLS):
                kind = "" if case in SUBJECTS else "controls_"
                path = folder / (kind.strip("_") or "pred") / name / f"{case}.nii.gz"
                probability = read_probability(folder / f"{kind}prob" / name, case, path)
                image = read(path)
                reference = reference_of(folder / "labels", case) if case in SUBJECTS else Reference(
                    Image(np.zeros(image.data.shape, bool), image.affine))
                stages, found[case, group, run] = score_case(reference, image.data, probability)
                for stage, (row, cluster_rows, lesion_rows) in stages.items():
                    key = {"case": case, "group": group, "run": run, "stage": stage}
                    if case in CONTROLS:  # distances are of no table
                        row |= dict.fromkeys(("hd95_mm", "masd_mm", "assd_mm", "nsd"))
                    cases.append({**key, **row})
                    clusters += [{**key, **part} for part in cluster_rows]
                    lesions += [{**key, **part} for part in lesion_rows]
            rescans += [row for case in RESCANNED if group in RESCAN_GROUPS
                        for row in rescan_rows(folder, case, group, run)]
    return Scores(folder, *(pd.DataFrame(rows) for rows in (cases, clusters, lesions, rescans)), found)


def rescan_rows(folder, case, group, run):
    """Agreement of the predictions of two scans, raw and filtered."""
    first = read(folder / ("pred" if case in SUBJECTS else "controls") / f"{group}{run}" / f"{case}.nii.gz")
    second = read(folder / "rescan" / f"{group}{run}" / f"{case}.nii.gz")
    for stage in STAGES:
        a, b = ((image.data > 0 if stage == "raw" else filtered(image.data > 0)) for image in (first, second))
        yield {"case": case, "group": group, "run": run, "stage": stage,
               "dice": 2 * (a & b).sum() / (a.sum() + b.sum()) if a.any() or b.any() else None,
               "first_clusters": len(components(a)), "second_clusters": len(components(b)),
               "clusters_in_both": pairs_of_clusters(a, b),
               "first_mm3": a.sum() * first.voxel_mm3, "second_mm3": b.sum() * second.voxel_mm3}


def pairs_of_clusters(a, b):
    """The most one-to-one pairs of clusters that share a voxel (augmenting paths, Kuhn)."""
    (first, n), (second, _) = (ndimage.label(mask, structure=FULL) for mask in (a, b))
    shared = {i: set(np.unique(second[first == i])) - {0} for i in range(1, n + 1)}
    partner = {}

    def augment(i, seen):
        for j in shared[i] - seen:
            seen.add(j)
            if j not in partner or augment(partner[j], seen):
                partner[j] = i
                return True
        return False

    return sum(augment(i, set()) for i in shared)

"""Tables of hit rules: detection under each of them, and true lesions lost to the filter."""

from collections.abc import Sequence
from functools import partial
from itertools import chain

from nnunet_tv.metrics.scores import CaseScore
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import rate_interval, share_interval
from nnunet_tv.reporting.tables.table import Table
from nnunet_tv.scoring.rows import FILTERED, CaseRow


def _hit_count(score: CaseScore, *, rule: str, count: str) -> float | None:
    return getattr(score.hits[rule], count)


def rules_table(groups: Sequence[GroupStage]) -> Table:
    """Detection and false clusters under every hit rule given."""
    rows = []
    for group in groups:
        scores = list(chain(*group.scores.values()))
        lesions = sum(score.n_lesions for score in scores)
        for number, rule in enumerate(scores[0].hits):
            seen, false = (list(group.subjects(partial(_hit_count, rule=rule, count=count)).values())
                           for count in ("detected", "n_false_clusters"))
            found = sum(score.hits[rule].n_lesions_found for score in scores)
            rows.append((group.group, group.stage, rule + (" (primary)" if number == 0 else ""),
                         share_interval(seen), rate_interval(false, runs=len(group.runs)),
                         f"{found} of {lesions}"))
    return Table(
        "hit-rules", "How much the hit rule matters",
        ("Group", "Stage", "Hit rule", "sSens", "nFPC", "Lesions found"), tuple(rows),
        notes=(
            "any: one shared voxel. overlap:F: at least the share F of the lesion's voxels (for a cluster to be true: "
            "of the cluster's). center: a cluster's centre of mass is in the lesion. distance:D: at most D mm "
            "between voxel centres; MELD counts a border zone of 20 mm.",
            "sSens: share of the subjects with a lesion of whom at least one lesion is found; nFPC: clusters that are "
            "not true by the rule, per subject. Intervals over subjects, as in the table of figures with intervals: "
            "Clopper-Pearson; Poisson with the dispersion of the counts. Runs of a subject are averaged first.",
            "Lesions found: summed over runs; a subject may have several lesions. All other tables but that of "
            "clusters use the primary rule. It has to be named before the results are seen (the first --hit).",
        ),
    )


def lost_table(rows: Sequence[CaseRow]) -> Table:
    """True lesions lost to the filter, by step; without rows where every filtered segmentation came as a file."""
    before = {(row.group, row.run, row.case): row.score.n_lesions_hit for row in rows
              if row.stage != FILTERED and row.score is not None}
    filtered = [row for row in rows if row.stage == FILTERED and row.lost is not None]
    lines = []
    for group in dict.fromkeys(row.group for row in filtered):
        ours = [row for row in filtered if row.group == group]
        hit = sum(before.get((group, row.run, row.case), 0) for row in ours)
        lost = [[getattr(row.lost, step) for row in ours] for step in ("by_filter", "by_opening", "by_size")]
        lines.append((group, len(ours), hit, *("not known" if None in numbers else sum(numbers) for numbers in lost)))
    return Table(
        "lost-lesions", "True lesions lost by the filter",
        ("Group", "Scores", "Lesions found before", "Lost", "by opening", "by size"), tuple(lines),
        notes=(
            "Lesions found by the raw prediction and no longer found after the filter, by the primary hit rule, summed "
            "over subjects and runs. Opening erases any sheet two voxels thick, which is the shape of thickened "
            "cortex.",
            "Not known: the step, for filtered segmentations given as files.",
        ),
    )

"""Tables of the controls: clusters in subjects without a lesion, and whether these were scanned like the patients."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import attrgetter

from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import rate_interval, share_interval
from nnunet_tv.reporting.tables.summaries import poisson_of_run
from nnunet_tv.reporting.tables.table import Table
from nnunet_tv.scoring.participants import NOT_GIVEN, Participants

#: Columns that describe how a subject was scanned.
SETUP_COLUMNS = ("acquisition", "scanner", "scanner_model", "manufacturer", "coil", "site", "center", "protocol",
                 "field_strength")
UNKNOWN_SETUP = (
    "It is not known whether the controls were scanned like the patients: another scanner or coil can create or hide "
    "clusters. (In ds004199 all 85 controls were scanned with one of two configurations of scanner and coil, half of "
    "the patients with the other.) A participants table with one of the following columns would show it: "
    + ", ".join(SETUP_COLUMNS) + "."
)


def controls_tables(
    controls: Sequence[GroupStage], *, patients: Collection[str] = (), participants: Participants | None = None
) -> tuple[Table, ...]:
    """Return the table of clusters in controls, all of them false, and the table of scanners if these are known.

    Controls are compared with `patients` by the :data:`SETUP_COLUMNS` of `participants`.
    """
    n_clusters = attrgetter("n_clusters")
    one_run = any(group.one_run for group in controls)
    rows = []
    for group in controls:
        any_cluster = list(group.subjects(lambda score: score.n_clusters > 0).values())
        counts = list(group.subjects(n_clusters).values())
        rows.append((group.group, group.stage, len(group.runs), len(counts),
                     share_interval(any_cluster), share_interval([1 - share for share in any_cluster]),
                     rate_interval(counts, runs=len(group.runs)),
                     *([poisson_of_run(group, n_clusters)] if one_run else [])))
    scans = scanning(patients, controls[0].scores, participants or {})
    clusters = Table(
        "controls", "Controls: subjects without a lesion",
        ("Group", "Stage", "Runs", "Controls", "With any cluster", "Without (specificity)", "Clusters per control",
         *(["the same, exact Poisson"] if one_run else [])),
        tuple(rows), warnings=scans.warnings,
        notes=("Shares: Clopper-Pearson, with several runs of the controls' mean shares in the number of controls. "
               "Clusters per control: as nFPC in the table of uncertainty; exact Poisson if there was no cluster."
               + (" The column \"exact Poisson\", for one run, takes clusters as independent of each other; they "
                  "concentrate in few subjects, so that it is too narrow." if one_run else ""),
               "Controls are compared with patients below, and counted with the clusters where it is stated. They are "
               "not in Table 1, the comparisons, curves and strata, unless they are also among the references."),
    )
    scanners = Table("controls-setup", "How patients and controls were scanned",
                     ("Column", "Value", "Patients", "Controls"), scans.rows)
    return (clusters, scanners) if scans.rows else (clusters,)


@dataclass(frozen=True)
class Scanning:
    """How patients and controls were scanned."""

    rows: tuple[tuple[str, str, int, int], ...]  #: column, value, patients and controls with it; empty if not known
    warnings: tuple[str, ...]  #: of values that only one of them has, or that it is not known


def scanning(patients: Collection[str], controls: Collection[str], participants: Participants) -> Scanning:
    """Compare patients and controls by the :data:`SETUP_COLUMNS` of `participants`."""
    rows, warnings = [], []
    for column in SETUP_COLUMNS:
        ours, theirs = (Counter(participants.get(case, {}).get(column, NOT_GIVEN) for case in cases)
                        for cases in (patients, controls))
        levels = sorted({*ours, *theirs})
        if set(levels) <= {NOT_GIVEN}:
            continue
        rows += [(column, level, ours[level], theirs[level]) for level in levels]
        if any(not (ours[level] and theirs[level]) for level in levels):
            counts = "; ".join(f"{level}: {ours[level]} of {len(patients)} patients, {theirs[level]} of "
                               f"{len(controls)} controls" for level in levels)
            warnings.append(f"Confounded: {column} {counts}. A difference between patients and controls may be due to "
                            "scanning.")
    return Scanning(tuple(rows), tuple(warnings) if rows else (UNKNOWN_SETUP,))

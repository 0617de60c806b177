"""Controls as their own block: how many have any cluster, how many each, and whether they compare at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.statistics import rate_interval, share_interval
from nnunet_tv.reporting.tables.summaries import poisson_of_run
from nnunet_tv.reporting.tables.table import Table
from nnunet_tv.scoring.participants import NOT_GIVEN, Participants

#: Columns that tell how a subject was scanned.
SETUP_COLUMNS = ("acquisition", "scanner", "scanner_model", "coil", "site", "center", "protocol", "field_strength")
UNKNOWN_SETUP = (
    "Whether controls were scanned as the patients were is not known to this report: a different scanner or coil can "
    "make or hide clusters. (In ds004199 all 85 controls were scanned with one of two scanner and coil set-ups, half "
    "of the patients with the other.) A participants table with one of the columns " + ", ".join(SETUP_COLUMNS)
    + " would show it."
)


def controls_table(groups: Sequence[GroupStage], *, warnings: Sequence[str] = (), seed: int = 0) -> Table:
    """Clusters in subjects without a lesion; every cluster there is a false one."""
    rows = []
    for group in groups:
        any_cluster = list(group.subjects(lambda score: float(score.n_clusters > 0)).values())
        counts = list(group.subjects(lambda score: float(score.n_clusters)).values())
        rows.append((group.group, group.stage, len(group.runs), len(counts),
                     share_interval(any_cluster, seed=seed, one_run=group.one_run),
                     share_interval([1 - share for share in any_cluster], seed=seed, one_run=group.one_run),
                     rate_interval(counts, seed=seed), poisson_of_run(group, lambda score: float(score.n_clusters))))
    return Table(
        "controls", "Controls: subjects without a lesion, apart from all other tables",
        ("Group", "Stage", "Runs", "Controls", "With any cluster", "Without (specificity)", "Clusters per control",
         "the same, exact Poisson"),
        tuple(rows), warnings=tuple(warnings),
        notes=("Shares: Clopper-Pearson for one run; for several, bootstrap over controls. Clusters per control: "
               f"bootstrap, seed {seed}; where none was seen, exact Poisson.",
               "No control is in Table 1 or any other table unless it is among the references too."),
    )


def setup_warnings(
    participants: Participants | None, patients: Iterable[str], controls: Iterable[str]
) -> tuple[list[str], Table | None]:
    """Whether controls and patients were scanned alike, as far as columns tell: warnings, and the counts."""
    participants = participants or {}
    lines, warnings = [], []
    patients, controls = list(patients), list(controls)
    for column in SETUP_COLUMNS:
        ours, theirs = (Counter(participants.get(case, {}).get(column, NOT_GIVEN) for case in cases)
                        for cases in (patients, controls))
        if set(ours) | set(theirs) <= {NOT_GIVEN}:
            continue
        levels = sorted(set(ours) | set(theirs))
        lines += [(column, level, ours[level], theirs[level]) for level in levels]
        apart = [level for level in levels if not (ours[level] and theirs[level])]
        if apart:
            warnings.append(
                f"Confounded: {column} " + "; ".join(
                    f"{level}: {ours[level]} of {len(patients)} patients, {theirs[level]} of {len(controls)} controls"
                    for level in levels)
                + ". A difference between patients and controls may be one of scanning.")
    if not lines:
        return [UNKNOWN_SETUP], None
    return warnings, Table("controls-setup", "How patients and controls were scanned",
                           ("Column", "Value", "Patients", "Controls"), tuple(lines))

"""Tables of the flow of cases: from the folders to the figures, with the name of every case that is lost."""

from collections.abc import Sequence

from nnunet_tv.metrics.scores import BOTH_EMPTY, EMPTY_PREDICTION
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.tables.table import Table
from nnunet_tv.scoring.rows import MISSING, CaseRow

#: Names in a cell.
_SHOWN = 20


def flow_table(record: Record) -> Table:
    """Numbers of cases from the folder of references to the tables.

    Raises
    ------
    ValueError
        The references that were found, less those left out, are not the cases that were scored.
    """
    scored = list(dict.fromkeys(row.case for row in record.rows))
    references = {row.case: row.score for row in record.rows if row.score is not None}
    empty = [case for case in scored if case in references and not references[case].n_lesions]
    unusable = list(dict.fromkeys(row.case for row in record.rows if row.score is None))
    missing = list(dict.fromkeys(row.case for row in record.rows if row.status == MISSING))
    rows: list[tuple[str, int, str]] = []
    if (flow := record.flow) is not None:
        if set(flow.references) - set(flow.left_out) != set(scored):
            raise ValueError(f"{len(scored)} scored cases are not the {len(flow.references)} references less the "
                             f"{len(flow.left_out)} left out")
        rows += [("References found", len(flow.references), ""),
                 ("Left out: other cases were chosen", len(flow.left_out), _names(flow.left_out))]
    rows += [("Left out: unusable, or on another grid", len(unusable), _names(unusable)),
             ("Scored", len(scored) - len(unusable), ""),
             ("Scored: with a lesion in the reference", len(references) - len(empty), ""),
             ("Scored: empty reference", len(empty), _names(empty)),
             ("Scored: prediction missing, taken as empty (--allow-missing)", len(missing), _names(missing))]
    if flow is not None:
        other = list(dict.fromkeys(case for cases in flow.unscored.values() for case in cases))
        rows.append(("Not scored: predictions of other cases", len(other), _names(other)))
    if record.controls:
        rows.append(("Controls: scored without a reference", len({row.case for row in record.controls}), ""))
    return Table(
        "flow", "Flow of cases", ("Step", "Cases", "Which"), tuple(rows), prose=True,
        notes=("References found, less those left out and unusable, are the cases scored; these are the cases with a "
               "lesion and those with an empty reference. A case is unusable if its reference or one of its "
               "predictions is: no table is made then, so that none is left out of a figure.",
               "A missing prediction stops the report, too, unless --allow-missing is given; it is then scored as "
               "empty. The case counts once, whatever the number of runs that lack it, raw or filtered.",
               "Every case of every run has a row with its status in cases.csv; all names of this table are in "
               "report.json."))


def predictions_table(record: Record) -> Table:
    """Numbers of predictions of each group and stage."""
    rows: list[tuple[str | int, ...]] = []
    for kind, part in (("patients", record.rows), ("controls", record.controls)):
        groups: dict[tuple[str, str], list[CaseRow]] = {}
        for row in part:
            groups.setdefault((row.group, row.stage), []).append(row)
        for (group, stage), found in groups.items():
            missing = sum(row.status == MISSING for row in found)
            unusable = sum(row.score is None and row.status != MISSING for row in found)
            rows.append((kind, group, stage, len({row.run for row in found}), len({row.case for row in found}),
                         len(found), len(found) - missing - unusable, missing, unusable,
                         sum(row.score is not None for row in found),
                         sum(row.status in (EMPTY_PREDICTION, BOTH_EMPTY) for row in found)))
    return Table(
        "flow-predictions", "Predictions of each group",
        ("Subjects", "Group", "Stage", "Runs", "Cases", "Predictions expected", "Found", "Missing, scored as empty",
         "Unusable or on another grid", "Scored", "Found and empty"), tuple(rows),
        notes=("Expected: one prediction of every case in every run. Expected is found, missing and unusable together; "
               "scored is found and missing together.",))


def _names(cases: Sequence[str]) -> str:
    more = len(cases) - _SHOWN
    return ", ".join([*cases[:_SHOWN], *([f"and {more} more (report.json)"] if more > 0 else [])])

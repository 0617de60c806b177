"""The section of agreement between two scans."""

from nnunet_tv.reporting.sections.base import ReportContext, Section
from nnunet_tv.reporting.tables.rescans import rescans_table
from nnunet_tv.utils.numbers import counted


def rescans_section(context: ReportContext) -> Section | None:
    """Agreement of the predictions of two scans; None without second scans."""
    rows = context.record.rescans
    if not rows:
        return None
    scored = {row.case for row in (*context.record.rows, *context.record.controls)}
    again = {row.case for row in rows}
    return Section(
        "rescans", "Rescan agreement",
        text=(f"{counted(len(again), 'subject')} with two scans, among them {len(again & scored)} of the {len(scored)} "
              "patients and controls of this report. The same model predicted both scans. Unless the brain has changed "
              "in between, it should mark the same places.",
              "Published, for orientation only: Dice 0.38 between two scans for MELD Graph and 0.35 for deepFCD "
              "(medRxiv 2025.04.06.25325315). Other subjects and scanners: no comparison with your figures."),
        tables=(rescans_table(rows, seed=context.seed),))

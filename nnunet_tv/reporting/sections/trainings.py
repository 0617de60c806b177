"""The section on how the models were trained."""

from nnunet_tv.reporting.sections.base import ReportContext, Section
from nnunet_tv.reporting.study.trainings import trainings_table


def trainings_section(context: ReportContext) -> Section | None:
    """A row for each training; None for a report of a version that did not look for them."""
    trainings = context.record.trainings
    if trainings is None:
        return None
    return Section("trainings", "How the models were trained", tables=(trainings_table(trainings),))

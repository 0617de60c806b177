"""The section of the test set: who was tested, and which cases became figures."""

from nnunet_tv.reporting.sections.base import ReportContext, Section
from nnunet_tv.reporting.study.description import description_table
from nnunet_tv.reporting.study.flow import flow_table, predictions_table


def study_section(context: ReportContext) -> Section:
    """Description of patients and controls, flow of cases, and predictions by group."""
    record = context.record
    return Section("test-set", "Test set",
                   tables=(description_table(record), flow_table(record), predictions_table(record)))

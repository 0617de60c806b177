"""The sections on the study: who was tested, which cases became figures, and the items of reporting guidelines."""

from collections.abc import Sequence

from nnunet_tv.reporting.sections.base import ReportContext, Section
from nnunet_tv.reporting.study.checklist import checklist_table
from nnunet_tv.reporting.study.description import description_table
from nnunet_tv.reporting.study.flow import flow_table, predictions_table
from nnunet_tv.reporting.study.missing_runs import runs_table


def study_section(context: ReportContext) -> Section:
    """Description of patients and controls, flow of cases, and predictions by group."""
    record = context.record
    return Section("test-set", "Test set",
                   tables=(description_table(record), flow_table(record), predictions_table(record),
                           *([runs_table(record)] if record.missing_runs else [])))


def checklist_section(context: ReportContext, sections: Sequence[Section]) -> Section:
    """Items of reporting guidelines, and which of `sections` answers each."""
    anchors = [section.key for section in sections]
    anchors += [f"table-{table.key}" for section in sections for table in section.tables]
    return Section("checklist", "Reporting checklists",
                   text=("Which part of this report answers which item of CLAIM 2024, STARD-AI and TRIPOD+AI, and what "
                         "you must write yourself.",),
                   tables=(checklist_table(context.record, anchors),), appendix=True)

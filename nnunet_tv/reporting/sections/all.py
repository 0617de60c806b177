"""All sections of the report, in the order of the page."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.redraws import choice_warnings
from nnunet_tv.reporting.sections.base import ReportContext, Section
from nnunet_tv.reporting.sections.calibration import calibration_section
from nnunet_tv.reporting.sections.cohort import cohort_section
from nnunet_tv.reporting.sections.curves import curves_section
from nnunet_tv.reporting.sections.patients_controls import patients_controls_section
from nnunet_tv.reporting.sections.rescans import rescans_section
from nnunet_tv.reporting.sections.study import checklist_section, study_section
from nnunet_tv.reporting.sections.table_one import footnotes, summary, summary_note, table_one_rows, table_one_section
from nnunet_tv.reporting.sections.trainings import trainings_section
from nnunet_tv.reporting.tables import comparison, controls, hit_rules, measures, strata, summaries
from nnunet_tv.reporting.tables.cluster_shares import cluster_table
from nnunet_tv.reporting.tables.patients_controls import make_pairs
from nnunet_tv.reporting.tables.table import Table
from nnunet_tv.reporting.tables.table_one import TableOneRow


@dataclass(frozen=True)
class Sections:
    """All sections, and Table 1 as rows."""

    sections: list[Section]  #: Table 1 is the first
    table_one: list[TableOneRow]
    shown: list[TableOneRow]  #: the same, and the TV paper's rows if requested
    notes: list[str]  #: under Table 1
    summary: list[str]  #: one sentence per group and stage, and what they have in common

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings over Table 1."""
        return self.sections[0].warnings

    def tables(self) -> list[Table]:
        """Return the tables except Table 1, which has files of its own form."""
        return [table for section in self.sections[1:] for table in section.tables]


def make_sections(record: Record, folder: Path) -> Sections:
    """Make every section of the report; curves are drawn in ``folder/curves``.

    NnunetTVError is raised if a group has the name of a row of the paper, and for an unknown stratum or endpoint.
    """
    context = ReportContext(record, folder)
    (ours, shown), notes = table_one_rows(context), footnotes(record)
    sections = [table_one_section(context, shown, notes),
                *(section for make in _SECTIONS if (section := make(context)) is not None)]
    return Sections([*sections, checklist_section(context, sections)], ours, shown, notes,
                    [*(summary(group, context.seed) for group in context.groups), summary_note(context)])


def _uncertainty(context: ReportContext) -> Section:
    return Section("uncertainty", "Uncertainty",
                   tables=(summaries.uncertainty_table(context.groups, seed=context.seed),))


def _comparison(context: ReportContext) -> Section:
    primary = context.settings["primary"]
    made = [table for stages in (False, True) for table in (
        comparison.comparison_table(context.groups, primary=primary, stages=stages, seed=context.seed),
        comparison.trainings_table(context.groups, primary=primary, stages=stages))]
    tables = (replace(table, warnings=(*choice_warnings(context.record), *table.warnings), folded=number > 1)
              for number, table in enumerate(made) if table.rows)
    return Section("comparison", "Comparisons", tables=tuple(tables))


def _hits(context: ReportContext) -> Section:
    lost = hit_rules.lost_table(context.record.rows)
    pairs, _ = make_pairs(context.groups, context.controls)
    return Section("hits", "Hit rules, clusters, and lesions lost by the filter",
                   tables=(hit_rules.rules_table(context.groups),
                           cluster_table(context.groups, pairs), *([lost] if lost.rows else [])))


def _strata(context: ReportContext) -> Section | None:
    if not context.settings["strata"]:
        return None
    levels = strata.make_strata(context.settings["strata"], context.references,
                                participants=context.record.participants, contrast=context.record.contrast)
    tables = (strata.stratum_table(context.groups, *each, settings=context.settings, seed=context.seed)
              for each in levels.items())
    return Section("strata", "Strata", tables=tuple(tables))


def _controls(context: ReportContext) -> Section | None:
    if not context.controls:
        return None
    tables = controls.controls_tables(context.controls, patients=context.references,
                                      participants=context.record.participants)
    pairs, remarks = make_pairs(context.groups, context.controls)
    # With pairs, the remarks are in the section of patients and controls.
    return Section("controls-block", "Controls", warnings=() if pairs else tuple(remarks), tables=tables)


def _measures(context: ReportContext) -> Section | None:
    if not context.settings["measures"]:
        return None
    table = measures.measures_table(context.groups, distances=True, settings=context.settings, seed=context.seed)
    return Section("all-measures", "All measures", tables=(table,))


#: Makers of the sections after Table 1, in the order of the page; None leaves a section out.
_SECTIONS: tuple[Callable[[ReportContext], Section | None], ...] = (
    study_section, trainings_section, _uncertainty, _comparison, _hits, curves_section, calibration_section, _strata,
    _controls, patients_controls_section, rescans_section, cohort_section, _measures)

"""The section of the cohort map."""

from nnunet_tv.reporting.cohort.maps import FOLDER, CohortMap, Place
from nnunet_tv.reporting.cohort.tables import maps_table, places_table
from nnunet_tv.reporting.sections.base import Figure, ReportContext, Section
from nnunet_tv.utils.numbers import fixed

TITLE = "Cohort map"


def cohort_section(context: ReportContext) -> Section | None:
    """Places marked in many subjects; the reason if the cases share no grid; None without any record of it."""
    cohort = context.record.cohort
    if cohort is None:
        return None
    if cohort.reason:
        return Section("cohort", TITLE, text=(f"There is no map of all predictions together: {cohort.reason}. "
                                              "Predictions in the template's space have one.",))
    flagged = [(one, place) for one in cohort.maps for place in one.places]
    warnings = tuple(_warning(one, place) for one, place in flagged if one.limit and place.n_false >= one.limit)
    paths = {one.stem: context.work / FOLDER / f"{one.stem}.png" for one in cohort.maps if one.most}
    figures = tuple(Figure(paths[one.stem],
                           f"{one.group}, {one.stage}: number of subjects marked at each voxel, slices in three planes",
                           f"{one.group}, {one.stage}: number of subjects, of {one.n_subjects}, with a cluster at each "
                           f"voxel. Background: {cohort.background or 'none'}.")
                    for one in cohort.maps if one.stem in paths and paths[one.stem].is_file())
    text = ["All predictions of a group, one upon the other. Clusters at the same place in many subjects point to a "
            "fault of the model or the scans, or to a lobe in which lesions are frequent; the table shows how many are "
            "false."]
    unlimited = [f"{one.group}, {one.stage}" for one in cohort.maps if one.limit is None]
    if unlimited:
        text.append(f"Nothing can be flagged in {'; '.join(unlimited)}: there are too few subjects, or too many marks, "
                    "and no number of subjects would be beyond chance.")
    if not flagged and len(unlimited) < len(cohort.maps):
        text.append("No place is marked in more subjects than chance allows.")
    if paths and not figures:
        text.append("No pictures: none were found next to the report from which this one was made.")
    return Section("cohort", TITLE, text=tuple(text), warnings=warnings, figures=figures,
                   tables=(maps_table(cohort), *([places_table(cohort)] if flagged else [])))


def _warning(one: CohortMap, place: Place) -> str:
    where = ", ".join(fixed(value) for value in place.peak_mm)
    region = f", {place.region}" if place.region else ""
    return (f"{one.group}, {one.stage}: {place.n_false} of {one.n_subjects} subjects have a false cluster at one "
            f"place, ({where}) mm{region}. Chance allows fewer than {one.limit}.")

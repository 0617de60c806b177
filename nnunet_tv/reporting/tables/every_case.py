"""The table of cases on the page."""

from collections.abc import Mapping, Sequence
from typing import Any

from nnunet_tv.metrics.registry import ENDPOINTS
from nnunet_tv.reporting.groups import GroupStage
from nnunet_tv.reporting.tables.measures import endpoint_notes
from nnunet_tv.reporting.tables.table import Table
from nnunet_tv.scoring.rows import STAGES


def cases_table(groups: Sequence[GroupStage], settings: Mapping[str, Any]) -> Table:
    """Every case, averaged over the runs of each group, raw and filtered side by side."""
    endpoints = [endpoint.with_settings(settings) for endpoint in ENDPOINTS.values()]
    figures = {(group.group, endpoint.key, group.stage): group.subjects(endpoint.value)
               for group in groups for endpoint in endpoints}
    shown = [(endpoint, stage) for endpoint in endpoints for stage in STAGES]
    columns = {f"{endpoint.label}, {stage}": endpoint.digits for endpoint, stage in shown}
    return Table(
        "every-case", "Every case, averaged over runs", ("Case", "Reference (mm³)", "Group", *columns),
        tuple((case, scores[0].reference_mm3, name,
               *(figures.get((name, endpoint.key, stage), {}).get(case, "–") for endpoint, stage in shown))
              for case, scores in groups[0].scores.items() for name in dict.fromkeys(group.group for group in groups)),
        digits={"Reference (mm³)": 0, **columns}, folded=True,
        notes=(*endpoint_notes(endpoints),
               "Averaged over runs: Detected is the share of the runs; – where a figure does not apply. Single runs, "
               "volumes, distances and clusters are in cases.csv, clusters.csv and lesions.csv."))

"""The report as one HTML file that opens from disk: no network, no scripts, pictures embedded."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from nnunet_tv.imaging.drawing import CONVENTION
from nnunet_tv.reporting.record import Record
from nnunet_tv.reporting.sections import Contents, Figure
from nnunet_tv.reporting.tables.table import Table
from nnunet_tv.utils.html import render


def to_html(record: Record, contents: Contents, *, cases: Table, pictures: Sequence[Path]) -> str:
    """The whole page.

    Parameters
    ----------
    record : Record
        For warnings and where everything comes from.
    contents : Contents
        Sections; their figures are embedded.
    cases : Table
        Every case.
    pictures : sequence of Path
        PNG files named for their case.
    """
    meta = record.meta
    return render(
        "report.html.j2", convention=CONVENTION, version=meta["versions"]["nnunet-tv"], created=meta["created"],
        command=shlex.join(meta["command"]), versions=meta["versions"], n_inputs=len(meta["sha256"]),
        summary=contents.summary, over_tables=contents.sections[0].warnings, sections=contents.sections, cases=cases,
        warnings=record.warnings,
        pictures=[Figure(path, f"Segmentation of {path.stem}: slices in three planes", path.stem) for path in pictures],
    )
